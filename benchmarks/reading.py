"""``python -m benchmarks.reading FOLDER``: the seconds that ``stages.predict`` takes to read a picture.

The pictures of a folder are read one after the other by the reader that ships, for a bill of materials, as a
user with one sheet would; loading it does not count. The line has the device and what it had to do besides.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.common.results import record
from benchmarks.common.shipped_reader import shipped_reader
from schematic_reader.cli import UserError, run
from schematic_reader.io.parallel import cores
from schematic_reader.predict.opened_sheet import open_sheets


def main() -> None:
    """Record one line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.reading", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of PNG files, a sheet each")
    args = parser.parse_args()
    files = sorted(args.folder.glob("*.png"))
    if not files:
        raise UserError(f"{args.folder} holds no .png")
    reader, limits = shipped_reader()
    seconds, processor, tiles = [], [], []
    for file in tqdm(files, desc="reading", unit="sheet"):
        start, used = time.perf_counter(), time.process_time()
        sheets = open_sheets(file.name, file.read_bytes(), limits)
        reader.read(sheets)
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
        tiles.append(sum(len(sheet.tiling) if sheet.tiling else 1 for sheet in sheets))
    record(
        "reading time",
        f"{len(files)} pictures, bill of materials, {cores()} threads",
        seconds_median=round(statistics.median(seconds), 1),
        seconds_p90=round(float(np.quantile(seconds, 0.9)), 1),
        cpu_seconds_median=round(statistics.median(processor), 1),
        cpu_seconds_p90=round(float(np.quantile(processor, 0.9)), 1),
        tiles_median=statistics.median(tiles),
    )


if __name__ == "__main__":
    run(main)

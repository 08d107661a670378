"""``python -m benchmarks.data.fetch_bytes``: bytes on the wire of fetch, of HfFileSystem and of load_dataset.

A server on loopback that speaks the Hub's API serves a data set in today's layout of Open Schematics: files
of 52 rows, 96 % of whose bytes are circuit boards. ``--files`` is how many.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common.results import SHARED, measured, record
from schematic_reader.io.tables import RAW
from schematic_reader.sources.shards import needed_bytes

REPOSITORY, REVISION = "someone/schematics", "5c74c3648d22e73426bbeb4691397d9cc8053e34"
ROWS, BOARDS = 52, 1_750_000  # rows a file, bytes of circuit boards a row
TODAY = {"image": "schematic_image", "json": "schematic_json", "yaml": "schematic_yaml"}


def main() -> None:
    """Serve the data set and read it both ways."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--side", choices=tuple(SIDES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        with tempfile.TemporaryDirectory() as empty:
            start = time.perf_counter()
            rows = SIDES[arguments.side](Path(empty))
            print(json.dumps({"rows": rows, "seconds": round(time.perf_counter() - start, 2)}))
        return
    from tests.support.hub_server import running_hub

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        whole, needed = make(folder / "hub" / "data", arguments.files)
        with running_hub(folder / "hub", REPOSITORY, REVISION) as hub:
            environment = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
            environment["HF_HOME"] = str(folder / "home")
            for side in SIDES:
                hub.sent.clear()
                hub.requests.clear()
                found = measured("benchmarks.data.fetch_bytes", "--side", side, environment=environment)
                sent = sum(hub.sent.values())
                figures: dict[str, Any] = {"bytes_sent": sent, "bytes_needed": needed, "bytes_whole": whole}
                figures["requests"] = sum(hub.requests.values())
                record("fetch_bytes", side, **figures, ratio=round(sent / needed, 3), **found)


def make(folder: Path, files: int) -> tuple[int, int]:
    """Write the data set; returns its bytes and those of the needed columns."""
    folder.mkdir(parents=True)
    paths = sorted((SHARED / "open-schematics-mini").glob("*.parquet"))
    if not paths:
        raise SystemExit("needs ../shared/open-schematics-mini beside the checkout")
    sheets = pa.concat_tables([pq.read_table(path) for path in paths]).select(RAW.names)
    sheets = sheets.rename_columns([TODAY.get(name, name) for name in RAW.names])
    whole = needed = 0
    for number in range(files):
        rng = Random(number)
        table = sheets.take([rng.randrange(sheets.num_rows) for _ in range(ROWS)])
        boards = pa.array([rng.randbytes(BOARDS) for _ in range(ROWS)])
        table = table.add_column(2, "pcb_files", boards).add_column(3, "pcb_images", boards)
        path = folder / f"train-{number:05d}-of-{files:05d}.parquet"
        pq.write_table(table, path, row_group_size=ROWS, compression="snappy")
        names = [TODAY.get(name, name) for name in RAW.names]
        whole += path.stat().st_size
        needed += needed_bytes(pq.read_metadata(path), names)
    return whole, needed


def tutorial(folder: Path) -> int:
    """The tutorial's line, at the same commit; its number of rows."""
    from datasets import load_dataset

    rows = load_dataset(REPOSITORY, revision=REVISION, split="train", cache_dir=str(folder))
    return len(rows)


def file_system(_: Path, **options: Any) -> int:
    """The needed columns through huggingface_hub's file system; the number of their rows."""
    from huggingface_hub import HfFileSystem

    names = [TODAY.get(name, name) for name in RAW.names]
    files = HfFileSystem(endpoint=os.environ["HF_ENDPOINT"], token=False)
    rows = 0
    for path in sorted(files.glob(f"datasets/{REPOSITORY}@{REVISION}/data/*.parquet")):
        with files.open(path, **options) as file, pq.ParquetFile(file, pre_buffer=True) as parquet:
            for group in range(parquet.num_row_groups):
                rows += parquet.read_row_group(group, columns=names).num_rows
    return rows


def fetched(folder: Path) -> int:
    """The fetch stage; its number of rows."""
    from schematic_reader.config import Data
    from schematic_reader.sources.fetch import fetch

    data = Data("hub", None, REPOSITORY, REVISION, None, None, None, None)
    os.environ.pop("HF_TOKEN", None)
    rows: int = fetch(data, 42, folder / "raw")["rows"]
    return rows


SIDES: dict[str, Callable[[Path], int]] = {
    "load_dataset": tutorial,
    "HfFileSystem": file_system,
    "HfFileSystem without cache": partial(file_system, cache_type="none"),
    "fetch": fetched,
}


if __name__ == "__main__":
    main()

"""``python -m benchmarks.data.generate_rows``: rows a second of the generator, on one core and on all.

A row is drawn, printed as KiCad text and described in JSON and YAML, at 640 x 448 px. ``--rows`` are made of
each variant after a warm-up that fills the caches of symbols and glyphs. One core is told by wall clock and
by the time that the process really had the core, which other work on the machine hardly changes.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from typing import Any

from benchmarks.common.results import record
from schematic_reader.io.parallel import cores
from schematic_reader.synthetic.sample import generate_rows

SEED, WIDTH, HEIGHT = 7, 640, 448
_WARM_UP = 64


def main() -> None:
    """Time the variants and check that they made the same bytes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1000)
    rows = parser.parse_args().rows
    _digest(_WARM_UP, workers=1, first=rows)
    wall, busy = time.perf_counter(), time.process_time()
    one = _digest(rows, workers=1)
    busy, wall = time.process_time() - busy, time.perf_counter() - wall
    record(
        "generate_rows", "one core", rows_per_s=round(rows / wall, 1), rows_per_core_s=round(rows / busy, 1)
    )
    start = time.perf_counter()
    several = _digest(rows, workers=cores())
    record(
        "generate_rows",
        f"{cores()} processes, their start counted",
        rows_per_s=round(rows / (time.perf_counter() - start), 1),
        same_bytes=one == several,
    )


def _digest(count: int, *, workers: int, first: int = 0) -> str:
    """The hash of all bytes of the rows."""
    digest = hashlib.sha256()
    for row in generate_rows(count, SEED, width=WIDTH, height=HEIGHT, first=first, workers=workers):
        digest.update(_bytes(row))
    return digest.hexdigest()


def _bytes(row: dict[str, Any]) -> bytes:
    texts = (row["schematic"], row["json"], row["yaml"], row["name"], row["description"])
    names = ",".join(row["components_used"])
    return row["image"]["bytes"] + "\0".join((*texts, names)).encode()


if __name__ == "__main__":
    main()

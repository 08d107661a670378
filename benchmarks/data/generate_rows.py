"""``python -m benchmarks.data.generate_rows``: rows a second of the generator, on one core and on all.

A row is drawn, printed as KiCad text and described in JSON and YAML, at 640 x 448 px. ``--rows`` are made of
each variant after a warm-up that fills the caches of symbols and glyphs. One core is measured in wall time
and in processor time, which other work on the machine hardly changes. Then the YAML texts alone, by the
generator's own writer and by PyYAML's C emitter.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from functools import partial
from typing import Any

import yaml

from benchmarks.common.results import record
from schematic_reader.io.parallel import cores
from schematic_reader.kicad.kiutils import to_mapping
from schematic_reader.synthetic.sample import generate_rows, make_sheet
from schematic_reader.synthetic.yaml_text import dump_yaml

SEED, WIDTH, HEIGHT = 7, 640, 448
_WARM_UP = 64
_YAML_SHEETS = 200


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
    sheets = [to_mapping(make_sheet(row, SEED, width=WIDTH, height=HEIGHT)[0]) for row in range(_YAML_SHEETS)]
    texts = {}
    for name, write in (
        ("dump_yaml", dump_yaml),
        ("CSafeDumper", partial(yaml.dump, Dumper=yaml.CSafeDumper)),
    ):
        start = time.process_time()
        texts[name] = [write(sheet) for sheet in sheets]
        busy = (time.process_time() - start) / len(sheets)
        record("generate_rows", f"YAML by {name}", ms_a_sheet=round(busy * 1000, 2))
    if texts["dump_yaml"] != texts["CSafeDumper"]:
        raise SystemExit("the two YAML writers differ")


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

"""``python -m benchmarks.data.sweep``: every real sheet read, drawn and connected.

All rows of ../shared/real-sheets and ../shared/open-schematics-mini. For each set: exceptions, sheets that
are refused with a reason, ink agreement with KiCad's pictures (as in ``benchmarks.data.ink``), processor
seconds to read and draw, and KiCad's nets that are found, where ../shared/kicad-netlists has them. The rows
that the mini set damages on purpose are read too: a reason is right for them, an exception is not.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.common.results import SHARED, record
from benchmarks.data.ink import SheetInk, measure_row
from schematic_reader.io.tables import iterate_rows
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.nets.netlist import nets
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet

Netlists = dict[int, Counter[frozenset[tuple[str, str]]]]  # KiCad's nets by row


def main() -> None:
    """Go through each set, print what failed and record the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    real, mini = SHARED / "real-sheets", SHARED / "open-schematics-mini"
    if not real.is_dir() or not mini.is_dir():
        raise SystemExit(f"{SHARED} has no real-sheets and open-schematics-mini")
    for name in ("train", "evaluation", "kicad10"):
        sweep(name, sorted(real.glob(f"{name}-*.parquet")), {})
    sweep("open-schematics-mini", sorted(mini.glob("*.parquet")), mini_netlists())


def mini_netlists() -> Netlists:
    """KiCad's own netlists of the mini set's good rows."""
    with gzip.open(SHARED / "kicad-netlists" / "mini.jsonl.gz", "rt", encoding="utf-8") as file:
        return {
            netlist["row_index"]: Counter(
                frozenset((reference, pin) for reference, pin in net["nodes"]) for net in netlist["nets"]
            )
            for netlist in map(json.loads, file)
        }


def sweep(name: str, files: list[Path], netlists: Netlists) -> None:
    """Measure the rows of ``files`` and record a line."""
    exceptions: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    inks: list[SheetInk] = []
    rows = theirs = equal = 0
    for number, row in enumerate(tqdm(iterate_rows(files), desc=name, unit="sheet")):
        rows += 1
        try:
            ours = connect(row)
            if (ink := inked(number, row)) is not None:
                inks.append(ink)
        except KicadError as error:
            refused[str(error)[:60]] += 1
            continue
        except Exception as error:  # noqa: BLE001, they are what is counted
            exceptions[type(error).__name__] += 1
            print(f"row {number} {row['name']}: {type(error).__name__}: {error}")
            continue
        if number in netlists:
            theirs += netlists[number].total()
            equal += (netlists[number] & ours).total()
    agreements = [ink.agreement for ink in inks]
    print(dict(refused))
    record(
        "sweep",
        name,
        sheets=rows,
        exceptions=exceptions.total(),
        refused=refused.total(),
        pictures=len(inks),
        **({"nets": theirs, "nets_equal": equal} if netlists else {}),
        **(
            {
                "ink_median": round(float(np.median(agreements)), 4),
                "ink_quantile_10": round(float(np.quantile(agreements, 0.1)), 4),
                "ink_least": round(min(agreements), 4),
                "seconds_median": round(float(np.median([ink.seconds for ink in inks])), 3),
            }
            if inks
            else {}
        ),
    )


def connect(row: dict[str, Any]) -> Counter[frozenset[tuple[str, str]]]:
    """The nets of a row's sheet, which is read, as sets of (reference, pin). Raises KicadError."""
    return Counter(net.pins for net in nets(read_sheet(row["schematic"] or "")))


def inked(number: int, row: dict[str, Any]) -> SheetInk | None:
    """The sheet drawn beside its picture; only drawn, and None, where that is missing or damaged."""
    data = (row["image"] or {}).get("bytes")
    if data:
        try:
            return measure_row(number, row, data)
        except OSError:  # a damaged picture
            pass
    draw_sheet(read_sheet(row["schematic"] or ""))
    return None


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    main()

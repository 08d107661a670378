"""``python -m benchmarks.data.ink``: how far drawn sheets agree with KiCad's own pictures of them.

``--rows`` is a parquet file or folder of raw rows; by default the evaluation sheets of ../shared/real-sheets.
Each row's ``.kicad_sch`` is read and drawn at its picture's size. Agreement is the share of ink of one
picture that has ink of the other within two pixels, the smaller of both directions. Ink differs from paper
by more than 60 in a channel, so that fills of symbol bodies do not count. Rows without one are passed over.
"""

from __future__ import annotations

import argparse
import io
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.common.results import SHARED, record
from schematic_reader.io.tables import iterate_rows
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.drawing.palette import PAPER
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet

_INK = 60  # levels of 255
_REACH = 2  # pixels
_WORST = 20


@dataclass(frozen=True)
class SheetInk:
    """One sheet: shares of KiCad's ink found, and of ours that is KiCad's; seconds to read and draw it.

    Shares are 0 where the sheet cannot be read, for which ``error`` tells the reason.
    """

    row: int
    name: str
    found: float
    true: float
    seconds: float
    error: str = ""

    @property
    def agreement(self) -> float:
        return min(self.found, self.true)


def main() -> None:
    """Measure all sheets, print the worst and record the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, default=SHARED / "real-sheets" / "evaluation-00.parquet")
    parser.add_argument("--file-name", default="", help="what the title blocks of the pictures call the file")
    arguments = parser.parse_args()
    if not arguments.rows.exists():
        raise SystemExit(f"{arguments.rows} does not exist")
    files = sorted(arguments.rows.rglob("*.parquet")) if arguments.rows.is_dir() else [arguments.rows]
    sheets = list(tqdm(measure(files, arguments.file_name), unit="sheet"))
    if not sheets:
        raise SystemExit(f"{arguments.rows} has no row with a picture")
    for sheet in sorted(sheets, key=lambda one: one.agreement)[:_WORST]:
        print(f"{sheet.agreement:.4f} row {sheet.row} {sheet.name} {sheet.error}".rstrip())
    agreements = [sheet.agreement for sheet in sheets]
    record(
        "ink",
        arguments.rows.name,
        sheets=len(sheets),
        median=round(float(np.median(agreements)), 4),
        quantile_10=round(float(np.quantile(agreements, 0.1)), 4),
        least=round(min(agreements), 4),
        unreadable=sum(bool(sheet.error) for sheet in sheets),
        seconds_median=round(float(np.median([sheet.seconds for sheet in sheets])), 3),
    )


def measure(files: list[Path], file_name: str = "") -> Iterator[SheetInk]:
    """Each row that has a picture; ``file_name`` stands in the title block."""
    for number, row in enumerate(iterate_rows(files)):
        if data := (row["image"] or {}).get("bytes"):
            yield measure_row(number, row, data, file_name)


def measure_row(number: int, row: dict[str, Any], data: bytes, file_name: str = "") -> SheetInk:
    """The sheet of a row beside its picture ``data``; ``error`` tells why it cannot be read."""
    truth = on_paper(data)
    start = time.process_time()
    try:
        sheet = replace(read_sheet(row["schematic"] or ""), file_name=file_name)
    except KicadError as error:
        return SheetInk(number, row["name"], 0.0, 0.0, time.process_time() - start, str(error))
    drawn = draw_sheet(sheet, width=truth.shape[1], height=truth.shape[0])
    seconds = time.process_time() - start
    found, true = ink_found(truth, np.asarray(drawn.convert("RGB")))
    return SheetInk(number, row["name"], found, true, seconds)


def on_paper(data: bytes) -> np.ndarray:
    """An encoded picture on KiCad's paper: uint8 (height, width, 3)."""
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    page = Image.new("RGBA", picture.size, (*PAPER, 255))
    page.alpha_composite(picture)
    return np.asarray(page.convert("RGB"))


def ink(rgb: np.ndarray) -> np.ndarray:
    """A mask (height, width) of what is not paper."""
    mask: np.ndarray = np.abs(rgb.astype(np.int16) - np.array(PAPER, dtype=np.int16)).max(axis=2) > _INK
    return mask


def near(mask: np.ndarray) -> np.ndarray:
    """The pixels within ``_REACH`` pixels of the mask."""
    height, width = mask.shape
    padded = np.pad(mask, _REACH)
    grown = np.zeros_like(mask)
    steps = range(-_REACH, _REACH + 1)
    for dy, dx in ((y, x) for y in steps for x in steps if x * x + y * y <= _REACH**2):
        grown |= padded[_REACH + dy : _REACH + dy + height, _REACH + dx : _REACH + dx + width]
    return grown


def ink_found(truth: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """The share of the truth's ink that is drawn, and of the drawn ink that is true; 1 where none is."""
    a, b = ink(truth), ink(drawn)
    found = (a & near(b)).sum() / a.sum() if a.any() else 1.0
    true = (b & near(a)).sum() / b.sum() if b.any() else 1.0
    return float(found), float(true)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    main()

"""Right answers about the tiles of whole sheets join to the right answer about the sheet."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from schematic_reader.config import ImageLimits
from schematic_reader.io.tiles import Tiling, tiling
from schematic_reader.kicad.kiutils import to_json, to_yaml
from schematic_reader.kicad.model import Point, Sheet
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet
from schematic_reader.synthetic.sample import make_row
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import EMPTY, Item, ModelAnswer
from schematic_reader.tasks.joining import joined
from tests.support.paths import shared_folder

LIMITS = ImageLimits(max_side=768, max_pixels=400_000, tiles=12)
TASKS = ("components", "json", "yaml", "schematic")


def parts_of(sheet: Sheet, cut: Tiling) -> list[Sheet]:
    """What each tile tells of: symbols, labels and sub-sheets at their own positions in its core.

    What is off the paper is in the tile next to it.
    """

    def tile(at: Point) -> int:
        places = (min(max(0, mm / paper), 1) for mm, paper in zip(at, sheet.size, strict=True))
        x, y = (min(place * side, side - 1) for place, side in zip(places, cut.scaled, strict=True))
        cores = ((number, cut.core(number)) for number in range(len(cut)))
        (found,) = [
            number for number, (left, top, right, bottom) in cores if left <= x < right and top <= y < bottom
        ]
        return found

    return [
        replace(
            sheet,
            symbols=tuple(symbol for symbol in sheet.symbols if tile(symbol.at) == number),
            labels=tuple(label for label in sheet.labels if tile(label.at) == number),
            sheets=tuple(box for box in sheet.sheets if tile(box.at) == number),
        )
        for number in range(len(cut))
    ]


def row_of(sheet: Sheet, task: str) -> dict[str, Any]:
    """A clean row, as far as the task's target needs it."""
    if task == "components":
        return {"components": [symbol.lib_id.rpartition(":")[2] for symbol in sheet.symbols]}
    return {task: {"json": to_json, "yaml": to_yaml, "schematic": write_sheet}[task](sheet)}


def with_values(items: Counter[Item]) -> Counter[Item]:
    """The items with the value that KiCad gives a part at first where a part has none."""
    filled = Counter[Item]()
    for item, count in items.items():
        match item:
            case ("symbol", reference, lib_id, "") if reference:
                item = ("symbol", reference, lib_id, lib_id.rpartition(":")[2])
        filled[item] += count
    return filled


def references(items: Counter[Item]) -> Counter[str]:
    return Counter(item[1] for item in items.elements() if item[0] == "symbol" and item[1])


def compared(sheet: Sheet, cut: Tiling, name: str) -> tuple[Counter[Item], Counter[Item]]:
    """The items of the joined answer and of the whole sheet's target; asserts that only doubles differ.

    A part whose units lie in several tiles, one in each, cannot be told from one that several tiles name.
    """
    task = task_named(name)
    targets = [
        task.target(row_of(part, name), form="compact") or EMPTY[name] for part in parts_of(sheet, cut)
    ]
    answers = [ModelAnswer(target, 1, "stop") for target in targets]
    whole = task.target(row_of(sheet, name), form="compact")
    assert whole is not None
    found, expected = task.parse(joined(task, answers).text).items, with_values(task.parse(whole).items)
    assert not found - expected
    if name != "components":
        each = [references(task.parse(target).items) for target in targets]
        doubled = {r for one in each for r in one if max(c[r] for c in each) == 1 < sum(c[r] for c in each)}
        assert {item[1] for item in expected - found} <= doubled
    return found, expected


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("row", [3, 4])
def test_generated_sheets(name: str, row: int) -> None:
    made = make_row(row, 1, width=1280, height=896)
    sheet = read_sheet(made["schematic"])
    cut = tiling(1280, 896, LIMITS)
    assert cut and len(cut) > 3 and len(sheet.symbols) > 9
    found, expected = compared(sheet, cut, name)
    assert found == expected


def real_sheets() -> Iterator[tuple[Sheet, Tiling]]:
    rows = pq.read_table(shared_folder("real-sheets") / "train-00.parquet", columns=["schematic", "image"])
    for row in rows.to_pylist()[::12]:
        cut = tiling(*Image.open(io.BytesIO(row["image"]["bytes"])).size, LIMITS)
        try:
            sheet = read_sheet(row["schematic"])
        except KicadError:
            continue
        if cut and sheet.symbols:
            yield sheet, cut


@pytest.mark.slow
def test_real_sheets() -> None:
    total, lost = Counter[str](), Counter[str]()
    for sheet, cut in real_sheets():
        for name in TASKS:
            found, expected = compared(sheet, cut, name)
            total[name] += expected.total()
            lost[name] += (expected - found).total()
    assert min(total[name] for name in TASKS) > 100
    assert lost["components"] == 0
    assert max(lost[name] / total[name] for name in TASKS) < 0.005

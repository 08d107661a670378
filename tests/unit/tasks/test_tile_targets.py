"""What is asked of a tile: the things that are read in its core, and every thing of one tile alone."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from schematic_reader.config import ImageLimits
from schematic_reader.io.tiles import Tiling, tiling
from schematic_reader.kicad.kiutils import to_json, to_yaml
from schematic_reader.kicad.model import Label, LibSymbol, PlacedSymbol, Property, Sheet, SheetBox
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import EMPTY
from schematic_reader.tasks.tile_targets import parts_of, tile_targets
from tests.support.paths import shared_folder

TASKS = ("components", "json", "yaml", "schematic")
PAPER = (300.0, 200.0)
LIMITS = ImageLimits(max_side=480, max_pixels=1 << 20, tiles=6)
WIDTH, HEIGHT = 600, 400  # 2 pixels a mm
CUT = Tiling((WIDTH, HEIGHT), 2, 2, (432, 336))
"""Cores of 304 x 208 pixels: their borders are at 152 and 104 mm."""


def placed(
    reference: str, at: tuple[float, float], *, text_at: tuple[float, float] | None, lib_id: str = "Device:R"
) -> PlacedSymbol:
    """A symbol whose reference is printed at ``text_at``; None hides it."""
    fields = (
        Property("Reference", reference, text_at or at, hidden=text_at is None),
        Property("Value", f"value of {reference}", at),
    )
    return PlacedSymbol(lib_id, at, properties=fields)


def row(*symbols: PlacedSymbol, width: int = WIDTH, height: int = HEIGHT, **more: Any) -> dict[str, Any]:
    lib_symbols = {symbol.lib_id: LibSymbol(symbol.lib_id) for symbol in symbols}
    sheet = Sheet(size=PAPER, paper="User", symbols=symbols, lib_symbols=lib_symbols, **more)
    return {"schematic": write_sheet(sheet), "width": width, "height": height}


def references(found: dict[str, Any], cut: Tiling = CUT) -> list[list[str]]:
    parts = parts_of(read_sheet(found["schematic"]), cut)
    return [[symbol.value.removeprefix("value of ") for symbol in part.symbols] for part in parts]


def test_a_symbol_belongs_to_the_core_in_which_its_reference_is_printed() -> None:
    found = row(
        placed("R1", (10, 10), text_at=(20, 10)),
        placed("R2", (150, 10), text_at=(154, 10)),  # its text is over the border
        placed("R3", (150, 10), text_at=None),
        placed("#PWR1", (150, 150), text_at=(160, 150)),  # a hidden kind of reference
        placed("R4", (160, 103), text_at=(160, 104)),
        placed("R5", (10, 10), text_at=(-5, 10)),  # off the paper, but its value is on it
        placed("R6", (-9, 10), text_at=(-5, 10)),
    )
    assert references(found) == [["R1", "R3", "R5"], ["R2"], ["#PWR1"], ["R4"]]


@pytest.mark.parametrize("name", TASKS)
def test_the_target_of_a_tile_is_that_of_a_sheet_with_its_part(name: str) -> None:
    labels = (Label("SDA", (200, 20)), Label("VBUS", (10, 150), kind="global"))
    box = SheetBox((140, 150), (20, 20), (Property("Sheetname", "Power", (153, 149)),))
    left = placed("R1", (10, 10), text_at=(10, 9))
    right = placed("C1", (200, 10), text_at=(200, 9), lib_id="Device:C")
    found = row(left, right, labels=labels, sheets=(box,))
    targets = tile_targets(task_named(name), found, CUT, form="compact")
    assert targets is not None
    items = [task_named(name).parse(target).items for target in targets]
    if name == "components":
        assert targets == ["R", "C", "none", "none"]
        return
    assert items == [
        Counter({("symbol", "R1", "R", "value of R1"): 1}),
        Counter({("symbol", "C1", "C", "value of C1"): 1, ("label", "local", "SDA"): 1}),
        Counter({("label", "global", "VBUS"): 1}),
        Counter({("sheet", "Power"): 1}),
    ]
    assert tile_targets(task_named(name), row(left), CUT, form="compact") == [targets[0], *[EMPTY[name]] * 3]


@pytest.mark.parametrize(
    ("name", "write"), [("json", to_json), ("yaml", to_yaml), ("schematic", write_sheet)]
)
def test_targets_say_what_is_drawn(name: str, write: Callable[[Sheet], Any]) -> None:
    """Of sheets that are used several times, in a hierarchy, the first use is drawn, not the properties."""
    hidden_value = replace(
        placed("R2", (50, 10), text_at=(50, 9)),
        properties=(Property("Reference", "R2", (50, 9)), Property("Value", "10k", (50, 11), hidden=True)),
    )
    power = replace(
        placed("#PWR1", (90, 10), text_at=None, lib_id="power:GND"),
        properties=(
            Property("Reference", "#PWR1", (90, 9), hidden=True),
            Property("Value", "GND", (90, 11), hidden=True),
        ),
    )
    used = replace(placed("R4", (110, 10), text_at=(110, 9)), instance_reference="R104", instance_value="22k")
    symbols = (hidden_value, placed("R3", (70, 10), text_at=None), power, used)
    sheet = Sheet(size=PAPER, symbols=symbols, lib_symbols={s.lib_id: LibSymbol(s.lib_id) for s in symbols})
    (target, *_) = [
        task_named(name).target({name: write(part)}, form="compact") for part in parts_of(sheet, CUT)
    ]
    assert target is not None
    assert task_named(name).parse(target).items == Counter(
        {
            ("symbol", "R2", "R", ""): 1,
            ("symbol", "", "R", "value of R3"): 1,
            ("symbol", "", "GND", "GND"): 1,
            ("symbol", "R104", "R", "22k"): 1,
        }
    )


@pytest.mark.parametrize("scale", [1, 2.5])
def test_places_do_not_depend_on_the_pictures_resolution(scale: float) -> None:
    found = row(placed("R1", (140, 90), text_at=(140, 90)), placed("R2", (160, 110), text_at=(160, 110)))
    cut = tiling(round(WIDTH * scale), round(HEIGHT * scale), LIMITS)
    assert cut is not None
    for reference, (x, y) in (("R1", (140, 90)), ("R2", (160, 110))):
        (tile,) = [number for number, names in enumerate(references(found, cut)) if reference in names]
        left, top, right, bottom = cut.core(tile)
        assert left <= x / PAPER[0] * cut.scaled[0] < right and top <= y / PAPER[1] * cut.scaled[1] < bottom


def test_a_row_that_does_not_tell_places_has_no_targets() -> None:
    task = task_named("json")
    symbol = placed("R1", (10, 10), text_at=(10, 9))
    for width, height, told in ((604, 400, True), (610, 400, False), (400, 600, False)):
        found = tile_targets(task, row(symbol, width=width, height=height), CUT, form="compact")
        assert (found is not None) == told
    for text in (None, "", "(kicad_sch", "EESchema Schematic File Version 4"):
        assert tile_targets(task, row(symbol) | {"schematic": text}, CUT, form="compact") is None


@pytest.mark.slow
def test_tiles_of_real_sheets_tell_of_every_symbol_once() -> None:
    table = pq.read_table(shared_folder("real-sheets") / "train-01.parquet", columns=["schematic", "image"])
    checked = 0
    for found in table.to_pylist()[:60]:
        cut = tiling(*Image.open(io.BytesIO(found["image"]["bytes"])).size, ImageLimits(768, 400_000, 12))
        try:
            sheet = read_sheet(found["schematic"])
        except KicadError:
            continue
        if cut is None:
            continue
        told = Counter(symbol.uuid for part in parts_of(sheet, cut) for symbol in part.symbols)
        on_paper = [
            s.uuid for s in sheet.symbols if 0 <= s.at[0] < sheet.size[0] and 0 <= s.at[1] < sheet.size[1]
        ]
        assert told >= Counter(on_paper) and told <= Counter(symbol.uuid for symbol in sheet.symbols)
        checked += len(on_paper)
    assert checked > 1000

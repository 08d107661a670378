"""A part that a tile's answer names is somewhere in the core of that tile."""

from __future__ import annotations

import pytest

from schematic_reader.config import ImageLimits
from schematic_reader.io.tiles import tiling
from schematic_reader.predict.places import core_box, places
from schematic_reader.tasks import task

TILES = tiling(1500, 700, ImageLimits(648, 400_000, 8))


def test_the_cores_cover_the_sheet_once() -> None:
    assert TILES is not None and len(TILES) > 2
    boxes = [core_box(TILES, number) for number in range(len(TILES))]
    assert sum(width * height for _, _, width, height in boxes) == pytest.approx(1)
    assert all(left >= 0 and left + width <= 1 + 1e-9 for left, _, width, _ in boxes)
    assert all(top >= 0 and top + height <= 1 + 1e-9 for _, top, _, height in boxes)


def test_references_and_library_symbols_are_in_the_tiles_that_name_them() -> None:
    assert TILES is not None
    answers = [
        (0, '{"symbols":[["R1","Device:R","1k"],["R2","Device:R","1k"],["power:GND","GND"]]}'),
        (1, '{"symbols":[["R1","Device:R","1k"],["C1","Device:C"'),  # cut off: C1 is not whole
        (2, "no JSON"),
    ]
    first, second = core_box(TILES, 0), core_box(TILES, 1)
    assert places(task("json"), TILES, answers) == {
        "R1": (first, second), "R": (first, second), "R2": (first,), "GND": (first,),
    }  # fmt: skip
    names = places(task("components"), TILES, [(1, "R, C_Small, R"), (0, "R")])
    assert names == {"R": (second, first), "C_Small": (second,)}

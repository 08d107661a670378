"""What each tile of a sheet tells of, as the target of a question about it.

A tile tells of what has its place in the tile's core: a symbol at its text that is read first, a label at its
position, a sub-sheet at its name. Cores cover a sheet once, so nothing is told of twice. References and
values are those that are drawn: what a sheet hides cannot be read from its picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from schematic_reader.io.tiles import Tiling
from schematic_reader.kicad.kiutils import to_json, to_yaml
from schematic_reader.kicad.model import PlacedSymbol, Point, Property, Sheet, SheetBox
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet
from schematic_reader.tasks.contract import EMPTY, CleanRow, Form, Task

_MAX_ASPECT_ERROR = 0.01  # of a picture's aspect ratio to that of its paper
_WRITERS: dict[str, Callable[[Sheet], Any]] = {
    "components": lambda sheet: sheet.component_names,
    "json": to_json,
    "yaml": to_yaml,
    "schematic": write_sheet,
}

_Placed = TypeVar("_Placed")


def tile_targets(task: Task, row: CleanRow, tiling: Tiling, *, form: Form) -> list[str] | None:
    """The target of each tile, in order; None where the row does not tell where its picture shows things.

    What lies off the paper is in no picture, and so in no target.

    Args:
        row: a clean row; ``width`` and ``height`` are those of its picture in pixels.
        tiling: of a picture of that size.
    """
    try:
        sheet = read_sheet(row["schematic"] or "")
    except KicadError:
        return None
    ratio = (row["width"] * sheet.size[1]) / (row["height"] * sheet.size[0])
    if abs(ratio - 1) > _MAX_ASPECT_ERROR:
        return None
    write = _WRITERS[task.name]
    return [
        task.target({task.name: write(part)}, form=form) or EMPTY[task.name]
        for part in parts_of(sheet, tiling)
    ]


def parts_of(sheet: Sheet, tiling: Tiling) -> list[Sheet]:
    """The symbols, labels and sub-sheets of each tile, in order, on a sheet without anything else."""
    symbols = _by_tile(sheet, tiling, sheet.symbols, symbol_places)
    labels = _by_tile(sheet, tiling, sheet.labels, lambda label: [label.at])
    boxes = _by_tile(sheet, tiling, sheet.sheets, _box_places)
    return [
        Sheet(
            size=sheet.size,
            version=sheet.version,
            lib_symbols=sheet.lib_symbols,
            symbols=tuple(map(_as_drawn, symbols[tile])),
            labels=tuple(labels[tile]),
            sheets=tuple(boxes[tile]),
        )
        for tile in range(len(tiling))
    ]


def _as_drawn(symbol: PlacedSymbol) -> PlacedSymbol:
    """The symbol with the reference and value that are drawn, "" for one that is hidden.

    A power symbol, whose drawing tells what it is, keeps its own.
    """
    if symbol.designator.startswith("#"):
        return symbol
    drawn = symbol.used_fields
    fields = (
        replace(field, value="" if field.hidden else drawn[field.key]) if field.key in drawn else field
        for field in symbol.properties
    )
    return replace(symbol, properties=tuple(fields), instance_reference="", instance_value="")


def symbol_places(symbol: PlacedSymbol) -> list[Point]:
    """Where a symbol is read: at its reference, at its value, at its own position."""
    shown = {prop.key: prop for prop in symbol.properties if not prop.hidden and prop.value}
    if symbol.designator.startswith("#"):
        shown.pop("Reference", None)
    return [shown[key].at for key in ("Reference", "Value") if key in shown] + [symbol.at]


def _box_places(box: SheetBox) -> list[Point]:
    named = (prop for prop in box.properties if _is_name(prop))
    return [prop.at for prop in named] + [box.at]


def _is_name(prop: Property) -> bool:
    return prop.key in ("Sheetname", "Sheet name") and not prop.hidden


def _by_tile(
    sheet: Sheet, tiling: Tiling, things: Iterable[_Placed], places: Callable[[_Placed], list[Point]]
) -> list[list[_Placed]]:
    """The things of each tile, by the first of their places that is on the paper."""
    found: list[list[_Placed]] = [[] for _ in range(len(tiling))]
    for thing in things:
        tiles = (_tile_at(place, sheet.size, tiling) for place in places(thing))
        tile = next((tile for tile in tiles if tile is not None), None)
        if tile is not None:
            found[tile].append(thing)
    return found


def _tile_at(place: Point, paper: Point, tiling: Tiling) -> int | None:
    """The tile with that place, in mm, in its core; None off the paper."""
    x, y = (mm / length * side for mm, length, side in zip(place, paper, tiling.scaled, strict=True))
    if not (0 <= x < tiling.scaled[0] and 0 <= y < tiling.scaled[1]):
        return None
    _, _, width, height = tiling.core(0)
    return int(y // height) * tiling.columns + int(x // width)

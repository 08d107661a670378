"""``python -m benchmarks.misread [PREDICTIONS] [--task json]``: which parts are read, by what is in the way.

Holds the parts of stored answers, ``data/predictions/tuned.parquet`` if no other file is named, against the
KiCad texts of their sheets in the test split of ``data/clean``. Records, for all parts and for those of each
group, the share whose reference is found, and of these the share with the right value and with the right
library symbol; ``docs/failures.md`` says what the groups are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.common.results import record
from benchmarks.common.stored_answers import stored_answers
from schematic_reader.cli import run
from schematic_reader.config import ImageLimits
from schematic_reader.io.picture import fitted_size
from schematic_reader.io.tables import clean_parts, iterate_rows
from schematic_reader.io.tiles import tiling
from schematic_reader.kicad.bom import ListedSymbol, listed_symbols
from schematic_reader.kicad.model import PlacedSymbol, Property
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet

TEXT_HEIGHTS = {"text under 6.5 px": 6.5, "text of 6.5 px and more": float("inf")}
PARTS = {"up to 20 parts": 20.0, "21 to 60 parts": 60.0, "more than 60 parts": float("inf")}


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """A part of a sheet: the groups that it belongs to, and what the answer has right of it."""

    groups: tuple[str, ...]
    reference: bool
    value: bool
    symbol: bool


def main() -> None:
    """Record one line."""
    answers = stored_answers("benchmarks.misread", (__doc__ or "").splitlines()[0])
    said = {row.id: answers.task.symbols(row.prediction) for row in answers.rows}
    judged: list[JudgedPart] = []
    for part in clean_parts(answers.clean, "test"):
        for row in iterate_rows([part], ["id", "schematic", "width", "height"]):
            if row["id"] in said and row["schematic"]:
                width = width_as_seen(row["width"], row["height"], answers.params.active.image)
                judged += judged_parts(row["schematic"], said[row["id"]], width)
    groups: dict[str, list[JudgedPart]] = defaultdict(list)
    for one in judged:
        for group in one.groups:
            groups[group].append(one)
    record(
        "misread",
        answers.variant,
        **shares(judged),
        groups={one: shares(groups[one]) for one in sorted(groups)},
    )


def width_as_seen(width: int, height: int, limits: ImageLimits) -> int:
    """The width in pixels that a picture of this size has for a model with these limits."""
    tiles = tiling(width, height, limits)
    if tiles is not None:
        return tiles.scaled[0]
    return fitted_size(width, height, max_side=limits.max_side, max_pixels=limits.max_pixels)[0]


def judged_parts(schematic: str, said: Sequence[ListedSymbol], width: float) -> Iterator[JudgedPart]:
    """The parts of a sheet, each once for all of its units; none of a text that cannot be read.

    Args:
        said: the symbols that the answer names.
        width: of the sheet in pixels, as the model sees it.
    """
    try:
        sheet = read_sheet(schematic)
    except KicadError:
        return
    parts: dict[str, tuple[PlacedSymbol, ListedSymbol]] = {}
    for placed, listed in zip(sheet.symbols, listed_symbols(sheet), strict=True):
        if listed.is_part:
            parts.setdefault(listed.reference, (placed, listed))
    of_sheet = [
        "sheet with buses" if any(line.kind == "bus" for line in sheet.lines) else "sheet without buses",
        next(name for name, most in PARTS.items() if len(parts) <= most),
    ]
    for reference, (placed, listed) in parts.items():
        read = [one for one in said if one.reference == reference]
        yield JudgedPart(
            groups=(*of_sheet, *_groups(placed, listed, width / sheet.size[0])),
            reference=bool(read),
            value=any(one.value == listed.value for one in read),
            symbol=any(one.name == listed.name for one in read),
        )


def _groups(placed: PlacedSymbol, listed: ListedSymbol, scale: float) -> Iterator[str]:
    """Those of a part by its own looks, at ``scale`` pixels per mm."""
    fields = {one.key: one for one in placed.properties}
    reference = fields["Reference"]  # a part has one, see ``ListedSymbol.is_part``
    if reference.hidden:
        yield "reference not printed"
    else:
        yield next(name for name, most in TEXT_HEIGHTS.items() if reference.style.size * scale < most)
    value = fields.get("Value")
    if value is None or value.hidden or not listed.value:
        yield "value not printed"
    elif _is_upright(value, placed):
        yield "value printed upright"
    else:
        yield "value printed across"
    yield "symbol named by its value" if listed.value == listed.name else "symbol not named by its value"


def _is_upright(text: Property, placed: PlacedSymbol) -> bool:
    """Whether a field runs from the bottom to the top of the sheet: its own angle turns with the symbol."""
    return (text.angle + placed.angle) % 180 == 90


def shares(parts: Sequence[JudgedPart]) -> dict[str, float]:
    """Of the parts those with their reference, and of these those with their value and their symbol."""
    found = [part for part in parts if part.reference]
    return {
        "parts": len(parts),
        "references": round(len(found) / max(len(parts), 1), 3),
        "values": round(sum(part.value for part in found) / max(len(found), 1), 3),
        "symbols": round(sum(part.symbol for part in found) / max(len(found), 1), 3),
    }


if __name__ == "__main__":
    run(main)

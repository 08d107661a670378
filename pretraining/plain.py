"""Sheets of symbols laid out in rows, no circuits: every symbol is as frequent as every other.

They teach the rare symbols, and texts that no circuit would have.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from schematic_reader.kicad.drawing.layout import Box, layout_of
from schematic_reader.kicad.model import (
    Label,
    LibSymbol,
    Line,
    PlacedSymbol,
    Point,
    Property,
    Sheet,
    TextStyle,
)

_GRID = 1.27  # mm
_MARGIN = 6.0  # mm
_UNITS = ("", "k", "M", "n", "u", "p", "R", "uF", "nF", "pF", "mH", "V")
_LETTERS = string.ascii_uppercase + string.digits
_ODD = _LETTERS + string.ascii_lowercase + "_-+./"
_LINE = 2.4  # mm between two lines of text
_LETTER = 1.2  # mm, mean advance of a letter


@dataclass(frozen=True)
class Candidate:
    """A symbol that may be placed; ``values`` are what its value field may say, "" for a made-up text."""

    symbol: LibSymbol
    prefix: str
    values: tuple[str, ...]


# How often symbols are placed, and which; all of a group alike.
Group = tuple[float, tuple[Candidate, ...]]


def made_up(rng: random.Random) -> str:
    """A text like a part number, a net or a quantity."""
    style = rng.random()
    if style < 0.3:
        return f"{rng.randrange(1, 1000)}{rng.choice(_UNITS)}"
    if style < 0.6:
        head = "".join(rng.choices(string.ascii_uppercase, k=rng.randrange(1, 5)))
        return head + "".join(rng.choices(_LETTERS if style < 0.5 else string.digits, k=rng.randrange(1, 6)))
    if style < 0.8:
        return "_".join(
            "".join(rng.choices(string.ascii_uppercase, k=rng.randrange(1, 5)))
            for _ in range(rng.randrange(1, 3))
        )
    return "".join(rng.choices(_ODD, k=rng.randrange(2, 11)))


@lru_cache(maxsize=50_000)
def _extent(symbol: LibSymbol, unit: int, angle: float, mirror: str) -> tuple[Box, Box]:
    """Body alone, and body with the texts at its pins, in mm around the symbol's place."""
    far = 1000.0
    placed = PlacedSymbol(symbol.lib_id, (far, far), angle, mirror, unit)
    library = {symbol.lib_id: symbol}
    seen = layout_of(
        Sheet(size=(2 * far, 2 * far), lib_symbols=library, symbols=(placed,), frame=False),
        2000,
        2000,
    )
    boxes = [drawn.body for drawn in seen.symbols] or [(far, far, far, far)]
    body = boxes[0]
    boxes += [text.box for text in seen.texts]
    whole = (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )
    return _shifted(body, (-far, -far)), _shifted(whole, (-far, -far))


def _shifted(box: Box, by: Point) -> Box:
    return (box[0] + by[0], box[1] + by[1], box[2] + by[0], box[3] + by[1])


def plain_sheet(groups: Sequence[Group], size: Point, rng: random.Random) -> Sheet:
    """A sheet of ``size`` mm with rows of symbols, their fields and a few labelled wires."""
    symbols: list[PlacedSymbol] = []
    library: dict[str, LibSymbol] = {}
    lines: list[Line] = []
    labels: list[Label] = []
    counts: dict[str, int] = {}
    gap = rng.uniform(2.0, 12.0)
    x, y, row = _MARGIN, _MARGIN, 0.0
    misses = 0
    while misses < 4 and len(symbols) < 60:
        (group,) = rng.choices([symbols for _, symbols in groups], [weight for weight, _ in groups])
        what = rng.choice(group)
        turn = rng.choice((0.0, 0.0, 90.0, 180.0, 270.0)) if not what.symbol.power else 0.0
        mirror = rng.choice(("", "", "x", "y")) if not what.symbol.power else ""
        units = sorted({u.unit for u in what.symbol.units if u.unit}) or [1]
        unit = rng.choice(units)
        body, whole = _extent(what.symbol, unit, turn, mirror)
        value = rng.choice(what.values) or made_up(rng)
        beside = body[2] - body[0] < 8 and not what.symbol.power and rng.random() < 0.6
        room = _LETTER * max(len(value), 4) + 2
        width = whole[2] - whole[0] + (room if beside else max(0.0, room - (whole[2] - whole[0])))
        height = whole[3] - whole[1] + (0 if beside else 2 * _LINE + 1.5)
        if x + width > size[0] - _MARGIN:
            x, y, row = _MARGIN, y + row + gap * 0.6, 0.0
        if x + width > size[0] - _MARGIN or y + height > size[1] - _MARGIN:
            misses += 1
            continue
        left = x - whole[0] + (0 if beside else (width - (whole[2] - whole[0])) / 2)
        at = (_snap(left), _snap(y - whole[1] + (0 if beside else _LINE + 0.7)))
        counts[what.prefix] = counts.get(what.prefix, rng.choice((0, 0, 10, 100))) + 1
        here = _shifted(body if beside else whole, at)
        texts = (f"{what.prefix}{counts[what.prefix]}", value)
        fields = _fields(what, texts, here, turn, turned=bool(turn or mirror), beside=beside)
        symbols.append(PlacedSymbol(what.symbol.lib_id, at, turn, mirror, unit, properties=fields))
        library[what.symbol.lib_id] = what.symbol
        x, row = x + width + gap * rng.uniform(0.5, 1.5), max(row, height)
        if rng.random() < 0.25:
            text = made_up(rng)
            if x + _LETTER * len(text) + 8 < size[0] - _MARGIN:
                start = (_snap(x), _snap(y + height / 2))
                end = (start[0] + 4 * _GRID, start[1])
                lines.append(Line((start, end)))
                kind = rng.choice(("local", "global", "hierarchical"))
                labels.append(
                    Label(
                        text,
                        end,
                        kind,
                        0.0,
                        rng.choice(("input", "output", "bidirectional")),
                    )
                )
                x += _LETTER * len(text) + 10 + gap
    return Sheet(
        size=size,
        lib_symbols=library,
        symbols=tuple(symbols),
        lines=tuple(lines),
        labels=tuple(labels),
        frame=False,
    )


def _fields(
    what: Candidate, texts: tuple[str, str], box: Box, turn: float, *, turned: bool, beside: bool
) -> tuple[Property, Property]:
    """Reference and value, beside the symbol's box or above and below it."""
    middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    align = "left" if beside else "center"
    # KiCad turns a field's alignment with the symbol; centred fields look the same however it lies.
    if beside and turned:
        widths = [_LETTER * len(text) / 2 for text in texts]
        spots = [
            (box[2] + 1.2 + widths[0], middle[1] - _LINE / 2),
            (box[2] + 1.2 + widths[1], middle[1] + _LINE / 2),
        ]
        align = "center"
    elif beside:
        spots = [(box[2] + 1.2, middle[1] - _LINE / 2), (box[2] + 1.2, middle[1] + _LINE / 2)]
    else:
        spots = [(middle[0], box[1] - 1.3), (middle[0], box[3] + 1.3)]
        if what.symbol.power and not any(word in what.symbol.name for word in ("GND", "Earth", "VSS", "VEE")):
            spots.reverse()
    style = TextStyle(h_align=align)
    angle = 90.0 if turn % 180 == 90 else 0.0
    return (
        Property("Reference", texts[0], spots[0], angle, hidden=what.symbol.power, style=style),
        Property("Value", texts[1], spots[1], angle, style=style),
    )


def _snap(length: float) -> float:
    return round(round(length / _GRID) * _GRID, 4)

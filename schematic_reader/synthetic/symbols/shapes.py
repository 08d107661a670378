"""Builders of library symbols: what is common to boxes, two-terminal parts and fields.

Drawing units are grid steps of 1.27 mm ("g") with y upward, as in a symbol library; the finished
``LibSymbol`` holds millimetres. Shapes follow IEC 60617 and, where a name says so, ANSI Y32.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from schematic_reader.kicad.model import (
    Arc,
    Circle,
    Graphic,
    LibSymbol,
    Pin,
    Point,
    Polyline,
    Property,
    Rectangle,
    SymbolUnit,
)

GRID = 1.27  # mm; KiCad's 50 mil grid, on which every pin and wire end lies
THIN = 0.1524  # mm
BOLD = 0.254  # mm, body outlines

RIGHT, UP, LEFT, DOWN = 0.0, 90.0, 180.0, 270.0  # directions from a pin's end towards the body

_PIN_KINDS = {
    "i": "input",
    "o": "output",
    "b": "bidirectional",
    "t": "tri_state",
    "p": "power_in",
    "P": "power_out",
    "c": "open_collector",
    "x": "passive",
    "n": "no_connect",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A library symbol and how a sheet writes its reference and value.

    ``fields`` is one of ``side`` (a two-terminal part: to its right when it stands, over and under it
    when it lies), ``right`` and ``left`` (that side of the upright body), ``corner`` (upper right),
    ``above`` (both texts over the body), ``box`` (over and under an integrated circuit) and
    ``power`` (the value alone, over a supply or under a ground). ``value`` is what the value field
    says where the circuit names none: the part number of a chip.
    """

    symbol: LibSymbol
    prefix: str
    fields: str
    value: str


def mm(steps: float) -> float:
    """Grid steps as millimetres, rounded so that no float noise reaches a file."""
    return round(steps * GRID, 4)


def at(x: float, y: float) -> Point:
    """The point of ``x`` and ``y`` grid steps, in mm."""
    return (mm(x), mm(y))


def line(*points: tuple[float, float], width: float = BOLD, fill: str = "none") -> Polyline:
    return Polyline(tuple(at(*p) for p in points), width=width, fill=fill)


def box(x0: float, y0: float, x1: float, y1: float, width: float = BOLD, fill: str = "none") -> Rectangle:
    return Rectangle(at(x0, y0), at(x1, y1), width=width, fill=fill)


def circle(x: float, y: float, radius: float, width: float = BOLD, fill: str = "none") -> Circle:
    return Circle(at(x, y), mm(radius), width=width, fill=fill)


def arc(start: tuple[float, float], mid: tuple[float, float], end: tuple[float, float]) -> Arc:
    return Arc(at(*start), at(*mid), at(*end), width=BOLD)


def arrow(x: float, y: float, dx: float, dy: float, size: float = 0.7) -> tuple[Polyline, Polyline]:
    """A line from ``(x, y)`` by ``(dx, dy)`` and its filled head."""
    length = math.hypot(dx, dy)
    ux, uy = dx / length, dy / length
    tip = (x + dx, y + dy)
    foot = (tip[0] - size * ux, tip[1] - size * uy)
    half = size * 0.45
    head = line(
        tip,
        (foot[0] - half * uy, foot[1] + half * ux),
        (foot[0] + half * uy, foot[1] - half * ux),
        tip,
        width=THIN,
        fill="outline",
    )
    return line((x, y), foot, width=THIN), head


def pin(
    number: str, x: float, y: float, angle: float, length: float = 2, name: str = "~", kind: str = "x"
) -> Pin:
    return Pin(number, name, at(x, y), angle, mm(length), _PIN_KINDS[kind])


class Options(TypedDict, total=False):
    """What most symbols leave at its default.

    Attributes:
        fields: see ``Kind``.
        value: of the value field; the symbol's name by default.
        numbers, names: whether they are written at the pins.
        name_offset: of a pin's name from the pin, in mm; 0 writes it over the pin.
        footprint: library and name.
        power: whether it is a power symbol.
    """

    fields: str
    value: str
    numbers: bool
    names: bool
    name_offset: float
    footprint: str
    power: bool


def make(
    library: str,
    name: str,
    prefix: str,
    graphics: Sequence[Graphic],
    pins: Sequence[Pin],
    **options: Unpack[Options],
) -> Kind:
    """A one-unit symbol of two terminals or so: no texts at its pins, its fields at its side."""
    units = (SymbolUnit(0, 1, tuple(graphics)), SymbolUnit(1, 1, (), tuple(pins)))
    defaults: Options = {"fields": "side", "numbers": False, "names": False}
    defaults.update(options)
    return make_units(library, name, prefix, units, **defaults)


def make_units(
    library: str,
    name: str,
    prefix: str,
    units: tuple[SymbolUnit, ...],
    **options: Unpack[Options],
) -> Kind:
    """A symbol of several units: as an integrated circuit, unless ``options`` say otherwise."""
    shown = options.get("value", name)
    power = options.get("power", False)
    properties = (
        Property("Reference", prefix, at(2, 1), hidden=power),
        Property("Value", shown, at(2, -1)),
        Property("Footprint", options.get("footprint", ""), hidden=True),
        Property("Datasheet", "~", hidden=True),
    )
    symbol = LibSymbol(
        f"{library}:{name}",
        properties,
        units,
        power=power,
        pin_numbers_hidden=not options.get("numbers", True),
        pin_names_hidden=not options.get("names", True),
        pin_name_offset=options.get("name_offset", 0.508),
    )
    return Kind(symbol, prefix, options.get("fields", "box"), shown)


def text_steps(text: str) -> float:
    """Width of a text of 1.27 mm in grid steps, from above: letters are about one step wide.

    The drawing's own widths are not asked, so that sheets stay the same when its font is refined.
    """
    return float(len(text) - 3 * text.count("~{"))


@dataclass(frozen=True, slots=True)
class _Row:
    number: str
    name: str
    kind: str


def _rows(spec: str) -> list[_Row | None]:
    """``"1 VI i, -, 3 VO P"`` as rows; ``-`` leaves a row empty, the third word defaults to passive."""
    rows: list[_Row | None] = []
    for cell in spec.split(","):
        words = cell.split()
        if not words:
            continue
        if words[0] == "-" and len(words) == 1:
            rows.append(None)
        else:
            rows.append(_Row(words[0], words[1], words[2] if len(words) > 2 else "b"))
    return rows


def chip_unit(
    unit: int, left: str = "", right: str = "", top: str = "", bottom: str = "", width: int = 0
) -> SymbolUnit:
    """A box with named pins on its four sides, two grid steps apart.

    The box is as wide as its names ask for, so that names of opposite sides do not meet; ``width``
    (grid steps, even) overrules that.
    """
    sides = {side: _rows(spec) for side, spec in zip("lrtb", (left, right, top, bottom), strict=True)}
    longest = {
        side: max((text_steps(r.name) for r in rows if r), default=0.0) for side, rows in sides.items()
    }
    column = 2.0 * max(len(sides["t"]), len(sides["b"]))
    if column:
        half = math.ceil(max(longest["l"], longest["r"]) + 0.6 + column / 2)
    else:
        half = math.ceil((longest["l"] + longest["r"] + 2.2) / 2)
    half = width // 2 if width else max(half, 3)
    rows = max(len(sides["l"]), len(sides["r"]), 1)
    tall = max(rows + 1, math.ceil((longest["t"] + longest["b"] + 1.5) / 2))
    pins: list[Pin] = []
    for side, x, angle in (("l", -half - 2, RIGHT), ("r", half + 2, LEFT)):
        for i, row in enumerate(sides[side]):
            if row:
                pins.append(pin(row.number, x, rows - 1 - 2 * i, angle, 2, row.name, row.kind))
    for side, y, angle in (("t", tall + 2, DOWN), ("b", -tall - 2, UP)):
        cells = sides[side]
        for i, row in enumerate(cells):
            if row:
                pins.append(pin(row.number, 2 * i - (len(cells) - 1), y, angle, 2, row.name, row.kind))
    body = box(-half, tall, half, -tall, fill="background")
    return SymbolUnit(unit, 1, (body,), tuple(pins))


def chip(
    library: str,
    name: str,
    left: str = "",
    right: str = "",
    top: str = "",
    bottom: str = "",
    *,
    prefix: str = "U",
    width: int = 0,
    **options: Unpack[Options],
) -> Kind:
    """A one-unit integrated circuit or module drawn as a box."""
    units = (chip_unit(1, left, right, top, bottom, width),)
    return make_units(library, name, prefix, units, **options)

"""The draft of a sub-circuit: parts, wires and labels on the 1.27 mm grid."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise

from schematic_reader.synthetic.circuits.orientation import (
    DOWN,
    IDENTITY,
    LEFT,
    OUTLINES,
    QUARTER,
    RIGHT,
    THREE_QUARTERS,
    UP,
    Matrix,
    Outline,
    Spot,
    product,
    turned,
)
from schematic_reader.synthetic.circuits.style import HouseStyle
from schematic_reader.synthetic.symbols import KINDS, Kind

_TURNS: dict[tuple[Spot, Spot], Matrix] = {}
for _m in (IDENTITY, QUARTER, product(QUARTER, QUARTER), THREE_QUARTERS):
    for _v in (RIGHT, LEFT, UP, DOWN):
        _TURNS[_v, turned(_m, *_v)] = _m

_HALF_TURN = product(QUARTER, QUARTER)
_DIODE_VALUES = {
    "diode": ("1N4148W", "1N4007", "1N4148", "M7", "BAV16W"),
    "schottky": ("SS14", "SS34", "B5819W", "1N5819", "BAT54"),
    "zener": ("5V1", "3V3", "12V", "15V", "BZT52C5V1"),
}


@dataclass(slots=True)
class DraftPart:
    """A placed symbol; parts with the same ``group`` share one reference designator."""

    kind: Kind
    at: Spot
    orientation: Matrix
    unit: int
    value: str
    group: int
    side: Spot | None  # where its texts go, if not where the kind says
    fields: str
    outline: Outline

    @property
    def name(self) -> str:
        return self.kind.symbol.name

    def __getitem__(self, key: str) -> Spot:
        """The end of the pin with this number or name."""
        pin = self.outline.pins[key]
        dx, dy = turned(self.orientation, pin.x, pin.y)
        return (self.at[0] + dx, self.at[1] + dy)

    def out(self, key: str) -> Spot:
        """The unit vector that leads away from the body at a pin."""
        return turned(self.orientation, *self.outline.pins[key].out)


@dataclass(slots=True)
class Wire:
    """A straight wire between two grid points."""

    start: Spot
    end: Spot


@dataclass(slots=True)
class NetLabel:
    """``out`` leads along the wire to its end, where the label sits."""

    text: str
    at: Spot
    out: Spot
    kind: str
    shape: str


@dataclass(slots=True)
class Nets:
    """The signal names of one sheet, so that no two circuits are joined by accident."""

    used: set[str] = field(default_factory=set)

    def unique(self, stem: str) -> str:
        """A free name: ``stem`` itself or with a number; ``#`` stands where a number always is."""
        name = stem.replace("#", "1")
        count = 1
        while name in self.used:
            count += 1
            name = stem.replace("#", str(count)) if "#" in stem else f"{stem}{count}"
        self.used.add(name)
        return name


@dataclass(slots=True)
class Draft:
    """The canvas of a sub-circuit; its coordinates are local, near the origin."""

    style: HouseStyle
    rng: random.Random
    nets: Nets
    parts: list[DraftPart] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    labels: list[NetLabel] = field(default_factory=list)
    no_connects: list[Spot] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The library symbols in use."""
        return {part.name for part in self.parts}

    @property
    def pitch(self) -> int:
        """Grid steps between upright capacitors whose values stand beside them."""
        return 10 if self.style.farad_unit else 8

    # choices

    def choose(self, *names: str) -> str:
        return self.rng.choice(names)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def ohms(self, *values: str) -> str:
        return self.style.number(self.rng.choice(values))

    def farads(self, *values: str) -> str:
        return self.style.farads(self.rng.choice(values))

    def signal(self, stem: str) -> str:
        """A net that no other circuit of the sheet has; a microcontroller may have it."""
        return self.nets.unique(stem)

    def choose_nets(self, sets: tuple[tuple[str, ...], ...], shared: set[str], count: int) -> list[str]:
        """``count`` nets from one of the sets, extended by numbered ones where it is too short."""
        chosen = list(self.rng.choice(sets)[:count])
        chosen += ["IO#"] * (count - len(chosen))
        return [net if net in shared else self.signal(net) for net in chosen]

    # parts

    def part(
        self,
        name: str,
        x: int,
        y: int,
        orientation: Matrix = IDENTITY,
        *,
        unit_of: tuple[DraftPart, int] | None = None,
        value: str | None = None,
        side: Spot | None = None,
        fields: str = "",
    ) -> DraftPart:
        """Place a symbol by its origin: a part of its own, or a further unit of the part in ``unit_of``."""
        kind = KINDS[name]
        group, unit = (unit_of[0].group, unit_of[1]) if unit_of else (len(self.parts), 1)
        placed = DraftPart(
            kind,
            (x, y),
            orientation,
            unit,
            kind.value if value is None else value,
            group,
            side,
            fields or kind.fields,
            OUTLINES[name, unit],
        )
        self.parts.append(placed)
        return placed

    def chain(
        self,
        name: str,
        start: Spot,
        way: Spot,
        value: str | None = None,
        *,
        reverse: bool = False,
        side: Spot | None = None,
    ) -> Spot:
        """Place a two-terminal part with pin 1 (pin 2 if ``reverse``) at ``start``; returns its other end."""
        pins = OUTLINES[name, 1].pins
        first, last = (pins["2"], pins["1"]) if reverse else (pins["1"], pins["2"])
        dx, dy = last.x - first.x, last.y - first.y
        unit = ((dx > 0) - (dx < 0), (dy > 0) - (dy < 0))
        orientation = _TURNS[unit, way]
        ox, oy = turned(orientation, first.x, first.y)
        self.part(name, start[0] - ox, start[1] - oy, orientation, value=value, side=side)
        length = abs(dx + dy)
        return (start[0] + way[0] * length, start[1] + way[1] * length)

    def length(self, name: str) -> int:
        """Grid steps from end to end of a two-terminal part."""
        pins = OUTLINES[name, 1].pins
        return abs(pins["2"].x - pins["1"].x) + abs(pins["2"].y - pins["1"].y)

    def resistor(self, start: Spot, way: Spot, *values: str, side: Spot | None = None) -> Spot:
        return self.chain(self.style.resistor, start, way, self.ohms(*values), side=side)

    def capacitor(self, start: Spot, way: Spot, *values: str, side: Spot | None = None) -> Spot:
        return self.chain(self.style.capacitor, start, way, self.farads(*values), side=side)

    def electrolytic(self, start: Spot, way: Spot, *values: str, side: Spot | None = None) -> Spot:
        return self.chain(self.style.polarized, start, way, self.farads(*values), side=side)

    def power(self, name: str, at: Spot) -> None:
        """A power symbol; it stands upright however the circuit is turned, a negative one upside down."""
        self.part(name, *at, _HALF_TURN if name.startswith("-") else IDENTITY)

    def ground(self, at: Spot) -> None:
        self.power(self.style.ground, at)

    def to_ground(self, start: Spot, *values: str, side: Spot | None = None) -> None:
        """A capacitor from ``start`` down to ground."""
        self.ground(self.capacitor(start, DOWN, *values, side=side))

    def diode(
        self, start: Spot, way: Spot, *, kind: str = "diode", reverse: bool = False, side: Spot | None = None
    ) -> Spot:
        """A diode of the house's kind, cathode first unless ``reverse``."""
        name = getattr(self.style, kind)
        value = name
        if name.startswith("D_") or name == "D":
            value = self.choose(*_DIODE_VALUES[kind])
        elif name.startswith("BZX"):
            value = "BZX84C" + self.choose("3V3", "5V1", "12")
        return self.chain(name, start, way, value, reverse=reverse, side=side)

    def led(self, start: Spot, way: Spot, *, reverse: bool = False) -> Spot:
        color = self.choose("LED", "RED", "GREEN", "BLUE", "YELLOW", "Green", "Red", "PWR", "STATUS")
        return self.chain(self.style.led, start, way, color, reverse=reverse)

    def across(
        self, name: str, start: Spot, end: Spot, value: str | None = None, *, side: Spot | None = None
    ) -> None:
        """A two-terminal part in the middle of the straight wire from ``start`` to ``end``."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        way = ((dx > 0) - (dx < 0), (dy > 0) - (dy < 0))
        lead = (abs(dx + dy) - self.length(name)) // 2
        self.wire(self.chain(name, self.go(start, way, lead), way, value, side=side), end)

    # connections

    def wire(self, *points: Spot) -> Spot:
        """Straight wires through ``points``; returns the last one."""
        for start, end in pairwise(points):
            if start[0] != end[0] and start[1] != end[1]:
                raise ValueError(f"a wire from {start} to {end} is neither horizontal nor vertical")
            if start != end:
                self.wires.append(Wire(start, end))
        return points[-1]

    def go(self, start: Spot, way: Spot, steps: int) -> Spot:
        """A wire of ``steps`` from ``start``; returns its end."""
        return self.wire(start, (start[0] + way[0] * steps, start[1] + way[1] * steps))

    def comb(self, column: int, *starts: Spot) -> Spot:
        """Horizontal wires from ``starts`` to one vertical wire at ``column``; returns its lower end."""
        rows = sorted({y for _, y in starts})
        for start in starts:
            self.wire(start, (column, start[1]))
        for upper, lower in pairwise(rows):
            self.wire((column, upper), (column, lower))
        return (column, rows[-1])

    def stub(self, part: DraftPart, key: str, steps: int) -> Spot:
        return self.go(part[key], part.out(key), steps)

    def label(self, text: str, at: Spot, out: Spot, kind: str = "", shape: str = "bidirectional") -> None:
        """Name the net whose wire ends at ``at``, having come along ``out``."""
        self.labels.append(NetLabel(text, at, out, kind or self.style.label_kind, shape))

    def tag(self, text: str, start: Spot, out: Spot, *, kind: str = "", shape: str = "bidirectional") -> None:
        """A wire from ``start`` that is as long as its label needs, and the label."""
        kind = kind or self.style.label_kind
        steps = len(text) + 1 if kind == "local" else 2
        self.label(text, self.go(start, out, steps), out, kind, shape)

    def port(
        self, part: DraftPart, key: str, text: str, *, shape: str = "bidirectional", kind: str = ""
    ) -> None:
        """Label a pin."""
        self.tag(text, part[key], part.out(key), kind=kind, shape=shape)

    def pin_ground(self, part: DraftPart, key: str, steps: int = 0) -> None:
        """Ground a pin: straight down, or around the corner where it leaves sideways."""
        end = self.stub(part, key, steps)
        if part.out(key)[1] == 0:
            end = self.go(end, DOWN, 1)
        self.ground(end)

    def pin_power(self, part: DraftPart, key: str, name: str, steps: int = 0, up: int = 1) -> Spot:
        """Supply a pin; returns the corner where the wire turns up."""
        end = self.stub(part, key, steps)
        if part.out(key)[1] == 0:
            self.power(name, self.go(end, UP, up))
        else:
            self.power(name, end)
        return end

    def open(self, part: DraftPart, *keys: str) -> None:
        """Mark pins as not connected."""
        self.no_connects += [part[key] for key in keys]

    def supply_chip(self, chip: DraftPart, top: str, bottom: str, rail: str = "") -> None:
        """Supply symbol, ground and, mostly, a capacitor that lies over the chip's left corner."""
        at = chip[top]
        if self.chance(0.55):
            at = self.go(at, UP, 3)
            edge = chip.at[0] + round(chip.outline.body[0]) - 1
            start = (edge + self.length(self.style.capacitor), at[1])
            low = self.capacitor(self.wire(at, start), LEFT, "100n", "100n", "1u")
            self.ground(self.wire(low, (low[0] - 2, low[1]), (low[0] - 2, low[1] + 1)))
        self.power(rail or self.choose(self.style.logic, self.style.logic, self.style.main), at)
        self.pin_ground(chip, bottom)

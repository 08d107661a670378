"""The nets of a sheet, that is which pins are connected, as in KiCad's netlist of the sheet alone.

The rules are KiCad's (eeschema/connection_graph.cpp and sch_label.cpp):

- What shares a point is joined: pins, ends of wires, junctions, labels, sheet pins, no-connects. A wire
  has no points but its ends: what ends on its middle, crosses it or lies under it is not joined to it.
  Pins of the type no_connect are joined to nothing.
- A junction joins all wires through its place. So does a label where two or more run; the middle of a
  single wire takes a label only where no pin, sheet pin, no-connect or other label sits.
- A bus entry joins nothing on its bus, whose nets are known by their names.
- From KiCad 10 on a pin may be several of one place, ``[1-3,7]``, each with a number of its own.
- One sheet is one space of names: labels of all kinds, power symbols (by their value) and hidden power
  inputs of other symbols (by the pin's name). Pins of sub-sheets join nothing by name.

Points are whole numbers of 100 nm, KiCad's own unit, so that no comparison needs a tolerance.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from schematic_reader.kicad.geometry import orientation
from schematic_reader.kicad.model import (
    POWER_BY_VALUE,
    STACKED_PINS,
    LibSymbol,
    Pin,
    PlacedSymbol,
    Point,
    Sheet,
)
from schematic_reader.kicad.nets.bus_labels import Members, parse_bus
from schematic_reader.kicad.nets.segments import GridPoint, SegmentIndex
from schematic_reader.kicad.nets.stacked_pins import pin_numbers
from schematic_reader.kicad.text_variables import resolved
from schematic_reader.union_find import UnionFind

PinId = tuple[str, str]  # reference and pin number

# What may name a net, by KiCad's rank.
_PIN, _SHEET_PIN, _HIERARCHICAL, _LOCAL, _LOCAL_POWER, _POWER, _GLOBAL = range(1, 8)
_LABEL_RANKS = {"local": _LOCAL, "global": _GLOBAL, "hierarchical": _HIERARCHICAL}


@dataclass(frozen=True, slots=True)
class Net:
    """Pins that are joined.

    ``name`` is KiCad's for the sheet as a root: ``GND``, ``/LABEL``, ``Net-(R1-Pad2)``. Nets without a
    label may share one, where references are not unique.
    """

    name: str
    pins: frozenset[PinId]


def nets(sheet: Sheet) -> list[Net]:
    """The nets of a sheet by name, also those with a single pin.

    Symbols with a reference like ``#PWR01`` join pins, but are not parts and have no pins of their own
    here. A symbol that is missing in the sheet's ``lib_symbols`` has no pins.
    """
    return _Connections(resolved(sheet)).nets()


def grid(point: Point) -> GridPoint:
    """Millimetres to whole units of 100 nm, halves away from zero as KiCad rounds."""
    x, y = (math.floor(abs(v) * 10_000 + 0.5) * (1 if v >= 0 else -1) for v in point)
    return x, y


def placed_pins(symbol: PlacedSymbol, library: LibSymbol) -> Iterator[tuple[Pin, GridPoint]]:
    """The pins of the symbol's unit and body style, and where they lie on the sheet."""
    turn = orientation(symbol.angle, symbol.mirror)
    x, y = grid(symbol.at)
    for unit in library.units:
        if unit.unit in (0, symbol.unit) and unit.style in (0, symbol.style):
            for pin in unit.pins:
                px, py = grid(pin.at)
                yield symbol.pin_as_used(pin), (x + turn.a * px + turn.b * py, y + turn.c * px + turn.d * py)


@dataclass(frozen=True, slots=True)
class _Name:
    """A name that an item gives to its net."""

    item: int
    rank: int
    text: str
    alone: str = ""  # of a pin: the text where nothing else is on its net


class _Connections:
    """Everything on a sheet that connects, as disjoint sets of items, which are numbered from 1."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.items = 0
        self.joined: UnionFind[int] = UnionFind()
        self.pins: list[tuple[int, PinId]] = []
        self.names: list[_Name] = []
        self.bus_labels: list[tuple[int, Members]] = []
        self.no_connects: list[int] = []
        self.occupied: set[GridPoint] = set()  # where a label does not take the middle of a wire
        # What lies at a point: ends of wires and of buses do not join each other by themselves.
        self.joints: defaultdict[GridPoint, list[int]] = defaultdict(list)
        self.wire_ends: defaultdict[GridPoint, list[int]] = defaultdict(list)
        self.bus_ends: defaultdict[GridPoint, list[int]] = defaultdict(list)
        self._place_symbols()
        self.wires = self._place_lines("wire", self.wire_ends)
        self.buses = self._place_lines("bus", self.bus_ends)
        self._place_points()
        self._place_labels()
        self._join_entries()
        self._join_points()
        self._join_names()

    def nets(self) -> list[Net]:
        members: defaultdict[int, set[PinId]] = defaultdict(set)
        for item, pin in self.pins:
            members[self.joined.find(item)].add(pin)
        names = self._net_names()
        found = [Net(names.get(root, ""), frozenset(pins)) for root, pins in members.items()]
        return sorted(found, key=lambda net: (net.name, sorted(net.pins)))

    # --- items --------------------------------------------------------------------------------------

    def _item(self) -> int:
        self.items += 1
        return self.items

    def _join(self, items: Iterable[int]) -> None:
        items = iter(items)
        first = next(items, 0)
        for item in items:
            self.joined.union(first, item)

    def _place_symbols(self) -> None:
        for symbol in self.sheet.symbols:
            library = self.sheet.lib_symbols.get(symbol.library_key)
            if library is None:
                continue
            by_number: defaultdict[str, list[int]] = defaultdict(list)
            pins = list(placed_pins(symbol, library))
            repeated = Counter(pin.name for pin, _ in pins)
            for pin, point in pins:
                item = self._item()
                self.occupied.add(point)
                if pin.kind != "no_connect":  # such a pin joins nothing
                    self.joints[point].append(item)
                stacked = pin_numbers(pin.number) if self.sheet.version >= STACKED_PINS else (pin.number,)
                for number in stacked:
                    by_number[number].append(item)
                if not symbol.designator.startswith("#"):
                    self.pins += [(item, (symbol.designator, number)) for number in stacked]
                    unnamed = pin.name in self.sheet.empty_texts
                    names = _pin_name(
                        symbol, library, replace(pin, number=stacked[0]), 0 if unnamed else repeated[pin.name]
                    )
                    self.names.append(_Name(item, _PIN, *names))
                power = power_name(self.sheet, symbol, library, pin)
                if power is not None:
                    rank = _LOCAL_POWER if library.local_power else _POWER
                    self.names.append(_Name(item, rank, power))
            if library.duplicate_pins_are_jumpers:
                for items in by_number.values():
                    self._join(items)
            for group in library.jumper_pin_groups:
                self._join(by_number[number][0] for number in group if number in by_number)

    def _place_lines(self, kind: str, ends: dict[GridPoint, list[int]]) -> SegmentIndex:
        segments: list[tuple[GridPoint, GridPoint, int]] = []
        for line in self.sheet.lines:
            if line.kind == kind:
                points = [grid(point) for point in line.points]
                for start, end in pairwise(points):
                    item = self._item()
                    ends[start].append(item)
                    ends[end].append(item)
                    segments.append((start, end, item))
        return SegmentIndex(segments)

    def _place_points(self) -> None:
        for at in self.sheet.no_connects:
            item = self._item()
            self.joints[grid(at)].append(item)
            self.occupied.add(grid(at))
            self.no_connects.append(item)
        for box in self.sheet.sheets:
            for pin in box.pins:
                item = self._item()
                self.joints[grid(pin.at)].append(item)
                self.occupied.add(grid(pin.at))
                self.names.append(_Name(item, _SHEET_PIN, pin.name))

    def _place_labels(self) -> None:
        """Place labels and junctions, where lines join that do not end there."""
        aliases = dict(self.sheet.bus_aliases)
        labels: defaultdict[GridPoint, list[int]] = defaultdict(list)
        for label in self.sheet.labels:
            item = self._item()
            labels[grid(label.at)].append(item)
            if label.kind != "directive":
                # KiCad writes a slash within a label's text as {slash}.
                text = label.text.replace("{slash}", "/")
                self.names.append(_Name(item, _LABEL_RANKS[label.kind], text))
                members = parse_bus(text, aliases)
                if members is not None:
                    self.bus_labels.append((item, members))
        for point, items in labels.items():
            lines = len(self.wires.through(point)) + len(self.buses.through(point))
            if lines > 1 or (lines == 1 and len(items) == 1 and point not in self.occupied):
                self._end_lines(point)
            self.joints[point] += items
        for at in self.sheet.junctions:
            self._end_lines(grid(at))
            self.joints[grid(at)].append(self._item())

    def _end_lines(self, point: GridPoint) -> None:
        """Let all lines through a point end there."""
        self.wire_ends[point] += self.wires.through(point)
        self.bus_ends[point] += self.buses.through(point)

    # --- joining ------------------------------------------------------------------------------------

    def _join_entries(self) -> None:
        """Join bus entries to what they touch, but to no bus, bus label or other entry."""
        labels = {item for item, _ in self.bus_labels}
        for entry in self.sheet.bus_entries:
            item = self._item()
            (x, y), (width, height) = grid(entry.at), grid(entry.size)
            for point in ((x, y), (x + width, y + height)):
                if not self.buses.through(point):
                    touched = (*self.joints.get(point, ()), *self.wire_ends.get(point, ()))
                    self._join((item, *(other for other in touched if other not in labels)))

    def _join_points(self) -> None:
        for point, items in self.joints.items():
            self._join((*items, *self.wire_ends.pop(point, ()), *self.bus_ends.pop(point, ())))
        for ends in (self.wire_ends, self.bus_ends):
            for items in ends.values():
                self._join(items)

    def _join_names(self) -> None:
        named: dict[str, int] = {}
        for name in self.names:
            if name.rank > _SHEET_PIN and name.text not in self.sheet.empty_texts:
                self._join((named.setdefault(name.text, name.item), name.item))
        # Two labels on one bus make one net of the nets that correspond.
        same: defaultdict[tuple[int, int | str], list[int]] = defaultdict(list)
        for item, members in self.bus_labels:
            root = self.joined.find(item)
            for key, member in members:
                if member in named:
                    same[root, key].append(named[member])
        for items in same.values():
            self._join(items)

    def _net_names(self) -> dict[int, str]:
        """The best name of each net: by rank, then without ``-Pad``, then by the alphabet."""
        best: dict[int, tuple[tuple[int, bool, str], _Name]] = {}
        for name in self.names:
            root = self.joined.find(name.item)
            key = (-name.rank, "-Pad" in name.text, name.text)
            if root not in best or key < best[root][0]:
                best[root] = key, name
        pins = Counter(
            self.joined.find(item) for item in {item for item, _ in self.pins}
        )  # stacked ones are one
        alone = {root for root, count in pins.items() if count == 1}
        alone.update(self.joined.find(item) for item in self.no_connects)
        return {root: _full_name(name, alone=root in alone) for root, (_, name) in best.items()}


def power_name(sheet: Sheet, symbol: PlacedSymbol, library: LibSymbol, pin: Pin) -> str | None:
    """The name that a pin of a power symbol, or a hidden power input, gives to its net; None for others."""
    if pin.kind != "power_in" or not (library.power or pin.hidden):
        return None
    by_value = library.power and not (pin.hidden and sheet.version < POWER_BY_VALUE)
    return symbol.value if by_value else pin.name


def _pin_name(symbol: PlacedSymbol, library: LibSymbol, pin: Pin, repeated: int) -> tuple[str, str]:
    """The name that a pin gives to a net without another name, and to a net of that pin alone.

    ``repeated`` is how many pins have its name, 0 for a pin without one.
    """
    pad = f"Pad{pin.number}"
    if not repeated or pin.name == pin.number:
        return (f"{symbol.designator}-{pad}",) * 2
    units = len({unit.unit for unit in library.units if unit.unit})
    letter = chr(ord("A") + (symbol.unit - 1) % 26) if units > 1 else ""
    name = f"{symbol.designator}{letter}-{pin.name}"
    return (f"{name}-{pad}" if repeated > 1 else name), f"{name}-{pad}"


def _full_name(name: _Name, *, alone: bool) -> str:
    text = name.alone if alone and name.rank == _PIN else name.text
    if name.rank >= _POWER:
        return text
    if name.rank == _PIN:
        return f"unconnected-({text})" if alone else f"Net-({text})"
    return f"/{text}"

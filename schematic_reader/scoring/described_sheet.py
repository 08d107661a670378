"""Read the data set's mapping of a sheet (its json and yaml) as a sheet: ``kicad.description`` backwards.

A mapping says where everything on the sheet is, but of a placed symbol only library id, position, angle and
properties: not which unit of its part it is, not whether it is mirrored, and nothing of its pins. So these
come from the KiCad text of the sheet that is described, for targets and answers alike, and symbols that it
does not tell about are counted. Bus aliases and the file's version come from there too.

Mappings are untrusted. Numbers are read from text, as the tasks' loaders leave them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from schematic_reader.kicad.model import (
    BusEntry,
    Label,
    Line,
    PlacedSymbol,
    Point,
    Property,
    Sheet,
    SheetBox,
    SheetPin,
)

MAX_COMPARED = 5_000_000
"""Most symbols said times symbols there; the mini set's largest sheet compares 36,481."""

_LIMIT = 1e5  # mm; KiCad's own coordinates end at 214 m

_LABELS = {"labels": "local", "globalLabels": "global", "hierarchicalLabels": "hierarchical"}
_SECTIONS = (
    "schematicSymbols",
    "graphicalItems",
    "junctions",
    "noConnects",
    "busEntries",
    "sheets",
    *_LABELS,
)

_Entry = Mapping[object, object]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DescribedSheet:
    """What a mapping draws.

    ``unread`` counts entries without the layout of their section, which are left out, and ``unresolved``
    placed symbols without pins, because the described sheet has no symbol of their library name.
    """

    sheet: Sheet
    unread: int
    unresolved: int


def described_sheet(document: object, own: Sheet) -> DescribedSheet | None:
    """The sheet that a mapping draws with the symbols of ``own``, the sheet that it is a description of.

    A placed symbol has library symbol, unit, body style and mirror of a symbol of ``own`` with its library
    name (the id after the colon): of the nearest that has its reference too or, without one, the nearest of
    all. None where the document is no mapping, has none of the sections or more symbols than are compared.
    """
    if not isinstance(document, Mapping) or not any(section in document for section in _SECTIONS):
        return None
    symbols = document.get("schematicSymbols")
    if isinstance(symbols, list) and len(symbols) * len(own.symbols) > MAX_COMPARED:
        return None
    sections, library = _Sections(document), _Library(own)
    sheet = Sheet(
        version=own.version,
        lib_symbols=own.lib_symbols,
        symbols=tuple(sections.read("schematicSymbols", library.placed)),
        lines=tuple(line for line in sections.read("graphicalItems", _line) if line),
        bus_entries=tuple(sections.read("busEntries", _bus_entry)),
        junctions=tuple(sections.read("junctions", _position)),
        no_connects=tuple(sections.read("noConnects", _position)),
        labels=tuple(
            Label(text, at, kind)
            for section, kind in _LABELS.items()
            for text, at in sections.read(section, _label)
        ),
        sheets=tuple(sections.read("sheets", _sheet_box)),
        bus_aliases=own.bus_aliases,
    )
    return DescribedSheet(sheet, sections.unread, library.unresolved)


class _UnreadEntryError(ValueError):
    """An entry of a section does not have the section's layout."""


class _Sections:
    """The sections of a document, with a count of the entries that are not read."""

    def __init__(self, document: _Entry) -> None:
        self.document = document
        self.unread = 0

    def read(self, name: str, reader: Callable[[_Entry], _T]) -> list[_T]:
        entries = self.document.get(name) or []
        found = []
        for entry in entries if isinstance(entries, list) else [None]:
            try:
                found.append(reader(_mapping(entry)))
            except _UnreadEntryError:
                self.unread += 1
        return found


class _Library:
    """The symbols of the described sheet by library name, and by reference too."""

    def __init__(self, own: Sheet) -> None:
        self.unresolved = 0
        self.alike: defaultdict[tuple[str, ...], list[PlacedSymbol]] = defaultdict(list)
        for symbol in own.symbols:
            if (symbol.lib_name or symbol.lib_id) in own.lib_symbols:
                name = symbol.lib_id.split(":", 1)[-1]
                self.alike[name,].append(symbol)
                self.alike[name, symbol.reference].append(symbol)

    def placed(self, entry: _Entry) -> PlacedSymbol:
        name = _string(entry.get("entryName"))
        position = _mapping(entry.get("position"))
        at, angle = _point(position), _number(position.get("angle") or "0")
        fields = [_mapping(field) for field in _list(entry.get("properties"))]
        properties = tuple(
            Property(key, _string(field.get("value") or ""))
            for key in ("Reference", "Value")
            for field in fields
            if field.get("key") == key
        )
        said = PlacedSymbol("", at, angle, properties=properties)
        alike = self.alike.get((name, said.reference)) or self.alike.get((name,))
        if not alike:
            self.unresolved += 1
            return said
        nearest = min(alike, key=lambda symbol: math.dist(symbol.at, at))
        return replace(
            said,
            lib_id=nearest.lib_id,
            lib_name=nearest.lib_name,
            unit=nearest.unit,
            style=nearest.style,
            mirror=nearest.mirror,
        )


def _line(entry: _Entry) -> Line | None:
    """A wire or a bus; None for a drawing, which joins nothing."""
    kind = entry.get("type")
    if kind not in ("wire", "bus"):
        return None
    return Line(tuple(_point(_mapping(point)) for point in _list(entry.get("points"))), str(kind))


def _bus_entry(entry: _Entry) -> BusEntry:
    return BusEntry(_position(entry), _point(_mapping(entry.get("size"))))


def _label(entry: _Entry) -> tuple[str, Point]:
    return _string(entry.get("text")), _position(entry)


def _sheet_box(entry: _Entry) -> SheetBox:
    pins = tuple(
        SheetPin(_string(pin.get("name")), "", _position(pin), 0.0)
        for pin in map(_mapping, _list(entry.get("pins")))
    )
    return SheetBox(_position(entry), (0.0, 0.0), pins=pins)


def _position(entry: _Entry) -> Point:
    return _point(_mapping(entry.get("position")))


def _point(entry: _Entry) -> Point:
    # kiutils' Position has capital X and Y.
    return _number(entry.get("x", entry.get("X"))), _number(entry.get("y", entry.get("Y")))


def _number(value: object) -> float:
    """A length in mm or an angle, at most _LIMIT away from 0."""
    try:
        number = float(_string(value))
    except ValueError:
        raise _UnreadEntryError from None
    if not abs(number) <= _LIMIT:  # nor is NaN
        raise _UnreadEntryError
    return number


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise _UnreadEntryError
    return value


def _list(value: object) -> list[object]:
    if value is not None and not isinstance(value, list):
        raise _UnreadEntryError
    return value or []


def _mapping(value: object) -> _Entry:
    if not isinstance(value, Mapping):
        raise _UnreadEntryError
    return value

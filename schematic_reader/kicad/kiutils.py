"""The data set's mapping of a sheet, its ``json`` and ``yaml`` columns: written and read.

The layout is that of kiutils' ``Schematic`` (https://github.com/mvnmgrx/kiutils) without uuids, styles and
library bodies. kiutils' own output differs in small ways that reading allows for: a ``Position`` has capital
X and Y, and the name of a sub-sheet is a property, a mapping with the key ``value``.

What is read is untrusted. ``read_mapping`` makes a sheet of it and counts the entries without the layout of
their section; the functions after it give the parts of an entry as they stand, for those who need no more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml

from schematic_reader.kicad.model import (
    Arc,
    Bezier,
    BusEntry,
    Circle,
    Graphic,
    Label,
    Line,
    PlacedSymbol,
    Point,
    Polyline,
    Property,
    Rectangle,
    Sheet,
    SheetBox,
    SheetPin,
    Text,
    TextBox,
)

LABEL_KINDS = {"labels": "local", "globalLabels": "global", "hierarchicalLabels": "hierarchical"}
"""The kinds of label by the section that holds them."""

SECTIONS = (
    "schematicSymbols",
    "graphicalItems",
    "junctions",
    "noConnects",
    "busEntries",
    "sheets",
    *LABEL_KINDS,
)
"""The sections that ``read_mapping`` reads; a mapping with none of them describes no sheet."""

SheetMapping = dict[str, Any]
RawEntry = Mapping[object, object]
"""One entry of a section as the JSON or YAML loader leaves it."""

_LIMIT = 1e5  # mm; KiCad's own coordinates end at 214 m
_T = TypeVar("_T")


class MalformedEntryError(ValueError):
    """An entry of a section does not have the section's layout."""


@dataclass(frozen=True, slots=True)
class MappedSheet:
    """A sheet as far as a mapping has it, and how many entries were left out as malformed.

    ``lib_id`` of a placed symbol is its entry name without the library's nickname; there are no library
    symbols, and only the properties Reference and Value.
    """

    sheet: Sheet
    unread: int


def to_mapping(sheet: Sheet) -> SheetMapping:
    """The sheet as plain dicts, lists, strings and numbers, keys in the data set's order."""
    diameters = sheet.junction_diameters or (0.0,) * len(sheet.junctions)
    return {
        "libSymbols": list(sheet.lib_symbols),
        "schematicSymbols": [_symbol_entry(symbol) for symbol in sheet.symbols],
        "junctions": [
            {"position": _xy(point), "diameter": _plain_number(diameter)}
            for point, diameter in zip(sheet.junctions, diameters, strict=True)
        ],
        "noConnects": [{"position": _xy(point)} for point in sheet.no_connects],
        "busEntries": [{"position": _xy(e.at), "size": _xy(e.size)} for e in sheet.bus_entries],
        "graphicalItems": [_graphical_entry(item) for item in sheet.graphical_items],
        **{
            section: [_label_entry(label) for label in sheet.labels if label.kind == kind]
            for section, kind in LABEL_KINDS.items()
        },
        "sheets": [_sheet_entry(box) for box in sheet.sheets],
        "sheetInstances": [{"instancePath": path, "page": page} for path, page in sheet.sheet_instances],
    }


def to_json(sheet: Sheet) -> str:
    """The text of the data set's ``json`` column."""
    return json.dumps(to_mapping(sheet), indent=2)


def to_yaml(sheet: Sheet) -> str:
    """The text of the data set's ``yaml`` column."""
    return yaml.safe_dump(to_mapping(sheet))


def _plain_number(value: float) -> int | float:
    """Whole numbers without a decimal point, as they stand in the file."""
    return int(value) if value == int(value) else value


def _xy(point: Point) -> dict[str, int | float]:
    return {"x": _plain_number(point[0]), "y": _plain_number(point[1])}


def _position_entry(point: Point, angle: float) -> dict[str, int | float]:
    return {**_xy(point), "angle": _plain_number(angle)}


def _symbol_entry(symbol: PlacedSymbol) -> SheetMapping:
    library, colon, name = symbol.lib_id.partition(":")
    return {
        "libraryNickname": library if colon else "",
        "entryName": name if colon else library,
        "position": _position_entry(symbol.at, symbol.angle),
        "properties": [{"key": p.key, "value": p.value} for p in symbol.properties],
    }


def _graphical_entry(item: Line | Graphic) -> SheetMapping:
    match item:
        case Line():
            return {"type": item.kind, "points": [_xy(point) for point in item.points]}
        case Polyline():
            return {"type": "polyline", "points": [_xy(point) for point in item.points]}
        case Bezier():
            return {"type": "bezier", "points": [_xy(point) for point in item.points]}
        case Rectangle():
            return {"type": "rectangle", "start": _xy(item.start), "end": _xy(item.end)}
        case Circle():
            return {"type": "circle", "center": _xy(item.center), "radius": _plain_number(item.radius)}
        case Arc():
            return {"type": "arc", "start": _xy(item.start), "mid": _xy(item.mid), "end": _xy(item.end)}
        case Text():
            return {"type": "text", "text": item.text, "position": _position_entry(item.at, item.angle)}
        case TextBox():
            return {"type": "textBox", "text": item.text, "position": _position_entry(item.at, item.angle)}


def _label_entry(label: Label) -> SheetMapping:
    text: SheetMapping = {"text": label.text}
    if label.kind != "local":
        text["shape"] = label.shape
    return {**text, "position": _position_entry(label.at, label.angle)}


def _sheet_entry(box: SheetBox) -> SheetMapping:
    return {
        "position": _xy(box.at),
        "width": _plain_number(box.size[0]),
        "height": _plain_number(box.size[1]),
        "sheetName": box.name,
        "fileName": box.file_name,
        "pins": [
            {
                "name": pin.name,
                "connectionType": pin.shape,
                "position": _position_entry(pin.at, pin.angle),
            }
            for pin in box.pins
        ],
    }


def read_mapping(document: object) -> MappedSheet | None:
    """The sheet of a mapping whose numbers are text, as the tasks' loaders leave them.

    None where the document is no mapping or has none of the sections.
    """
    if not isinstance(document, Mapping) or not any(section in document for section in SECTIONS):
        return None
    unread = 0

    def read(section: str, reader: Callable[[RawEntry], _T]) -> list[_T]:
        nonlocal unread
        found = []
        for entry in entries(document, section):
            try:
                found.append(reader(_mapping(entry)))
            except MalformedEntryError:
                unread += 1
        return found

    sheet = Sheet(
        symbols=tuple(read("schematicSymbols", _symbol)),
        lines=tuple(line for line in read("graphicalItems", _line) if line),
        bus_entries=tuple(read("busEntries", _bus_entry)),
        junctions=tuple(read("junctions", _position)),
        no_connects=tuple(read("noConnects", _position)),
        labels=tuple(
            Label(text, at, kind)
            for section, kind in LABEL_KINDS.items()
            for text, at in read(section, _label)
        ),
        sheets=tuple(read("sheets", _sheet_box)),
    )
    return MappedSheet(sheet, unread)


def entries(document: RawEntry, section: str) -> list[object]:
    """The entries of a section. One that is no list counts as a single malformed entry, None."""
    found = document.get(section) or []
    return found if isinstance(found, list) else [None]


def mappings(values: object) -> Iterator[RawEntry]:
    """The mappings in a list; none of anything else."""
    if isinstance(values, list):
        yield from (value for value in values if isinstance(value, Mapping))


def properties(symbol: RawEntry) -> Iterator[tuple[object, object]]:
    """Key and value of each property of a placed symbol."""
    return ((field.get("key"), field.get("value")) for field in mappings(symbol.get("properties")))


def coordinates(position: RawEntry) -> tuple[object, object]:
    """x and y of a position."""
    return position.get("x", position.get("X")), position.get("y", position.get("Y"))


def sheet_text(box: RawEntry, key: str) -> object:
    """The ``sheetName`` or ``fileName`` of a sub-sheet."""
    value = box.get(key)
    return value.get("value") if isinstance(value, Mapping) else value


def _symbol(entry: RawEntry) -> PlacedSymbol:
    name = _string(entry.get("entryName"))
    position = _mapping(entry.get("position"))
    at, angle = _point(position), _number(position.get("angle") or "0")
    fields = [_mapping(field) for field in _list(entry.get("properties"))]
    values = tuple(
        Property(key, _string(field.get("value") or ""))
        for key in ("Reference", "Value")
        for field in fields
        if field.get("key") == key
    )
    return PlacedSymbol(name, at, angle, properties=values)


def _line(entry: RawEntry) -> Line | None:
    """A wire or a bus; None for a drawing, which joins nothing."""
    kind = entry.get("type")
    if kind not in ("wire", "bus"):
        return None
    return Line(tuple(_point(_mapping(point)) for point in _list(entry.get("points"))), str(kind))


def _bus_entry(entry: RawEntry) -> BusEntry:
    return BusEntry(_position(entry), _point(_mapping(entry.get("size"))))


def _label(entry: RawEntry) -> tuple[str, Point]:
    return _string(entry.get("text")), _position(entry)


def _sheet_box(entry: RawEntry) -> SheetBox:
    pins = tuple(
        SheetPin(_string(pin.get("name")), "", _position(pin), 0.0)
        for pin in map(_mapping, _list(entry.get("pins")))
    )
    return SheetBox(_position(entry), (0.0, 0.0), pins=pins)


def _position(entry: RawEntry) -> Point:
    return _point(_mapping(entry.get("position")))


def _point(entry: RawEntry) -> Point:
    x, y = coordinates(entry)
    return _number(x), _number(y)


def _number(value: object) -> float:
    """A length in mm or an angle, at most _LIMIT away from 0."""
    try:
        number = float(_string(value))
    except ValueError:
        raise MalformedEntryError from None
    if not abs(number) <= _LIMIT:  # nor is NaN
        raise MalformedEntryError
    return number


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise MalformedEntryError
    return value


def _list(value: object) -> list[object]:
    if value is not None and not isinstance(value, list):
        raise MalformedEntryError
    return value or []


def _mapping(value: object) -> RawEntry:
    if not isinstance(value, Mapping):
        raise MalformedEntryError
    return value

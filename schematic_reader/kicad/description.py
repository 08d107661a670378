"""Describe a sheet as the data set does: the dict behind its ``json`` and ``yaml`` columns.

The layout is that of kiutils' ``Schematic`` without uuids, styles and library bodies.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from schematic_reader.kicad.model import (
    Arc,
    Bezier,
    Circle,
    Graphic,
    Label,
    Line,
    PlacedSymbol,
    Point,
    Polyline,
    Rectangle,
    Sheet,
    SheetBox,
    Text,
    TextBox,
)

Description = dict[str, Any]


def describe(sheet: Sheet) -> Description:
    """The sheet as plain dicts, lists, strings and numbers, keys in the data set's order."""
    diameters = sheet.junction_diameters or (0.0,) * len(sheet.junctions)
    return {
        "libSymbols": list(sheet.lib_symbols),
        "schematicSymbols": [_symbol(symbol) for symbol in sheet.symbols],
        "junctions": [
            {"position": _xy(point), "diameter": _number(diameter)}
            for point, diameter in zip(sheet.junctions, diameters, strict=True)
        ],
        "noConnects": [{"position": _xy(point)} for point in sheet.no_connects],
        "busEntries": [{"position": _xy(e.at), "size": _xy(e.size)} for e in sheet.bus_entries],
        "graphicalItems": [_graphical_item(item) for item in sheet.graphical_items],
        "labels": [_label(label) for label in sheet.labels if label.kind == "local"],
        "globalLabels": [_label(label) for label in sheet.labels if label.kind == "global"],
        "hierarchicalLabels": [_label(label) for label in sheet.labels if label.kind == "hierarchical"],
        "sheets": [_sheet_box(box) for box in sheet.sheets],
        "sheetInstances": [{"instancePath": path, "page": page} for path, page in sheet.sheet_instances],
    }


def describe_json(sheet: Sheet) -> str:
    """The text of the data set's ``json`` column."""
    return json.dumps(describe(sheet), indent=2)


def describe_yaml(sheet: Sheet) -> str:
    """The text of the data set's ``yaml`` column."""
    return yaml.safe_dump(describe(sheet))


def component_names(sheet: Sheet) -> list[str]:
    """The data set's ``components_used``: names of the library symbols that are placed, each once.

    The names are those after the colon, in the order of the sheet's ``lib_symbols``.
    """
    placed = {symbol.lib_name or symbol.lib_id for symbol in sheet.symbols}
    return list(dict.fromkeys(symbol.name for key, symbol in sheet.lib_symbols.items() if key in placed))


def _number(value: float) -> int | float:
    """Whole numbers without a decimal point, as they stand in the file."""
    return int(value) if value == int(value) else value


def _xy(point: Point) -> dict[str, int | float]:
    return {"x": _number(point[0]), "y": _number(point[1])}


def _position(point: Point, angle: float) -> dict[str, int | float]:
    return {**_xy(point), "angle": _number(angle)}


def _symbol(symbol: PlacedSymbol) -> Description:
    library, colon, name = symbol.lib_id.partition(":")
    return {
        "libraryNickname": library if colon else "",
        "entryName": name if colon else library,
        "position": _position(symbol.at, symbol.angle),
        "properties": [{"key": p.key, "value": p.value} for p in symbol.properties],
    }


def _graphical_item(item: Line | Graphic) -> Description:
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
            return {"type": "circle", "center": _xy(item.center), "radius": _number(item.radius)}
        case Arc():
            return {"type": "arc", "start": _xy(item.start), "mid": _xy(item.mid), "end": _xy(item.end)}
        case Text():
            return {"type": "text", "text": item.text, "position": _position(item.at, item.angle)}
        case TextBox():
            return {"type": "textBox", "text": item.text, "position": _position(item.at, item.angle)}


def _label(label: Label) -> Description:
    text: Description = {"text": label.text}
    if label.kind != "local":
        text["shape"] = label.shape
    return {**text, "position": _position(label.at, label.angle)}


def _sheet_box(box: SheetBox) -> Description:
    return {
        "position": _xy(box.at),
        "width": _number(box.size[0]),
        "height": _number(box.size[1]),
        "sheetName": box.name,
        "fileName": box.file_name,
        "pins": [
            {
                "name": pin.name,
                "connectionType": pin.shape,
                "position": _position(pin.at, pin.angle),
            }
            for pin in box.pins
        ],
    }

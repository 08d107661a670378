"""Read the symbols of libraries and sheets out of their nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schematic_reader.kicad.model import (
    AlternatePin,
    LibSymbol,
    Pin,
    PlacedSymbol,
    SymbolUnit,
    Variant,
)
from schematic_reader.kicad.nodes import (
    KicadError,
    angle_of,
    child_of,
    flag_of,
    is_denied,
    lists_of,
    number_of,
    point_of,
    string_of,
    strings_of,
    text_at,
)
from schematic_reader.kicad.read_shapes import (
    GRAPHICS,
    is_private,
    read_graphic,
    read_properties,
    read_style,
)
from schematic_reader.kicad.sexpr import Node

_MAX_UNITS = 10_000


def _pin(node: Node) -> Pin:
    name, number = child_of(node, "name"), child_of(node, "number")
    return Pin(
        number=text_at(number, 1),
        name=text_at(name, 1),
        at=point_of(node, "at"),
        angle=angle_of(node),
        length=number_of(node, "length", 2.54),
        kind=text_at(node, 1),
        shape=text_at(node, 2),
        hidden=flag_of(node, "hide"),
        name_size=read_style(name).size,
        number_size=read_style(number).size,
        alternates=tuple(
            AlternatePin(text_at(n, 1), text_at(n, 2), text_at(n, 3))
            for n in lists_of(node)
            if n[0] == "alternate"
        ),
    )


def read_lib_symbols(node: Node) -> dict[str, LibSymbol]:
    """The library symbols in a node by their names."""
    return {text_at(n, 1): _lib_symbol(n) for n in lists_of(node) if n[0] == "symbol"}


def _lib_symbol(node: Node) -> LibSymbol:
    pin_names, pin_numbers = child_of(node, "pin_names"), child_of(node, "pin_numbers")
    return LibSymbol(
        lib_id=text_at(node, 1),
        properties=read_properties(node),
        units=tuple(_unit(n) for n in lists_of(node) if n[0] == "symbol"),
        power=bool(child_of(node, "power")),
        local_power="local" in child_of(node, "power"),
        pin_numbers_hidden=flag_of(pin_numbers, "hide"),
        pin_names_hidden=flag_of(pin_names, "hide"),
        pin_name_offset=number_of(pin_names, "offset", 0.508),
        extends=string_of(node, "extends"),
        jumper_pin_groups=tuple(
            strings_of(group) for group in child_of(node, "jumper_pin_groups")[1:] if isinstance(group, list)
        ),
        duplicate_pins_are_jumpers=flag_of(node, "duplicate_pin_numbers_are_jumpers"),
    )


def _unit(node: Node) -> SymbolUnit:
    """A nested ``(symbol "name_UNIT_STYLE" ...)``."""
    name = text_at(node, 1)
    _, *tail = name.rsplit("_", 2)
    if len(tail) != 2 or not all(t.isascii() and t.isdigit() and int(t) < _MAX_UNITS for t in tail):
        raise KicadError(f"the unit name {name[:60]!r} does not end in _UNIT_STYLE")
    return SymbolUnit(
        unit=int(tail[0]),
        style=int(tail[1]),
        # Inside a library symbol KiCad writes a text's angle in tenths of a degree. Private graphics are
        # only for the symbol editor.
        graphics=tuple(
            read_graphic(n, text_angle_unit=0.1)
            for n in lists_of(node)
            if n[0] in GRAPHICS and not is_private(n)
        ),
        pins=tuple(_pin(n) for n in lists_of(node) if n[0] == "pin"),
    )


@dataclass(frozen=True, slots=True)
class SheetUse:
    """One use of a sheet in a project.

    Attributes:
        path: the uuids of the root sheet and of the sheet boxes down to it, each after a slash.
        instances: what a root sheet of KiCad 6 says of each symbol, by its path without the root.
    """

    path: str
    instances: Mapping[str, Node]


def read_placed(node: Node, use: SheetUse) -> PlacedSymbol:
    """A symbol on a sheet, with its reference, value and unit in that use of the sheet."""
    mirror = child_of(node, "mirror")[1:]
    turned = "x" in mirror and "y" in mirror  # KiCad 10's "x y" is half a turn
    properties = read_properties(node)
    values = {prop.key: prop.value for prop in properties}
    instance = instance_of(node, use)
    reference, value = string_of(instance, "reference"), string_of(instance, "value")
    return PlacedSymbol(
        lib_id=string_of(node, "lib_id"),
        at=point_of(node, "at"),
        angle=(angle_of(node) + 180.0) % 360.0 if turned else angle_of(node),
        mirror=str(mirror[0]) if mirror and not turned else "",
        unit=int(number_of(instance, "unit", number_of(node, "unit", 1))),
        style=int(number_of(node, "convert", number_of(node, "body_style", 1))),
        properties=properties,
        uuid=string_of(node, "uuid"),
        lib_name=string_of(node, "lib_name"),
        dnp=flag_of(node, "dnp"),
        in_bom=not is_denied(node, "in_bom"),
        instance_reference=reference if reference != values.get("Reference") else "",
        instance_value=value if value != values.get("Value") else "",
        pin_functions=tuple(
            (text_at(n, 1), string_of(n, "alternate"))
            for n in lists_of(node)
            if n[0] == "pin" and child_of(n, "alternate")
        ),
        variants=tuple(_variant(n) for n in lists_of(instance) if n[0] == "variant"),
    )


def _variant(node: Node) -> Variant:
    return Variant(
        name=string_of(node, "name"),
        dnp=flag_of(node, "dnp") if child_of(node, "dnp") else None,
        in_bom=flag_of(node, "in_bom") if child_of(node, "in_bom") else None,
        fields=tuple(
            (string_of(n, "name"), string_of(n, "value")) for n in lists_of(node) if n[0] == "field"
        ),
    )


def instance_of(node: Node, use: SheetUse) -> Node:
    """What the file says of a symbol in that use of its sheet, else in its first one; may be empty."""
    below_root = "".join(f"/{uuid}" for uuid in (*use.path.split("/")[2:], string_of(node, "uuid")))
    paths = instances_of(node)
    own = use.instances.get(below_root) or next((path for path in paths if path[1:2] == [use.path]), None)
    return own or (paths[0] if paths else [])


def instances_of(node: Node) -> list[Node]:
    """The ``(path ...)`` of all uses of a symbol that its own node has, of all projects."""
    return [
        path
        for project in lists_of(child_of(node, "instances"))
        for path in lists_of(project)
        if project[0] == "project" and path[0] == "path"
    ]

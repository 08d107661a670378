"""Read KiCad 6 to 9 text (``.kicad_sch``, ``.kicad_sym``) into the classes of ``model``.

Unknown nodes are passed over, so that a file with newer features still opens; what is known must be
well formed. Text from outside is bounded by ``sexpr.parse``, and coordinates by ``nodes``.
"""

from __future__ import annotations

from dataclasses import replace

from schematic_reader.kicad.model import (
    Arc,
    Bezier,
    BusEntry,
    Circle,
    Graphic,
    Label,
    LibSymbol,
    Line,
    Pin,
    PlacedSymbol,
    Point,
    Polyline,
    Property,
    Rectangle,
    Sheet,
    SheetBox,
    SheetPin,
    SymbolUnit,
    Text,
    TextBox,
    TextStyle,
    TitleBlock,
)
from schematic_reader.kicad.nodes import (
    KicadError,
    angle_of,
    child_of,
    flag_of,
    lists_of,
    number_of,
    point_of,
    points_of,
    root_of,
    sections_of,
    string_of,
    strings_of,
    text_at,
    to_float,
)
from schematic_reader.kicad.sexpr import Node

# Landscape width and height in mm.
PAPER_SIZES: dict[str, Point] = {
    "A5": (210.0, 148.0),
    "A4": (297.0, 210.0),
    "A3": (420.0, 297.0),
    "A2": (594.0, 420.0),
    "A1": (841.0, 594.0),
    "A0": (1189.0, 841.0),
    "A": (279.4, 215.9),
    "B": (431.8, 279.4),
    "C": (558.8, 431.8),
    "D": (863.6, 558.8),
    "E": (1117.6, 863.6),
    "GERBER": (812.8, 812.8),
    "USLetter": (279.4, 215.9),
    "USLegal": (355.6, 215.9),
    "USLedger": (431.8, 279.4),
}

_LABEL_KINDS = {
    "label": "local",
    "global_label": "global",
    "hierarchical_label": "hierarchical",
    "netclass_flag": "directive",
    "directive_label": "directive",
}
_GRAPHICS = ("polyline", "rectangle", "circle", "arc", "bezier", "text", "text_box")
_MAX_UNITS = 10_000


def read_sheet(text: str) -> Sheet:
    """Read the text of a ``.kicad_sch`` file. Raises KicadError."""
    root = root_of(text, "kicad_sch")
    paper, size = _paper(child_of(root, "paper"))
    sections = sections_of(root)
    uuid = string_of(root, "uuid")  # once: a file without one is searched to its end
    uses = {text_at(n, 1): n for n in lists_of(child_of(root, "symbol_instances")) if n[0] == "path"}
    lines: list[Line] = []
    graphics: list[Graphic] = []
    order: list[str] = []
    for node in lists_of(root):
        if node[0] in ("wire", "bus"):
            points = points_of(node)
            lines.append(Line(points, str(node[0]), _stroke(node)[0]))
            order.append("l")
        elif node[0] in _GRAPHICS:
            graphics.append(_graphic(node, text_angle_unit=1.0))
            order.append("g")
    junctions = sections.get("junction", [])
    return Sheet(
        size=size,
        paper=paper,
        version=int(number_of(root, "version", 0)),
        uuid=uuid,
        title_block=_title_block(child_of(root, "title_block")),
        lib_symbols=_lib_symbols(child_of(root, "lib_symbols")),
        symbols=tuple(_placed(node, uuid, uses) for node in sections.get("symbol", [])),
        lines=tuple(lines),
        bus_entries=tuple(
            BusEntry(point_of(n, "at"), point_of(n, "size")) for n in sections.get("bus_entry", [])
        ),
        junctions=tuple(point_of(n, "at") for n in junctions),
        junction_diameters=tuple(number_of(n, "diameter", 0.0) for n in junctions),
        no_connects=tuple(point_of(n, "at") for n in sections.get("no_connect", [])),
        labels=tuple(_label(n) for n in lists_of(root) if n[0] in _LABEL_KINDS),
        graphics=tuple(graphics),
        sheets=tuple(_sheet_box(n) for n in sections.get("sheet", [])),
        bus_aliases=tuple(
            (text_at(n, 1), strings_of(child_of(n, "members")[1:])) for n in sections.get("bus_alias", [])
        ),
        sheet_instances=tuple(
            (text_at(n, 1), string_of(n, "page"))
            for n in lists_of(child_of(root, "sheet_instances"))
            if n[0] == "path"
        ),
        graphical_order="".join(order),
    )


def read_library(text: str) -> dict[str, LibSymbol]:
    """Read a ``.kicad_sym`` file: symbol name to symbol, in file order, with ``extends`` resolved.

    A symbol that extends another gets its drawing and flags and keeps its own properties. Raises
    KicadError, also for a parent that is missing or a circle of parents.
    """
    raw = _lib_symbols(root_of(text, "kicad_symbol_lib"))
    done: dict[str, LibSymbol] = {}
    for name in raw:
        chain = [name]
        while (parent := raw[chain[-1]].extends) and chain[-1] not in done:
            if parent not in raw:
                raise KicadError(f"symbol {chain[-1]!r} extends {parent!r}, which is not in the library")
            if parent in chain:
                raise KicadError(f"symbol {name!r} extends itself")
            chain.append(parent)
        for key in reversed(chain):
            if key not in done:
                symbol = raw[key]
                done[key] = _extended(symbol, done[symbol.extends]) if symbol.extends else symbol
    return {name: done[name] for name in raw}


def _extended(symbol: LibSymbol, parent: LibSymbol) -> LibSymbol:
    own = {prop.key: prop for prop in symbol.properties}
    inherited = tuple(own.pop(prop.key, prop) for prop in parent.properties)
    return replace(parent, lib_id=symbol.lib_id, properties=(*inherited, *own.values()))


def _paper(node: Node) -> tuple[str, Point]:
    name = text_at(node, 1) if len(node) > 1 else "A4"
    if name == "User":
        if len(node) < 4:
            raise KicadError('(paper "User" ...) has no width and height')
        width, height = to_float(node[2], "paper"), to_float(node[3], "paper")
        if min(width, height) <= 0:
            raise KicadError("the paper has no area")
        return name, (width, height)
    if name not in PAPER_SIZES:
        raise KicadError(f"unknown paper {name[:40]!r}")
    width, height = PAPER_SIZES[name]
    return name, (height, width) if "portrait" in node[2:] else (width, height)


def _title_block(node: Node) -> TitleBlock:
    comments: dict[int, str] = {}
    for child in lists_of(node):
        if child[0] == "comment" and len(child) > 2:
            comments[int(to_float(child[1], "comment"))] = text_at(child, 2)
    last = min(max(comments, default=0), 9)
    return TitleBlock(
        title=string_of(node, "title"),
        date=string_of(node, "date"),
        rev=string_of(node, "rev"),
        company=string_of(node, "company"),
        comments=tuple(comments.get(i, "") for i in range(1, last + 1)),
    )


def _style(node: Node) -> TextStyle:
    """The text style in the node's ``effects``."""
    effects = child_of(node, "effects")
    font = child_of(effects, "font")
    justify = child_of(effects, "justify")[1:]
    return TextStyle(
        size=number_of(font, "size", 1.27),
        h_align=next((str(w) for w in justify if w in ("left", "right")), "center"),
        v_align=next((str(w) for w in justify if w in ("top", "bottom")), "center"),
        bold=flag_of(font, "bold"),
        italic=flag_of(font, "italic"),
        mirrored="mirror" in justify,
        thickness=number_of(font, "thickness", 0.0),
    )


def _property(node: Node) -> Property:
    return Property(
        key=text_at(node, 1),
        value=text_at(node, 2),
        at=point_of(node, "at") if child_of(node, "at") else (0.0, 0.0),
        angle=angle_of(node),
        hidden=flag_of(node, "hide") or flag_of(child_of(node, "effects"), "hide"),
        show_name=flag_of(node, "show_name"),
        style=_style(node),
    )


def _properties(node: Node) -> tuple[Property, ...]:
    return tuple(_property(n) for n in lists_of(node) if n[0] == "property")


def _stroke(node: Node) -> tuple[float, str]:
    stroke = child_of(node, "stroke")
    return number_of(stroke, "width", 0.0), string_of(stroke, "type", "default")


def _graphic(node: Node, *, text_angle_unit: float) -> Graphic:
    keyword = node[0]
    if keyword == "text":
        return Text(text_at(node, 1), point_of(node, "at"), angle_of(node) * text_angle_unit, _style(node))
    width, dash = _stroke(node)
    if keyword == "text_box":
        if child_of(node, "size"):
            corner, size = point_of(node, "at"), point_of(node, "size")
        else:
            corner = point_of(node, "start")
            end = point_of(node, "end")
            size = (end[0] - corner[0], end[1] - corner[1])
        return TextBox(text_at(node, 1), corner, size, angle_of(node), _style(node), width, dash)
    fill = string_of(child_of(node, "fill"), "type", "none")
    if keyword == "polyline":
        return Polyline(points_of(node), width, fill, dash)
    if keyword == "bezier":
        return Bezier(points_of(node), width, fill, dash)
    if keyword == "rectangle":
        return Rectangle(point_of(node, "start"), point_of(node, "end"), width, fill, dash)
    if keyword == "circle":
        return Circle(point_of(node, "center"), number_of(node, "radius", 0.0), width, fill, dash)
    return Arc(point_of(node, "start"), point_of(node, "mid"), point_of(node, "end"), width, fill, dash)


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
        name_size=_style(name).size,
        number_size=_style(number).size,
    )


def _lib_symbols(node: Node) -> dict[str, LibSymbol]:
    return {text_at(n, 1): _lib_symbol(n) for n in lists_of(node) if n[0] == "symbol"}


def _lib_symbol(node: Node) -> LibSymbol:
    pin_names, pin_numbers = child_of(node, "pin_names"), child_of(node, "pin_numbers")
    return LibSymbol(
        lib_id=text_at(node, 1),
        properties=_properties(node),
        units=tuple(_unit(n) for n in lists_of(node) if n[0] == "symbol"),
        power=bool(child_of(node, "power")),
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
        # Inside a library symbol KiCad writes a text's angle in tenths of a degree.
        graphics=tuple(_graphic(n, text_angle_unit=0.1) for n in lists_of(node) if n[0] in _GRAPHICS),
        pins=tuple(_pin(n) for n in lists_of(node) if n[0] == "pin"),
    )


def _placed(node: Node, sheet_uuid: str, uses: dict[str, Node]) -> PlacedSymbol:
    mirror = child_of(node, "mirror")
    properties = _properties(node)
    values = {prop.key: prop.value for prop in reversed(properties)}
    instance = uses.get(f"/{string_of(node, 'uuid')}") or _instance(node, sheet_uuid)
    reference, value = string_of(instance, "reference"), string_of(instance, "value")
    return PlacedSymbol(
        lib_id=string_of(node, "lib_id"),
        at=point_of(node, "at"),
        angle=angle_of(node),
        mirror=text_at(mirror, 1) if len(mirror) > 1 else "",
        unit=int(number_of(instance, "unit", number_of(node, "unit", 1))),
        style=int(number_of(node, "convert", number_of(node, "body_style", 1))),
        properties=properties,
        uuid=string_of(node, "uuid"),
        lib_name=string_of(node, "lib_name"),
        dnp=flag_of(node, "dnp"),
        instance_reference=reference if reference != values.get("Reference") else "",
        instance_value=value if value != values.get("Value") else "",
    )


def _instance(node: Node, sheet_uuid: str) -> Node:
    """The symbol's instance where the sheet is a root, else on the sheet's first use; may be empty."""
    paths = [
        path
        for project in lists_of(child_of(node, "instances"))
        for path in lists_of(project)
        if project[0] == "project" and path[0] == "path"
    ]
    return next((path for path in paths if path[1:2] == [f"/{sheet_uuid}"]), paths[0] if paths else [])


def _label(node: Node) -> Label:
    return Label(
        text=text_at(node, 1),
        at=point_of(node, "at"),
        kind=_LABEL_KINDS[node[0]],
        angle=angle_of(node),
        shape=string_of(node, "shape", "input"),
        length=number_of(node, "length", 2.54),
        style=_style(node),
        properties=_properties(node),
    )


def _sheet_box(node: Node) -> SheetBox:
    return SheetBox(
        at=point_of(node, "at"),
        size=point_of(node, "size"),
        properties=_properties(node),
        pins=tuple(
            SheetPin(text_at(n, 1), text_at(n, 2), point_of(n, "at"), angle_of(n), _style(n))
            for n in lists_of(node)
            if n[0] == "pin"
        ),
    )

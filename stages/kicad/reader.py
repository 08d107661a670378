"""Read KiCad 6 to 9 text (``.kicad_sch``, ``.kicad_sym``) into the classes of ``model``.

Unknown nodes are passed over, so that a file with newer features still opens; what is known must be
well formed. Text from outside is bounded by ``sexpr.parse``, and coordinates by ``_LIMIT``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from .model import (
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
from .sexpr import Node, SexprError, parse

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
_LIMIT = 1e5  # mm; KiCad's own coordinates end at 214 m
_MAX_UNITS = 10_000


class KicadError(ValueError):
    """The text is no KiCad 6 to 9 sheet or library; the message is one line."""


def read_sheet(text: str) -> Sheet:
    """Read the text of a ``.kicad_sch`` file. Raises KicadError."""
    root = _root(text, "kicad_sch")
    paper, size = _paper(_child(root, "paper"))
    sections = _sections(root)
    uses = {_text(n, 1): n for n in _lists(_child(root, "symbol_instances")) if n[0] == "path"}
    lines: list[Line] = []
    graphics: list[Graphic] = []
    order: list[str] = []
    for node in _lists(root):
        if node[0] in ("wire", "bus"):
            points = _points(node)
            lines.append(Line(points, str(node[0]), _stroke(node)[0]))
            order.append("l")
        elif node[0] in _GRAPHICS:
            graphics.append(_graphic(node, text_angle_unit=1.0))
            order.append("g")
    junctions = sections.get("junction", [])
    return Sheet(
        size=size,
        paper=paper,
        version=int(_number(root, "version", 0)),
        uuid=_string(root, "uuid"),
        title_block=_title_block(_child(root, "title_block")),
        lib_symbols=_lib_symbols(_child(root, "lib_symbols")),
        symbols=tuple(_placed(node, _string(root, "uuid"), uses) for node in sections.get("symbol", [])),
        lines=tuple(lines),
        bus_entries=tuple(
            BusEntry(_point(n, "at"), _point(n, "size")) for n in sections.get("bus_entry", [])
        ),
        junctions=tuple(_point(n, "at") for n in junctions),
        junction_diameters=tuple(_number(n, "diameter", 0.0) for n in junctions),
        no_connects=tuple(_point(n, "at") for n in sections.get("no_connect", [])),
        labels=tuple(_label(n) for n in _lists(root) if n[0] in _LABEL_KINDS),
        graphics=tuple(graphics),
        sheets=tuple(_sheet_box(n) for n in sections.get("sheet", [])),
        bus_aliases=tuple(
            (_text(n, 1), _strings(_child(n, "members")[1:])) for n in sections.get("bus_alias", [])
        ),
        sheet_instances=tuple(
            (_text(n, 1), _string(n, "page"))
            for n in _lists(_child(root, "sheet_instances"))
            if n[0] == "path"
        ),
        graphical_order="".join(order),
    )


def read_library(text: str) -> dict[str, LibSymbol]:
    """Read a ``.kicad_sym`` file: symbol name to symbol, in file order, with ``extends`` resolved.

    A symbol that extends another gets its drawing and flags and keeps its own properties. Raises
    KicadError, also for a parent that is missing or a circle of parents.
    """
    raw = _lib_symbols(_root(text, "kicad_symbol_lib"))
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


# --- nodes ------------------------------------------------------------------------------------------


def _root(text: str, keyword: str) -> Node:
    try:
        root = parse(text)
    except SexprError as error:
        if text.startswith(("EESchema", "Library ", "EESCHEMA")):
            raise KicadError("a KiCad 4/5 file; only KiCad 6 to 9 text is read") from None
        raise KicadError(f"not KiCad text: {error}") from None
    if not root or root[0] != keyword:
        raise KicadError(f"not a ({keyword} ...) file")
    return root


def _lists(node: Node) -> Iterator[Node]:
    """The child lists of a node that have a keyword."""
    return (k for k in node if isinstance(k, list) and k and isinstance(k[0], str))


def _sections(root: Node) -> dict[str, list[Node]]:
    sections: dict[str, list[Node]] = {}
    for node in _lists(root):
        sections.setdefault(node[0], []).append(node)
    return sections


def _child(node: Node, keyword: str) -> Node:
    """The first child list with this keyword, or an empty list."""
    for item in node:
        if isinstance(item, list) and item and item[0] == keyword:
            return item
    return []


def _text(node: Node, index: int) -> str:
    if index >= len(node) or isinstance(node[index], list):
        raise KicadError(f"({node[0] if node else ''} ...) has no text")
    return str(node[index])


def _string(node: Node, keyword: str, default: str = "") -> str:
    child = _child(node, keyword)
    return _text(child, 1) if len(child) > 1 else default


def _strings(items: Node) -> tuple[str, ...]:
    return tuple(str(item) for item in items if isinstance(item, str))


def _float(value: object, where: str) -> float:
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if abs(number) <= _LIMIT or where == "version":
            return number
    raise KicadError(f"({where} ...) has {str(value)[:40]!r} where a number is expected")


def _number(node: Node, keyword: str, default: float) -> float:
    child = _child(node, keyword)
    return _float(child[1], keyword) if len(child) > 1 else default


def _point(node: Node, keyword: str) -> Point:
    child = _child(node, keyword)
    if len(child) < 3:
        raise KicadError(f"({node[0]} ...) has no ({keyword} x y)")
    return _float(child[1], keyword), _float(child[2], keyword)


def _angle(node: Node) -> float:
    child = _child(node, "at")
    return _float(child[3], "at") if len(child) > 3 else 0.0


def _points(node: Node) -> tuple[Point, ...]:
    pts = _child(node, "pts")
    return tuple((_float(k[1], "xy"), _float(k[2], "xy")) for k in _lists(pts) if k[0] == "xy" and len(k) > 2)


def _flag(node: Node, keyword: str) -> bool:
    """A flag as KiCad 6 and 7 write it, a bare ``hide``, or as 8 and 9 do, ``(hide yes)``."""
    if any(isinstance(item, str) and item == keyword for item in node[1:]):
        return True
    child = _child(node, keyword)
    return bool(child) and (len(child) == 1 or child[1] == "yes")


# --- parts of a sheet -------------------------------------------------------------------------------


def _paper(node: Node) -> tuple[str, Point]:
    name = _text(node, 1) if len(node) > 1 else "A4"
    if name == "User":
        if len(node) < 4:
            raise KicadError('(paper "User" ...) has no width and height')
        width, height = _float(node[2], "paper"), _float(node[3], "paper")
        if min(width, height) <= 0:
            raise KicadError("the paper has no area")
        return name, (width, height)
    if name not in PAPER_SIZES:
        raise KicadError(f"unknown paper {name[:40]!r}")
    width, height = PAPER_SIZES[name]
    return name, (height, width) if "portrait" in node[2:] else (width, height)


def _title_block(node: Node) -> TitleBlock:
    comments: dict[int, str] = {}
    for child in _lists(node):
        if child[0] == "comment" and len(child) > 2:
            comments[int(_float(child[1], "comment"))] = _text(child, 2)
    last = min(max(comments, default=0), 9)
    return TitleBlock(
        title=_string(node, "title"),
        date=_string(node, "date"),
        rev=_string(node, "rev"),
        company=_string(node, "company"),
        comments=tuple(comments.get(i, "") for i in range(1, last + 1)),
    )


def _style(node: Node) -> TextStyle:
    """The text style in the node's ``effects``."""
    effects = _child(node, "effects")
    font = _child(effects, "font")
    justify = _child(effects, "justify")[1:]
    return TextStyle(
        size=_number(font, "size", 1.27),
        h_align=next((str(w) for w in justify if w in ("left", "right")), "center"),
        v_align=next((str(w) for w in justify if w in ("top", "bottom")), "center"),
        bold=_flag(font, "bold"),
        italic=_flag(font, "italic"),
        mirrored="mirror" in justify,
        thickness=_number(font, "thickness", 0.0),
    )


def _property(node: Node) -> Property:
    return Property(
        key=_text(node, 1),
        value=_text(node, 2),
        at=_point(node, "at") if _child(node, "at") else (0.0, 0.0),
        angle=_angle(node),
        hidden=_flag(node, "hide") or _flag(_child(node, "effects"), "hide"),
        show_name=_flag(node, "show_name"),
        style=_style(node),
    )


def _properties(node: Node) -> tuple[Property, ...]:
    return tuple(_property(n) for n in _lists(node) if n[0] == "property")


def _stroke(node: Node) -> tuple[float, str]:
    stroke = _child(node, "stroke")
    return _number(stroke, "width", 0.0), _string(stroke, "type", "default")


def _graphic(node: Node, *, text_angle_unit: float) -> Graphic:
    keyword = node[0]
    if keyword == "text":
        return Text(_text(node, 1), _point(node, "at"), _angle(node) * text_angle_unit, _style(node))
    width, dash = _stroke(node)
    if keyword == "text_box":
        if _child(node, "size"):
            corner, size = _point(node, "at"), _point(node, "size")
        else:
            corner = _point(node, "start")
            end = _point(node, "end")
            size = (end[0] - corner[0], end[1] - corner[1])
        return TextBox(_text(node, 1), corner, size, _angle(node), _style(node), width, dash)
    fill = _string(_child(node, "fill"), "type", "none")
    if keyword == "polyline":
        return Polyline(_points(node), width, fill, dash)
    if keyword == "bezier":
        return Bezier(_points(node), width, fill, dash)
    if keyword == "rectangle":
        return Rectangle(_point(node, "start"), _point(node, "end"), width, fill, dash)
    if keyword == "circle":
        return Circle(_point(node, "center"), _number(node, "radius", 0.0), width, fill, dash)
    return Arc(_point(node, "start"), _point(node, "mid"), _point(node, "end"), width, fill, dash)


def _pin(node: Node) -> Pin:
    name, number = _child(node, "name"), _child(node, "number")
    return Pin(
        number=_text(number, 1),
        name=_text(name, 1),
        at=_point(node, "at"),
        angle=_angle(node),
        length=_number(node, "length", 2.54),
        kind=_text(node, 1),
        shape=_text(node, 2),
        hidden=_flag(node, "hide"),
        name_size=_style(name).size,
        number_size=_style(number).size,
    )


def _lib_symbols(node: Node) -> dict[str, LibSymbol]:
    return {_text(n, 1): _lib_symbol(n) for n in _lists(node) if n[0] == "symbol"}


def _lib_symbol(node: Node) -> LibSymbol:
    pin_names, pin_numbers = _child(node, "pin_names"), _child(node, "pin_numbers")
    return LibSymbol(
        lib_id=_text(node, 1),
        properties=_properties(node),
        units=tuple(_unit(n) for n in _lists(node) if n[0] == "symbol"),
        power=bool(_child(node, "power")),
        pin_numbers_hidden=_flag(pin_numbers, "hide"),
        pin_names_hidden=_flag(pin_names, "hide"),
        pin_name_offset=_number(pin_names, "offset", 0.508),
        extends=_string(node, "extends"),
        jumper_pin_groups=tuple(
            _strings(group) for group in _child(node, "jumper_pin_groups")[1:] if isinstance(group, list)
        ),
        duplicate_pins_are_jumpers=_flag(node, "duplicate_pin_numbers_are_jumpers"),
    )


def _unit(node: Node) -> SymbolUnit:
    """A nested ``(symbol "name_UNIT_STYLE" ...)``."""
    name = _text(node, 1)
    _, *tail = name.rsplit("_", 2)
    if len(tail) != 2 or not all(t.isascii() and t.isdigit() and int(t) < _MAX_UNITS for t in tail):
        raise KicadError(f"the unit name {name[:60]!r} does not end in _UNIT_STYLE")
    return SymbolUnit(
        unit=int(tail[0]),
        style=int(tail[1]),
        # Inside a library symbol KiCad writes a text's angle in tenths of a degree.
        graphics=tuple(_graphic(n, text_angle_unit=0.1) for n in _lists(node) if n[0] in _GRAPHICS),
        pins=tuple(_pin(n) for n in _lists(node) if n[0] == "pin"),
    )


def _placed(node: Node, sheet_uuid: str, uses: dict[str, Node]) -> PlacedSymbol:
    mirror = _child(node, "mirror")
    properties = _properties(node)
    values = {prop.key: prop.value for prop in reversed(properties)}
    instance = uses.get(f"/{_string(node, 'uuid')}") or _instance(node, sheet_uuid)
    reference, value = _string(instance, "reference"), _string(instance, "value")
    return PlacedSymbol(
        lib_id=_string(node, "lib_id"),
        at=_point(node, "at"),
        angle=_angle(node),
        mirror=_text(mirror, 1) if len(mirror) > 1 else "",
        unit=int(_number(instance, "unit", _number(node, "unit", 1))),
        style=int(_number(node, "convert", _number(node, "body_style", 1))),
        properties=properties,
        uuid=_string(node, "uuid"),
        lib_name=_string(node, "lib_name"),
        dnp=_flag(node, "dnp"),
        instance_reference=reference if reference != values.get("Reference") else "",
        instance_value=value if value != values.get("Value") else "",
    )


def _instance(node: Node, sheet_uuid: str) -> Node:
    """What the symbol is where the sheet is a root, else on the sheet's first use; may be empty."""
    paths = [
        path
        for project in _lists(_child(node, "instances"))
        for path in _lists(project)
        if project[0] == "project" and path[0] == "path"
    ]
    return next((path for path in paths if path[1:2] == [f"/{sheet_uuid}"]), paths[0] if paths else [])


def _label(node: Node) -> Label:
    return Label(
        text=_text(node, 1),
        at=_point(node, "at"),
        kind=_LABEL_KINDS[node[0]],
        angle=_angle(node),
        shape=_string(node, "shape", "input"),
        length=_number(node, "length", 2.54),
        style=_style(node),
        properties=_properties(node),
    )


def _sheet_box(node: Node) -> SheetBox:
    return SheetBox(
        at=_point(node, "at"),
        size=_point(node, "size"),
        properties=_properties(node),
        pins=tuple(
            SheetPin(_text(n, 1), _text(n, 2), _point(n, "at"), _angle(n), _style(n))
            for n in _lists(node)
            if n[0] == "pin"
        ),
    )

"""Print a Sheet as the text of a KiCad 8 ``.kicad_sch`` file.

Equal sheets give equal bytes: a uuid that the caller left out is derived (version 5) from the sheet's
own uuid, the kind of item and its place in the sheet.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from functools import lru_cache

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
    SymbolUnit,
    Text,
    TextBox,
    TextStyle,
    TitleBlock,
)
from schematic_reader.kicad.sexpr import Node, PrintedList, Symbol, dump, print_list

_VERSION = 20231120
_NAMESPACE = uuid.UUID("6f2b7c1e-6d1b-5a0f-9d55-3f3c1a8f2a10")
_LABELS = {
    "local": "label",
    "global": "global_label",
    "hierarchical": "hierarchical_label",
    "directive": "netclass_flag",
}


def format_number(value: float) -> str:
    """``value`` as KiCad prints it: at most 4 decimals (its unit is 100 nm), no trailing zeros."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def write_sheet(sheet: Sheet) -> str:
    """The text of the ``.kicad_sch`` file, version 20231120."""
    return dump(_SheetNodes(sheet).root())


def _node(keyword: str, *items: str | float | Node) -> Node:
    """A list: numbers become bare atoms, strings are quoted unless they are Symbols already."""
    node: Node = [Symbol(keyword)]
    for item in items:
        node.append(Symbol(format_number(item)) if isinstance(item, (int, float)) else item)
    return node


def _flag(keyword: str, value: bool) -> Node:
    return _node(keyword, Symbol("yes" if value else "no"))


def _at(point: Point, angle: float | None = None) -> Node:
    return _node("at", *point) if angle is None else _node("at", *point, angle)


def _stroke(width: float, dash: str) -> Node:
    return _node("stroke", _node("width", width), _node("type", Symbol(dash)))


def _fill(kind: str) -> Node:
    return _node("fill", _node("type", Symbol(kind)))


def _points(points: Iterable[Point]) -> Node:
    return _node("pts", *(_node("xy", *point) for point in points))


def _font(style: TextStyle) -> Node:
    font = _node("font", _node("face", style.face)) if style.face else _node("font")
    font.append(_node("size", style.size, style.width or style.size))
    if style.thickness:
        font.append(_node("thickness", style.thickness))
    if style.bold:
        font.append(_flag("bold", True))
    if style.italic:
        font.append(_flag("italic", True))
    return font


def _effects(style: TextStyle, *, hidden: bool = False) -> Node:
    effects = _node("effects", _font(style))
    justify = [a for a in (style.h_align, style.v_align) if a != "center"]
    if style.mirrored:
        justify.append("mirror")
    if justify:
        effects.append(_node("justify", *(Symbol(word) for word in justify)))
    if hidden:
        effects.append(_flag("hide", True))
    return effects


def _property(prop: Property) -> Node:
    node = _node("property", prop.key, prop.value, _at(prop.at, prop.angle))
    if prop.show_name:
        node.append(_flag("show_name", True))
    node.append(_effects(prop.style, hidden=prop.hidden))
    return node


def _graphic(item: Graphic) -> Node:
    """A graphic without its uuid."""
    if isinstance(item, Text):
        return _node(
            "text",
            item.text,
            _flag("exclude_from_sim", False),
            _at(item.at, item.angle),
            _effects(item.style),
        )
    if isinstance(item, TextBox):
        return _node(
            "text_box",
            item.text,
            _flag("exclude_from_sim", False),
            _at(item.at, item.angle),
            _node("size", *item.size),
            _stroke(item.width, item.dash),
            _fill("none"),
            _effects(item.style),
        )
    if isinstance(item, Polyline):
        shape = _node("polyline", _points(item.points))
    elif isinstance(item, Bezier):
        shape = _node("bezier", _points(item.points))
    elif isinstance(item, Rectangle):
        shape = _node("rectangle", _node("start", *item.start), _node("end", *item.end))
    elif isinstance(item, Circle):
        shape = _node("circle", _node("center", *item.center), _node("radius", item.radius))
    elif isinstance(item, Arc):
        shape = _node("arc", _node("start", *item.start), _node("mid", *item.mid), _node("end", *item.end))
    shape += [_stroke(item.width, item.dash), _fill(item.fill)]
    return shape


def _pin(pin: Pin) -> Node:
    node = _node(
        "pin", Symbol(pin.kind), Symbol(pin.shape), _at(pin.at, pin.angle), _node("length", pin.length)
    )
    if pin.hidden:
        node.append(Symbol("hide"))
    for keyword, text, size in (("name", pin.name, pin.name_size), ("number", pin.number, pin.number_size)):
        node.append(_node(keyword, text, _effects(TextStyle(size=size))))
    node += [_node("alternate", a.name, Symbol(a.kind), Symbol(a.shape)) for a in pin.alternates]
    return node


def _unit(unit: SymbolUnit, name: str) -> Node:
    node = _node("symbol", f"{name}_{unit.unit}_{unit.style}")
    for graphic in unit.graphics:
        if isinstance(graphic, Text):  # inside a library symbol KiCad writes the angle in tenths of a degree
            node.append(
                _node("text", graphic.text, _at(graphic.at, graphic.angle * 10), _effects(graphic.style))
            )
        else:
            node.append(_graphic(graphic))
    node += [_pin(pin) for pin in unit.pins]
    return node


@lru_cache(maxsize=512)
def _lib_symbol(key: str, symbol: LibSymbol) -> PrintedList:
    """PrintedList once for all sheets that use the symbol, two lists deep."""
    node = _node("symbol", key)
    if symbol.power:
        node.append(_node("power"))
    if symbol.pin_numbers_hidden:
        node.append(_node("pin_numbers", Symbol("hide")))
    if symbol.pin_names_hidden or symbol.pin_name_offset != 0.508:
        names = _node("pin_names", _node("offset", symbol.pin_name_offset))
        if symbol.pin_names_hidden:
            names.append(Symbol("hide"))
        node.append(names)
    node += [_flag("exclude_from_sim", False), _flag("in_bom", True), _flag("on_board", True)]
    node += [_property(prop) for prop in symbol.properties]
    node += [_unit(unit, key.split(":", 1)[-1]) for unit in symbol.units]
    return print_list(node, 2)


def _title_block(block: TitleBlock) -> Node:
    node = _node("title_block")
    for keyword in ("title", "date", "rev", "company"):
        value: str = getattr(block, keyword)
        if value:
            node.append(_node(keyword, value))
    node += [_node("comment", i, text) for i, text in enumerate(block.comments, 1) if text]
    return node


class _SheetNodes:
    """Builds the nodes of one sheet, in KiCad's order."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.uuid = sheet.uuid or str(uuid.uuid5(_NAMESPACE, "sheet"))
        self.serial = 0

    def _uuid(self, given: str = "") -> Node:
        """The node ``(uuid "...")``; without a given one, the next of this sheet's own sequence."""
        self.serial += 1
        return _node("uuid", given or str(uuid.uuid5(_NAMESPACE, f"{self.uuid}/{self.serial}")))

    def root(self) -> Node:
        sheet = self.sheet
        root = _node(
            "kicad_sch",
            _node("version", _VERSION),
            _node("generator", "eeschema"),
            _node("generator_version", "8.0"),
            _node("uuid", self.uuid),
            self._paper(),
        )
        if sheet.title_block != TitleBlock():
            root.append(_title_block(sheet.title_block))
        root.append(_node("lib_symbols", *(_lib_symbol(k, v) for k, v in sheet.lib_symbols.items())))
        root += [_node("bus_alias", name, _node("members", *members)) for name, members in sheet.bus_aliases]
        root += self._junctions()
        root += [_node("no_connect", _at(point), self._uuid()) for point in sheet.no_connects]
        root += [self._bus_entry(entry) for entry in sheet.bus_entries]
        root += [self._graphical_item(item) for item in sheet.graphical_items]
        for kind in _LABELS:
            root += [self._label(label) for label in sheet.labels if label.kind == kind]
        root += [self._symbol(symbol) for symbol in sheet.symbols]
        root += [self._sheet_box(box, page) for page, box in enumerate(sheet.sheets, 2)]
        if sheet.sheet_instances:
            root.append(
                _node(
                    "sheet_instances", *(_node("path", p, _node("page", n)) for p, n in sheet.sheet_instances)
                )
            )
        return root

    def _paper(self) -> Node:
        name, (width, height) = self.sheet.paper, self.sheet.size
        if name == "User":
            return _node("paper", name, width, height)
        return _node("paper", name, Symbol("portrait")) if height > width else _node("paper", name)

    def _junctions(self) -> list[Node]:
        sheet = self.sheet
        diameters = sheet.junction_diameters or (0.0,) * len(sheet.junctions)
        return [
            _node("junction", _at(p), _node("diameter", d), _node("color", 0, 0, 0, 0), self._uuid())
            for p, d in zip(sheet.junctions, diameters, strict=True)
        ]

    def _bus_entry(self, entry: BusEntry) -> Node:
        return _node(
            "bus_entry", _at(entry.at), _node("size", *entry.size), _stroke(0, "default"), self._uuid()
        )

    def _graphical_item(self, item: Line | Graphic) -> Node:
        if isinstance(item, Line):
            return _node(item.kind, _points(item.points), _stroke(item.width, "default"), self._uuid())
        return [*_graphic(item), self._uuid()]

    def _label(self, label: Label) -> Node:
        node = _node(_LABELS[label.kind], label.text)
        if label.kind == "directive":
            node.append(_node("length", label.length))
        if label.kind != "local":
            node.append(_node("shape", Symbol(label.shape)))
        node += [_at(label.at, label.angle), _effects(label.style), self._uuid()]
        node += [_property(prop) for prop in label.properties]
        return node

    def _symbol(self, symbol: PlacedSymbol) -> Node:
        node = _node("symbol")
        if symbol.lib_name:
            node.append(_node("lib_name", symbol.lib_name))
        node += [_node("lib_id", symbol.lib_id), _at(symbol.at, symbol.angle)]
        if symbol.mirror:
            node.append(_node("mirror", Symbol(symbol.mirror)))
        node.append(_node("unit", symbol.unit))
        if symbol.style != 1:
            node.append(_node("convert", symbol.style))
        node += [
            _flag("exclude_from_sim", False),
            _flag("in_bom", symbol.in_bom),
            _flag("on_board", True),
            _flag("dnp", symbol.dnp),
            self._uuid(symbol.uuid),
        ]
        node += [_property(prop) for prop in symbol.properties]
        library = self.sheet.lib_symbols.get(symbol.library_key)
        functions = dict(symbol.pin_functions)
        for unit in library.units if library else ():
            if unit.unit in (0, symbol.unit) and unit.style in (0, symbol.style):
                for pin in unit.pins:
                    node.append(_node("pin", pin.number, self._uuid()))
                    if pin.number in functions:
                        node[-1].append(_node("alternate", functions[pin.number]))
        path = _node(
            "path", f"/{self.uuid}", _node("reference", symbol.designator), _node("unit", symbol.unit)
        )
        node.append(_node("instances", _node("project", "", path)))
        return node

    def _sheet_box(self, box: SheetBox, page: int) -> Node:
        node = _node("sheet", _at(box.at), _node("size", *box.size), _stroke(0.1524, "solid"))
        node += [_node("fill", _node("color", 0, 0, 0, Symbol("0.0000"))), self._uuid(box.uuid)]
        node += [_property(prop) for prop in box.properties]
        for pin in box.pins:
            node.append(
                _node(
                    "pin",
                    pin.name,
                    Symbol(pin.shape),
                    _at(pin.at, pin.angle),
                    _effects(pin.style),
                    self._uuid(),
                )
            )
        path = _node("path", f"/{self.uuid}", _node("page", str(page)))
        node.append(_node("instances", _node("project", "", path)))
        return node

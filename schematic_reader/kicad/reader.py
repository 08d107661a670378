"""Read KiCad 6 to 10 text (``.kicad_sch``, ``.kicad_sym``) into the classes of ``model``.

Unknown nodes are passed over, so that a file with newer features still opens; what is known must be
well formed. Text from outside is bounded by ``sexpr.parse``, and coordinates by ``nodes``.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache

from schematic_reader.kicad.model import (
    BusEntry,
    Graphic,
    Label,
    LibSymbol,
    Line,
    Point,
    Sheet,
    SheetBox,
    SheetPin,
    TitleBlock,
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
    points_of,
    root_of,
    sections_of,
    string_of,
    strings_of,
    text_at,
    to_float,
)
from schematic_reader.kicad.read_shapes import (
    GRAPHICS,
    read_color,
    read_graphic,
    read_picture,
    read_properties,
    read_rule_area,
    read_stroke,
    read_style,
    read_table,
)
from schematic_reader.kicad.read_symbols import SheetUse, read_lib_symbols, read_placed
from schematic_reader.kicad.rule_areas import with_areas
from schematic_reader.kicad.sexpr import Node

LOG = logging.getLogger(__name__)
NEWEST_VERSION = 20260306
"""The schematic format of KiCad 10; newer files are read as far as they are alike."""

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

_LEAST_SIDE = 1.0  # mm of a paper; KiCad's own have 25.4

_LABEL_KINDS = {
    "label": "local",
    "global_label": "global",
    "hierarchical_label": "hierarchical",
    "netclass_flag": "directive",
    "directive_label": "directive",
}


def read_sheet(text: str, use: SheetUse | None = None) -> Sheet:
    """Read the text of a ``.kicad_sch`` file.

    Args:
        use: as which part of a project, whose references the symbols get; None for a sheet by itself.

    Raises:
        KicadError: it is no such file.
    """
    root = root_of(text, "kicad_sch")
    paper, size = _paper(child_of(root, "paper"))
    sections = sections_of(root)
    version = int(number_of(root, "version", 0))
    if version > NEWEST_VERSION:
        _say_newer(version)
    uuid = string_of(root, "uuid")  # once: a file without one is searched to its end
    use = use or SheetUse(f"/{uuid}", _instances(root))
    lines: list[Line] = []
    graphics: list[Graphic] = []
    order: list[str] = []
    for node in lists_of(root):
        if node[0] in ("wire", "bus"):
            points = points_of(node)
            width, dash = read_stroke(node)
            lines.append(Line(points, str(node[0]), width, dash, read_color(child_of(node, "stroke"))))
            order.append("l")
        elif node[0] in GRAPHICS:
            graphics.append(read_graphic(node, text_angle_unit=1.0))
            order.append("g")
    junctions = sections.get("junction", [])
    colors = tuple(read_color(n) for n in junctions)
    areas = tuple(read_rule_area(n) for n in sections.get("rule_area", []))
    symbols = tuple(read_placed(node, use) for node in sections.get("symbol", []))
    return Sheet(
        size=size,
        paper=paper,
        version=version,
        uuid=uuid,
        title_block=_title_block(child_of(root, "title_block")),
        lib_symbols=read_lib_symbols(child_of(root, "lib_symbols")),
        symbols=with_areas(areas, symbols),
        lines=tuple(lines),
        bus_entries=tuple(
            BusEntry(point_of(n, "at"), point_of(n, "size"), read_color(child_of(n, "stroke")))
            for n in sections.get("bus_entry", [])
        ),
        junctions=tuple(point_of(n, "at") for n in junctions),
        junction_diameters=tuple(number_of(n, "diameter", 0.0) for n in junctions),
        junction_colors=colors if any(colors) else (),
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
        tables=tuple(read_table(n) for n in sections.get("table", [])),
        rule_areas=areas,
        pictures=tuple(read_picture(n, version) for n in sections.get("image", [])),
    )


def symbol_instances(text: str) -> dict[str, Node]:
    """The instances that a root sheet of KiCad 6 holds for its whole project, by path. Raises KicadError."""
    return _instances(root_of(text, "kicad_sch")) if "symbol_instances" in text else {}


def _instances(root: Node) -> dict[str, Node]:
    return {text_at(n, 1): n for n in lists_of(child_of(root, "symbol_instances")) if n[0] == "path"}


@lru_cache(maxsize=64)
def _say_newer(version: int) -> None:
    """Once a version and process."""
    LOG.warning(
        "schematic version %d is newer than KiCad 10's %d: what is new in it is not read",
        version,
        NEWEST_VERSION,
    )


def read_library(*texts: str) -> dict[str, LibSymbol]:
    """Read a library, the text of one ``.kicad_sym`` file or those of a ``.kicad_symdir``: symbols by name.

    They come in file order, with ``extends`` resolved: such a symbol gets its parent's drawing and flags and
    keeps its own properties. Raises KicadError, also for a parent that is missing or a circle of parents.
    """
    raw: dict[str, LibSymbol] = {}
    for text in texts:
        raw |= read_lib_symbols(root_of(text, "kicad_symbol_lib"))
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
        if min(width, height) < _LEAST_SIDE:
            raise KicadError(f"the paper is {width:g} x {height:g} mm: a side is under {_LEAST_SIDE:g}")
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


def _label(node: Node) -> Label:
    return Label(
        text=text_at(node, 1),
        at=point_of(node, "at"),
        kind=_LABEL_KINDS[node[0]],
        angle=angle_of(node),
        shape=string_of(node, "shape", "input"),
        length=number_of(node, "length", 2.54),
        style=read_style(node),
        properties=read_properties(node),
    )


def _sheet_box(node: Node) -> SheetBox:
    return SheetBox(
        at=point_of(node, "at"),
        size=point_of(node, "size"),
        properties=read_properties(node),
        pins=tuple(
            SheetPin(text_at(n, 1), text_at(n, 2), point_of(n, "at"), angle_of(n), read_style(n))
            for n in lists_of(node)
            if n[0] == "pin"
        ),
        uuid=string_of(node, "uuid"),
        dnp=flag_of(node, "dnp"),
        in_bom=not is_denied(node, "in_bom"),
        color=read_color(child_of(node, "stroke")),
        fill_color=read_color(child_of(node, "fill")),
    )

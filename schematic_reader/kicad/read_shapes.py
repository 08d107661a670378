"""Read the shapes, texts, tables and pictures of sheets and symbols out of their nodes."""

from __future__ import annotations

from dataclasses import replace

from schematic_reader.kicad.geometry import arc_middle
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
    string_of,
    text_at,
    to_float,
)
from schematic_reader.kicad.sexpr import Node, Symbol
from schematic_reader.kicad.shapes import (
    Arc,
    Bezier,
    Circle,
    Color,
    EmbeddedPicture,
    Graphic,
    Polyline,
    Property,
    Rectangle,
    RuleArea,
    Table,
    Text,
    TextBox,
    TextStyle,
)

GRAPHICS = ("polyline", "rectangle", "circle", "arc", "bezier", "text", "text_box")
# Up to this version a picture's scale is of 300 pixels an inch, from then on of its own density.
_DEFAULT_DENSITY = 20230121
_DESCRIPTION = 4  # KiCad 9's number of the field Description, which KiCad 6 and 7 do not have


def read_style(node: Node) -> TextStyle:
    """The text style in the node's ``effects``."""
    effects = child_of(node, "effects")
    font = child_of(effects, "font")
    size = child_of(font, "size")
    height = number_of(font, "size", 1.27)
    width = to_float(size[2], "size") if len(size) > 2 else height
    justify = child_of(effects, "justify")[1:]
    return TextStyle(
        size=height,
        h_align=next((str(w) for w in justify if w in ("left", "right")), "center"),
        v_align=next((str(w) for w in justify if w in ("top", "bottom")), "center"),
        bold=flag_of(font, "bold"),
        italic=flag_of(font, "italic"),
        mirrored="mirror" in justify,
        thickness=number_of(font, "thickness", 0.0),
        width=width if width != height else 0.0,
        face=string_of(font, "face"),
        color=read_color(font),
    )


def is_private(node: Node) -> bool:
    """Whether a field or graphic is for the symbol editor: ``(text private ...)``."""
    return len(node) > 1 and isinstance(node[1], Symbol) and node[1] == "private"


def read_property(node: Node) -> Property:
    """A field: ``(property "key" "value" ...)``."""
    if is_private(node):
        node = [node[0], *node[2:]]
    return Property(
        key=text_at(node, 1),
        value=text_at(node, 2),
        at=point_of(node, "at") if child_of(node, "at") else (0.0, 0.0),
        angle=angle_of(node),
        hidden=flag_of(node, "hide") or flag_of(child_of(node, "effects"), "hide"),
        show_name=flag_of(node, "show_name"),
        style=read_style(node),
    )


def read_properties(node: Node) -> tuple[Property, ...]:
    """The fields of a node; of several of one name the last counts, in the place of the first.

    KiCad 6 and 7 number fields: there one with a number of its own is a further field of that name. KiCad 9
    takes number 4 for one of its own fields, and shows the one there before of that name no more.
    """
    fields: dict[tuple[str, int], Property] = {}
    for child in lists_of(node):
        if child[0] == "property":
            field = read_property(child)
            number = int(number_of(child, "id", 0.0))
            known = number and (field.key, 0) in fields
            fields[field.key, number if known else 0] = field
            if known and number == _DESCRIPTION:
                fields[field.key, 0] = replace(fields[field.key, 0], hidden=True)
    return tuple(fields.values())


def read_stroke(node: Node) -> tuple[float, str]:
    """Width in mm and kind of line in the node's ``stroke``."""
    stroke = child_of(node, "stroke")
    return number_of(stroke, "width", 0.0), string_of(stroke, "type", "default")


def read_color(node: Node) -> Color | None:
    """``(color red green blue opacity)``; None without it, or where the opacity of 0 stands for none."""
    numbers = [to_float(value, "color") for value in child_of(node, "color")[1:5]]
    if len(numbers) < 4 or numbers[3] <= 0:
        return None
    red, green, blue = (min(max(round(number), 0), 255) for number in numbers[:3])
    return red, green, blue, min(numbers[3], 1.0)


def read_graphic(node: Node, *, text_angle_unit: float) -> Graphic:
    """A shape or text whose keyword is one of ``GRAPHICS``."""
    keyword = node[0]
    if keyword == "text":
        return Text(
            text_at(node, 1), point_of(node, "at"), angle_of(node) * text_angle_unit, read_style(node)
        )
    if keyword == "text_box":
        return _text_box(node)
    width, dash = read_stroke(node)
    fill = string_of(child_of(node, "fill"), "type", "none")
    look = (width, fill, dash, read_color(child_of(node, "stroke")), read_color(child_of(node, "fill")))
    if keyword == "polyline":
        return Polyline(points_of(node), *look)
    if keyword == "bezier":
        return Bezier(points_of(node), *look)
    if keyword == "rectangle":
        start, end = point_of(node, "start"), point_of(node, "end")
        return Rectangle(start, end, *look, number_of(node, "radius", 0.0))
    if keyword == "circle":
        return Circle(point_of(node, "center"), number_of(node, "radius", 0.0), *look)
    start, end = point_of(node, "start"), point_of(node, "end")
    middle = point_of(node, "mid") if child_of(node, "mid") else _early_middle(node)
    return Arc(start, middle, end, *look)


def _early_middle(node: Node) -> tuple[float, float]:
    """The middle of an arc as early KiCad 6 wrote it: the shorter way around a centre between two angles."""
    circle = child_of(node, "radius")
    angles = child_of(circle, "angles")
    if len(angles) < 3:
        raise KicadError("(arc ...) has neither (mid x y) nor (radius ... (angles start end))")
    turn = (to_float(angles[2], "angles") - to_float(angles[1], "angles") + 180.0) % 360.0 - 180.0
    return arc_middle(
        point_of(node, "start"), point_of(node, "end"), point_of(circle, "at"), counterclockwise=turn > 0
    )


def _text_box(node: Node) -> TextBox:
    width, dash = read_stroke(node)
    if child_of(node, "size"):
        corner, size = point_of(node, "at"), point_of(node, "size")
    else:
        corner = point_of(node, "start")
        end = point_of(node, "end")
        size = (end[0] - corner[0], end[1] - corner[1])
    given = child_of(node, "margins")[1:5]
    fill = child_of(node, "fill")
    left, top, right, bottom = (to_float(v, "margins") for v in given) if len(given) == 4 else (0.0,) * 4
    return TextBox(
        text_at(node, 1),
        corner,
        size,
        angle_of(node),
        read_style(node),
        width,
        dash,
        (left, top, right, bottom) if given else None,
        read_color(child_of(node, "stroke")),
        read_color(fill) if string_of(fill, "type") == "color" else None,
    )


def read_table(node: Node) -> Table:
    """``(table ...)``: cells, their spans and which borders are drawn."""
    border, separators = child_of(node, "border"), child_of(node, "separators")
    cells = [n for n in lists_of(child_of(node, "cells")) if n[0] == "table_cell"]
    border_width, border_dash = read_stroke(border)
    line_width, line_dash = read_stroke(separators)
    columns = int(number_of(node, "column_count", 1))
    if columns < 1:
        raise KicadError("(table ...) has no columns")
    return Table(
        columns=columns,
        cells=tuple(replace(_text_box(cell), width=-1.0) for cell in cells),
        spans=tuple(_span(cell) for cell in cells),
        outer_border=flag_of(border, "external"),
        header_border=flag_of(border, "header"),
        row_lines=flag_of(separators, "rows"),
        column_lines=flag_of(separators, "cols"),
        border_width=border_width,
        border_dash=border_dash,
        line_width=line_width,
        line_dash=line_dash,
        border_color=read_color(child_of(border, "stroke")),
        line_color=read_color(child_of(separators, "stroke")),
    )


def _span(cell: Node) -> tuple[int, int]:
    span = child_of(cell, "span")
    return (int(to_float(span[1], "span")), int(to_float(span[2], "span"))) if len(span) > 2 else (1, 1)


def read_rule_area(node: Node) -> RuleArea:
    """``(rule_area (dnp yes) (polyline ...))``."""
    outline = read_graphic(child_of(node, "polyline") or ["polyline"], text_angle_unit=1.0)
    if not isinstance(outline, Polyline) or not outline.points:
        raise KicadError("(rule_area ...) has no outline")
    return RuleArea(outline, dnp=flag_of(node, "dnp"), in_bom=not is_denied(node, "in_bom"))


def read_picture(node: Node, version: int) -> EmbeddedPicture:
    """``(image (at x y) (scale s) (data "..." "..."))``, whose data may be cut into many words."""
    return EmbeddedPicture(
        point_of(node, "at"),
        "".join(str(word) for word in child_of(node, "data")[1:] if isinstance(word, str)),
        number_of(node, "scale", 1.0),
        default_density=version <= _DEFAULT_DENSITY,
    )

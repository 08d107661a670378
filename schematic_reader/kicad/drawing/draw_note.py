"""Draw a sheet's free text, graphics and tables."""

from __future__ import annotations

from schematic_reader.kicad.drawing.draw_symbol import draw_shape, shape_points
from schematic_reader.kicad.drawing.palette import GROUND, Ink, Tint, tinted
from schematic_reader.kicad.drawing.plotter import Plotter, line_pen
from schematic_reader.kicad.drawing.strokes import letter_width, text_lines, text_width
from schematic_reader.kicad.geometry import quarter_turn
from schematic_reader.kicad.model import Graphic, Point, Table, Text, TextBox

_TEXT_RISE = 0.254  # mm: free text stands that much above its place
_BOX_MARGIN = 0.75  # of the text size: between a text box and its text
_SAME = 1e-4  # mm: edges closer than this are one


def draw_graphic(plotter: Plotter, item: Graphic) -> None:
    """Free text and graphics of the sheet."""
    if isinstance(item, TextBox):
        _draw_text_box(plotter, item)
        return
    if not isinstance(item, Text):
        draw_shape(plotter, item, shape_points(item), Ink.NOTE)
        return
    style = item.style
    x, y = item.at
    plotter.text(
        Ink.NOTE,
        item.text,
        (x, y - _TEXT_RISE),
        style,
        vertical=quarter_turn(item.angle) % 180 == 90,
        align=(style.h_align, style.v_align),
    )


def draw_table(plotter: Plotter, table: Table) -> None:
    """The texts of a table's cells, the lines between them and the border."""
    shown = [
        (number, cell)
        for number, (cell, span) in enumerate(zip(table.cells, table.spans, strict=True))
        if 0 not in span  # else another cell covers it
    ]
    if not shown:
        return
    right = max(cell.at[0] + cell.size[0] for _, cell in shown)
    bottom = max(cell.at[1] + cell.size[1] for _, cell in shown)
    border, line = line_pen(table.border_width), line_pen(table.line_width)
    border_ink, line_ink = tinted(Ink.NOTE, table.border_color), tinted(Ink.NOTE, table.line_color)
    for number, cell in shown:
        _draw_text_box(plotter, cell)
        (x, y), (x1, y1) = cell.at, (cell.at[0] + cell.size[0], cell.at[1] + cell.size[1])
        if table.column_lines and x1 < right - _SAME and table.line_width >= 0:
            plotter.polyline(line_ink, [(x1, y), (x1, y1)], line, table.line_dash)
        header = number < table.columns and table.header_border
        if y1 < bottom - _SAME and header and table.border_width >= 0:
            plotter.polyline(border_ink, [(x, y1), (x1, y1)], border, table.border_dash)
        elif y1 < bottom - _SAME and table.row_lines and table.line_width >= 0:
            plotter.polyline(line_ink, [(x, y1), (x1, y1)], line, table.line_dash)
    if table.outer_border and table.border_width >= 0:
        left, top = (min(cell.at[axis] for _, cell in shown) for axis in (0, 1))
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        plotter.polyline(border_ink, corners, border, table.border_dash)


def _draw_text_box(plotter: Plotter, box: TextBox) -> None:
    (x, y), (width, height), style = box.at, box.size, box.style
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    if box.fill_color:
        plotter.fill(Tint(GROUND, box.fill_color), corners)
    if box.width >= 0:
        plotter.polyline(tinted(Ink.NOTE, box.color), corners, line_pen(box.width), box.dash)
    near, upper, far, lower = box.margins or (max(box.width, 0.0) / 2 + _BOX_MARGIN * style.size,) * 4
    vertical = quarter_turn(box.angle) % 180 == 90
    room = height - upper - lower if vertical else width - near - far
    em = letter_width(style)
    text = _wrapped(box.text, room / em) if em > 0 else box.text
    across = {"left": near, "center": (near + width - far) / 2, "right": width - far}
    down = {"top": upper, "center": (upper + height - lower) / 2, "bottom": height - lower}
    at: Point = (x + across[style.h_align], y + down[style.v_align])
    if vertical:
        along = {"left": height - lower, "center": (upper + height - lower) / 2, "right": upper}
        aside = {"top": near, "center": (near + width - far) / 2, "bottom": width - far}
        at = (x + aside[style.v_align], y + along[style.h_align])
    plotter.text(Ink.NOTE, text, at, style, vertical=vertical, align=(style.h_align, style.v_align))


def _wrapped(text: str, room: float) -> str:
    """Break lines at spaces so that each is at most ``room`` em wide, where it can be."""
    lines: list[str] = []
    for line in text_lines(text):
        first, *words = line.split(" ")
        lines.append(first)
        width = text_width(first)
        for word in words:
            added = text_width(f" {word}")
            if lines[-1].strip() and width + added > room:
                lines.append(word)
                width = text_width(word)
            else:
                lines[-1] += f" {word}"
                width += added
    return "\n".join(lines)

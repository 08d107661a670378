"""Draw a sheet's free text, graphics and tables."""

from __future__ import annotations

from schematic_reader.kicad.drawing.draw_symbol import draw_shape, shape_points
from schematic_reader.kicad.drawing.draw_text_box import draw_text_box
from schematic_reader.kicad.drawing.palette import Ink, tinted
from schematic_reader.kicad.drawing.plotter import Plotter, line_pen
from schematic_reader.kicad.geometry import quarter_turn
from schematic_reader.kicad.model import Graphic, Table, Text, TextBox

_TEXT_RISE = 0.254  # mm: free text stands that much above its place
_SAME = 1e-4  # mm: edges closer than this are one


def draw_graphic(plotter: Plotter, item: Graphic) -> None:
    """Free text and graphics of the sheet."""
    if isinstance(item, TextBox):
        draw_text_box(plotter, item)
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
        draw_text_box(plotter, cell)
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

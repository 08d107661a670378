"""Draw a sheet's free text and graphics."""

from __future__ import annotations

from schematic_reader.kicad.drawing.draw_symbol import draw_shape, shape_points
from schematic_reader.kicad.drawing.palette import Ink
from schematic_reader.kicad.drawing.plotter import DEFAULT_PEN, Plotter, text_pen
from schematic_reader.kicad.drawing.strokes import text_lines, text_width
from schematic_reader.kicad.geometry import quarter_turn
from schematic_reader.kicad.model import Graphic, Point, Text, TextBox

_TEXT_RISE = 0.254  # mm: free text stands that much above its place
_BOX_MARGIN = 0.75  # of the text size: between a text box and its text


def draw_graphic(plotter: Plotter, item: Graphic) -> None:
    """Free text and graphics of the sheet."""
    if isinstance(item, TextBox):
        _draw_text_box(plotter, item)
        return
    if not isinstance(item, Text):
        draw_shape(plotter, item, shape_points(item), Ink.NOTE)
        return
    style = item.style
    pen = text_pen(style.size, bold=style.bold, thickness=style.thickness)
    x, y = item.at
    plotter.text(
        Ink.NOTE,
        item.text,
        (x, y - _TEXT_RISE),
        style.size,
        vertical=quarter_turn(item.angle) % 180 == 90,
        align=(style.h_align, style.v_align),
        pen=pen,
        italic=style.italic,
    )


def _draw_text_box(plotter: Plotter, box: TextBox) -> None:
    (x, y), (width, height), style = box.at, box.size, box.style
    if box.width >= 0:
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        plotter.polyline(Ink.NOTE, corners, box.width or DEFAULT_PEN, box.dash)
    margin = max(box.width, 0.0) / 2 + _BOX_MARGIN * style.size
    vertical = quarter_turn(box.angle) % 180 == 90
    room = (height if vertical else width) - 2 * margin
    text = _wrapped(box.text, room / style.size)
    across = {"left": margin, "center": width / 2, "right": width - margin}[style.h_align]
    down = {"top": margin, "center": height / 2, "bottom": height - margin}[style.v_align]
    at: Point = (x + across, y + down)
    if vertical:
        along = {"left": height - margin, "center": height / 2, "right": margin}[style.h_align]
        aside = {"top": margin, "center": width / 2, "bottom": width - margin}[style.v_align]
        at = (x + aside, y + along)
    plotter.text(
        Ink.NOTE,
        text,
        at,
        style.size,
        vertical=vertical,
        align=(style.h_align, style.v_align),
        pen=text_pen(style.size, bold=style.bold, thickness=style.thickness),
        italic=style.italic,
    )


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

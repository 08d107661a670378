"""Draw text boxes, of the sheet and of symbols."""

from __future__ import annotations

from schematic_reader.kicad.drawing.palette import GROUND, Ink, Tint, tinted
from schematic_reader.kicad.drawing.plotter import Plotter, line_pen
from schematic_reader.kicad.drawing.strokes import letter_width, text_lines, text_width
from schematic_reader.kicad.geometry import quarter_turn
from schematic_reader.kicad.model import Point, TextBox

_BOX_MARGIN = 0.75  # of the text size: between a text box and its text


def draw_text_box(plotter: Plotter, box: TextBox, ink: Ink = Ink.NOTE) -> None:
    """The fill, the border and the text of a box. Colors of its own count, but dimmed none."""
    dimmed = ink == Ink.DIMMED
    (x, y), (width, height), style = box.at, box.size, box.style
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    if box.fill_color and not dimmed:
        plotter.fill(Tint(GROUND, box.fill_color), corners)
    if box.width >= 0:
        plotter.polyline(tinted(ink, None if dimmed else box.color), corners, line_pen(box.width), box.dash)
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
    plotter.text(ink, text, at, style, vertical=vertical, align=(style.h_align, style.v_align))


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

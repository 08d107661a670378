"""Draw a sheet as ``kicad-cli sch export`` shows it: KiCad 9's default theme, drawing sheet included.

What only a whole project knows is left out: page numbers of other sheets, net class colours, project
drawing sheets. Embedded pictures and colours set on single items are not drawn either.
"""

from __future__ import annotations

import math

from PIL import Image

from .draw_label import draw_label, draw_sheet_box
from .draw_symbol import draw_shape, draw_symbol, shape_points
from .frame import draw_frame
from .geometry import quarter_turn
from .model import Graphic, Point, Sheet, Text, TextBox
from .palette import Ink
from .plotter import DEFAULT_PEN, Plotter, text_pen
from .png import encode_png
from .strokes import text_width

__all__ = ["draw_sheet", "encode_png"]

PIXELS_PER_MM = 1123 / 297  # an A4 sheet becomes 1123 x 795 pixels
_MOST_PIXELS = 1600  # the longest side, unless the size is given
_BUS_PEN = 0.3048
_JUNCTION = 0.9144
_NO_CONNECT = 0.6096  # half the cross


def draw_sheet(sheet: Sheet, *, width: int | None = None, height: int | None = None) -> Image.Image:
    """A palette image of the sheet, ``width`` x ``height`` pixels.

    With one of them missing, the other follows from the paper; with both missing, an A4 sheet is 1123
    pixels wide, others in proportion, at most 1600. Where both are given the paper is fitted into the
    picture's upper left corner.
    """
    paper_width, paper_height = sheet.size
    if width is None and height is None:
        scale = min(PIXELS_PER_MM, _MOST_PIXELS / max(paper_width, paper_height))
        width = round(paper_width * scale)
    if width is None:
        assert height is not None
        width = max(round(height * paper_width / paper_height), 1)
    if height is None:
        height = max(math.ceil(paper_height * width / paper_width - 1e-6), 1)
    scale = min(width / paper_width, height / paper_height)
    plotter = Plotter(width, height, scale)

    if sheet.frame:
        draw_frame(plotter, sheet)
    for item in sheet.graphics:
        _draw_graphic(plotter, item)
    for symbol in sheet.symbols:
        draw_symbol(plotter, symbol, sheet.lib_symbols.get(symbol.lib_name or symbol.lib_id))
    for box in sheet.sheets:
        draw_sheet_box(plotter, box)
    for line in sheet.lines:
        bus = line.kind == "bus"
        pen = line.width or (_BUS_PEN if bus else DEFAULT_PEN)
        plotter.polyline(Ink.BUS if bus else Ink.WIRE, line.points, pen)
    for entry in sheet.bus_entries:
        end = (entry.at[0] + entry.size[0], entry.at[1] + entry.size[1])
        plotter.polyline(Ink.WIRE, [entry.at, end])
    for x, y in sheet.no_connects:
        s = _NO_CONNECT
        plotter.polyline(Ink.NO_CONNECT, [(x - s, y - s), (x + s, y + s)])
        plotter.polyline(Ink.NO_CONNECT, [(x - s, y + s), (x + s, y - s)])
    for label in sheet.labels:
        draw_label(plotter, label)
    diameters = sheet.junction_diameters or (0.0,) * len(sheet.junctions)
    for point, diameter in zip(sheet.junctions, diameters, strict=True):
        plotter.dot(Ink.JUNCTION, point, diameter or _JUNCTION)
    return plotter.image()


def _draw_graphic(plotter: Plotter, item: Graphic) -> None:
    """Free text and graphics of the sheet."""
    if isinstance(item, TextBox):
        _draw_text_box(plotter, item)
        return
    if not isinstance(item, Text):
        draw_shape(plotter, item, shape_points(item), Ink.NOTE)
        return
    style = item.style
    plotter.text(
        Ink.NOTE,
        item.text,
        item.at,
        style.size,
        vertical=quarter_turn(item.angle) % 180 == 90,
        h_align=style.h_align,
        v_align=style.v_align,
        pen=text_pen(style.size, bold=style.bold, thickness=style.thickness),
        italic=style.italic,
    )


def _draw_text_box(plotter: Plotter, box: TextBox) -> None:
    (x, y), (width, height), style = box.at, box.size, box.style
    if box.width >= 0:
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        plotter.polyline(Ink.NOTE, corners, box.width or DEFAULT_PEN, box.dash)
    margin = max(box.width, 0.0) / 2 + 0.75 * style.size
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
        h_align=style.h_align,
        v_align=style.v_align,
        pen=text_pen(style.size, bold=style.bold, thickness=style.thickness),
        italic=style.italic,
    )


def _wrapped(text: str, room: float) -> str:
    """Break lines at spaces so that each is at most ``room`` em wide, where it can be."""
    lines: list[str] = []
    for line in text.split("\n"):
        current = ""
        for word in line.split(" "):
            longer = f"{current} {word}" if current else word
            if current and text_width(longer) > room:
                lines.append(current)
                current = word
            else:
                current = longer
        lines.append(current)
    return "\n".join(lines)

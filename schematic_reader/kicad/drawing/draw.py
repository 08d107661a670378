"""Draw a sheet as ``kicad-cli sch export`` shows it: KiCad 9's default theme, drawing sheet included.

What only a whole project knows is left out: page numbers of other sheets, net class colours, project
drawing sheets.
"""

from __future__ import annotations

import math

from PIL import Image

from schematic_reader.kicad.drawing.draw_label import draw_label, draw_sheet_box
from schematic_reader.kicad.drawing.draw_note import draw_graphic, draw_table
from schematic_reader.kicad.drawing.draw_picture import draw_picture
from schematic_reader.kicad.drawing.draw_symbol import draw_symbols
from schematic_reader.kicad.drawing.frame import draw_frame
from schematic_reader.kicad.drawing.palette import Ink, tinted
from schematic_reader.kicad.drawing.plotter import DEFAULT_PEN, Plotter, line_pen
from schematic_reader.kicad.drawing.png import encode_png
from schematic_reader.kicad.model import Point, Sheet
from schematic_reader.kicad.text_variables import resolved

__all__ = ["draw_sheet", "encode_png"]

PIXELS_PER_MM = 1123 / 297  # an A4 sheet becomes 1123 x 795 pixels
_MOST_PIXELS = 1600  # the longest side, unless the size is given
_TALLEST = 4  # heights to a width, however narrow the paper
_BUS_PEN = 0.3048
_JUNCTION = 0.9144
_NO_CONNECT = 0.6096  # half the cross


def draw_sheet(sheet: Sheet, *, width: int | None = None, height: int | None = None) -> Image.Image:
    """A palette image of the sheet, or RGB where it has pictures or items with colors of their own.

    It is ``width`` x ``height`` pixels. With one of them missing, the other follows from the paper; with both
    missing, an A4 sheet is 1123 pixels wide, others in proportion, at most 1600. Where both are given the
    paper is fitted into the picture's upper left corner.
    """
    sheet = resolved(sheet)
    width, height = _pixels(sheet.size, width, height)
    plotter = Plotter(width, height, min(width / sheet.size[0], height / sheet.size[1]))

    for picture in sheet.pictures:
        draw_picture(plotter, picture)
    if sheet.frame:
        draw_frame(plotter, sheet)
    for item in sheet.graphics:
        draw_graphic(plotter, item)
    for table in sheet.tables:
        draw_table(plotter, table)
    for area in sheet.rule_areas:
        outline = area.outline
        closed = [*outline.points, outline.points[0]]
        # KiCad's colour of rule areas is close to that of its crosses.
        plotter.polyline(tinted(Ink.DNP, outline.color), closed, line_pen(outline.width), outline.dash)
    draw_symbols(plotter, sheet)
    for box in sheet.sheets:
        draw_sheet_box(plotter, box)
    for line in sheet.lines:
        bus = line.kind == "bus"
        pen = line_pen(line.width, _BUS_PEN if bus else DEFAULT_PEN)
        plotter.polyline(tinted(Ink.BUS if bus else Ink.WIRE, line.color), line.points, pen, line.dash)
    for entry in sheet.bus_entries:
        end = (entry.at[0] + entry.size[0], entry.at[1] + entry.size[1])
        plotter.polyline(tinted(Ink.WIRE, entry.color), [entry.at, end])
    for x, y in sheet.no_connects:
        s = _NO_CONNECT
        plotter.polyline(Ink.NO_CONNECT, [(x - s, y - s), (x + s, y + s)])
        plotter.polyline(Ink.NO_CONNECT, [(x - s, y + s), (x + s, y - s)])
    for label in sheet.labels:
        draw_label(plotter, label)
    diameters = sheet.junction_diameters or (0.0,) * len(sheet.junctions)
    colors = sheet.junction_colors or (None,) * len(sheet.junctions)
    for point, diameter, color in zip(sheet.junctions, diameters, colors, strict=True):
        plotter.dot(tinted(Ink.JUNCTION, color), point, diameter or _JUNCTION)
    return plotter.image()


def _pixels(paper: Point, width: int | None, height: int | None) -> tuple[int, int]:
    """The picture's size, where a missing width or height follows from the paper."""
    if width is None:
        longest = max(paper)
        scale = min(PIXELS_PER_MM, _MOST_PIXELS / longest) if height is None else height / paper[1]
        width = max(round(paper[0] * scale), 1)
    if height is None:
        # A hair less, for papers whose height comes out whole but for rounding.
        height = max(math.ceil(paper[1] * width / paper[0] - 1e-6), 1)
        height = min(height, max(_MOST_PIXELS, _TALLEST * width))
    return width, height

"""Draw KiCad's default drawing sheet: a double border with a coordinate grid, and the title block."""

from __future__ import annotations

from schematic_reader.kicad.drawing.draw_symbol import unit_letters
from schematic_reader.kicad.drawing.palette import Ink
from schematic_reader.kicad.drawing.plotter import Plotter
from schematic_reader.kicad.model import Point, Sheet, TextStyle

_MARGIN = 10.0  # mm from the paper's edge to the border
_BORDER = 2.0  # between the two lines of the border
_GRID = 50.0
_PEN = 0.15
_BLOCK_WIDTH, _BLOCK_HEIGHT = 110.0, 34.0
# Lines inside the title block, from the lower right corner leftward and upward.
_BLOCK_LINES = (
    ((110.0, 5.5), (2.0, 5.5)),
    ((110.0, 8.5), (2.0, 8.5)),
    ((110.0, 12.5), (2.0, 12.5)),
    ((110.0, 18.5), (2.0, 18.5)),
    ((90.0, 8.5), (90.0, 5.5)),
    ((26.0, 8.5), (26.0, 2.0)),
)


def draw_frame(plotter: Plotter, sheet: Sheet) -> None:
    """Draw the border and the title block of a sheet."""
    width, height = sheet.size
    right, bottom = width - _MARGIN, height - _MARGIN
    for inset in (0.0, _BORDER):
        x0, y0, x1, y1 = _MARGIN + inset, _MARGIN + inset, right - inset, bottom - inset
        plotter.polyline(Ink.FRAME, [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], _PEN)
    _draw_grid(plotter, right, bottom)
    _draw_title_block(plotter, sheet, (right, bottom))


def _draw_grid(plotter: Plotter, right: float, bottom: float) -> None:
    """Ticks every 50 mm along the border, and a number or letter in the middle of each field."""
    for size, vertical in ((right - _MARGIN, False), (bottom - _MARGIN, True)):
        near = (_MARGIN, right) if vertical else (_MARGIN, bottom)
        field = 0
        while (start := field * _GRID) < size:
            for edge, inward in zip(near, (1.0, -1.0), strict=True):
                if start:
                    a, b = (edge, _MARGIN + start), (edge + inward * _BORDER, _MARGIN + start)
                    plotter.polyline(Ink.FRAME, [a, b] if vertical else [a[::-1], b[::-1]], _PEN)
                name = unit_letters(field + 1) if vertical else str(field + 1)
                place = (edge + inward * _BORDER / 2, _MARGIN + start + _GRID / 2)
                if start + _GRID / 2 < size:
                    plotter.text(
                        Ink.FRAME,
                        name,
                        place if vertical else place[::-1],
                        TextStyle(1.3, thickness=_PEN),
                        align=("center" if vertical else "left", "center"),
                    )
            field += 1


def _draw_title_block(plotter: Plotter, sheet: Sheet, corner: Point) -> None:
    right, bottom = corner
    x0, y0, x1, y1 = right - _BLOCK_WIDTH, bottom - _BLOCK_HEIGHT, right - 2.0, bottom - 2.0
    plotter.polyline(Ink.FRAME, [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], _PEN)
    for (ax, ay), (bx, by) in _BLOCK_LINES:
        plotter.polyline(Ink.FRAME, [(right - ax, bottom - ay), (right - bx, bottom - by)], _PEN)

    def write(text: str, x: float, y: float, *, bold: bool = False, title: bool = False) -> None:
        pen = 0.0 if bold else _PEN
        style = TextStyle(2.0 if title else 1.5, bold=bold, italic=title, thickness=pen)
        plotter.text(Ink.FRAME, text, (right - x, bottom - y), style)

    block = sheet.title_block
    page = next((page for path, page in sheet.sheet_instances if path == "/"), "1")
    write(f"Date: {block.date}", 87, 6.9)
    write("KiCad E.D.A. 9.0.2", 109, 4.1)
    write(f"Rev: {block.rev}", 24, 6.9, bold=True)
    write(f"Size: {sheet.paper}", 109, 6.9)
    write(f"Id: {page}/{max(len(sheet.sheet_instances), 1)}", 24, 4.1)
    write(f"Title: {block.title}", 109, 10.7, bold=True, title=True)
    write(f"File: {sheet.file_name}", 109, 14.3)
    write("Sheet: /", 109, 17)
    write(block.company, 109, 20, bold=True)
    for number, comment in enumerate(block.comments[:4]):
        write(comment, 109, 23 + 3 * number)

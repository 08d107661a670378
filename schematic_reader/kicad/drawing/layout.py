"""Bounding boxes of the texts and symbols of a drawn sheet: the ground truth for reading the picture.

The functions that draw a sheet run on a plotter that records boxes instead of drawing, so that these are the
boxes of the picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schematic_reader.kicad.drawing.draw_label import draw_label, draw_sheet_box
from schematic_reader.kicad.drawing.draw_note import draw_graphic, draw_table
from schematic_reader.kicad.drawing.draw_symbol import draw_symbol
from schematic_reader.kicad.drawing.frame import draw_frame
from schematic_reader.kicad.drawing.palette import Ink, Paint
from schematic_reader.kicad.drawing.plotter import DEFAULT_PEN, Plotter, text_pen
from schematic_reader.kicad.drawing.strokes import layout, text_width, unescape
from schematic_reader.kicad.model import PlacedSymbol, Point, Sheet, TextStyle
from schematic_reader.kicad.text_variables import resolved

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels

_MARKUP = re.compile(r"[~_^]\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class DrawnText:
    """A text as drawn: without markup, its lines joined by blanks."""

    text: str
    box: Box
    vertical: bool  # reads upward
    ink: Ink
    symbol: int  # index of the symbol it belongs to, or -1


@dataclass(frozen=True, slots=True)
class DrawnSymbol:
    """A placed symbol; ``body`` is the box around its outline, without its pins' texts and fields."""

    symbol: PlacedSymbol
    body: Box


@dataclass(frozen=True, slots=True)
class SheetLayout:
    """All texts and symbols of a picture of ``width`` x ``height`` pixels."""

    width: int
    height: int
    texts: tuple[DrawnText, ...]
    symbols: tuple[DrawnSymbol, ...]


def layout_of(sheet: Sheet, width: int, height: int) -> SheetLayout:
    """The layout of the picture ``draw_sheet(sheet, width=width, height=height)``, in painting order.

    Symbols with nothing drawn are left out.
    """
    sheet = resolved(sheet)
    scale = min(width / sheet.size[0], height / sheet.size[1])
    recorder = _BoxRecorder(width, height, scale)
    if sheet.frame:
        draw_frame(recorder, sheet)
    for item in sheet.graphics:
        draw_graphic(recorder, item)
    for table in sheet.tables:
        draw_table(recorder, table)
    drawn: list[DrawnSymbol] = []
    for symbol in sheet.symbols:
        recorder.begin(len(drawn))
        draw_symbol(recorder, sheet, symbol)
        if recorder.body is not None:
            drawn.append(DrawnSymbol(symbol, recorder.body))
        recorder.begin(-1)
    for box in sheet.sheets:
        draw_sheet_box(recorder, box)
    for label in sheet.labels:
        draw_label(recorder, label)
    return SheetLayout(width, height, tuple(recorder.texts), tuple(drawn))


def character_centers(printed: DrawnText) -> list[tuple[str, Point]]:
    """Each character but blanks, with the centre of its box in pixels."""
    x0, y0, x1, y1 = printed.box
    widths = [text_width(char) for char in printed.text]
    total = sum(widths) or 1.0
    centers: list[tuple[str, Point]] = []
    passed = 0.0
    for char, width in zip(printed.text, widths, strict=True):
        along = (passed + width / 2) / total
        passed += width
        if char != " ":
            at = (
                ((x0 + x1) / 2, y1 + (y0 - y1) * along)
                if printed.vertical
                else (x0 + (x1 - x0) * along, (y0 + y1) / 2)
            )
            centers.append((char, at))
    return centers


class _BoxRecorder(Plotter):
    """Records the boxes of texts and of the outlines of symbols."""

    def __init__(self, width: int, height: int, scale: float) -> None:
        super().__init__(width, height, scale)
        self.texts: list[DrawnText] = []
        self.body: Box | None = None
        self._symbol = -1

    def begin(self, symbol: int) -> None:
        """Start recording for the symbol with this index, -1 for none."""
        self._symbol = symbol
        self.body = None

    def polyline(
        self,
        ink: Paint,  # noqa: ARG002
        points: Sequence[Point],
        pen: float = DEFAULT_PEN,  # noqa: ARG002
        dash: str = "default",  # noqa: ARG002
    ) -> None:
        if self._symbol < 0 or not points:
            return
        xs, ys = [x * self.scale for x, _ in points], [y * self.scale for _, y in points]
        box = (min(xs), min(ys), max(xs), max(ys))
        old = self.body or box
        self.body = (min(box[0], old[0]), min(box[1], old[1]), max(box[2], old[2]), max(box[3], old[3]))

    def dot(self, ink: Paint, center: Point, diameter: float) -> None:  # noqa: ARG002
        self.polyline(ink, [center])

    def fill(self, ink: Paint, points: Sequence[Point]) -> None:
        self.polyline(ink, points)

    def text(
        self,
        ink: Ink,
        text: str,
        at: Point,
        style: TextStyle,
        *,
        vertical: bool = False,
        align: tuple[str, str] = ("left", "center"),
    ) -> None:
        size = style.size
        if size <= 0 or style.width < 0:
            return
        em = layout(text, style, *align, text_pen(style) / size)
        seen = " ".join(unescape(_MARKUP.sub(r"\1", text)).split())
        if not len(em) or not seen:
            return
        left, right = em[:, 0::2].min() * size, em[:, 0::2].max() * size
        top, bottom = em[:, 1::2].min() * size, em[:, 1::2].max() * size
        x, y = at
        box = (
            (x + top, y - right, x + bottom, y - left)
            if vertical
            else (x + left, y + top, x + right, y + bottom)
        )
        scaled = (box[0] * self.scale, box[1] * self.scale, box[2] * self.scale, box[3] * self.scale)
        self.texts.append(DrawnText(seen, scaled, vertical, ink, self._symbol))

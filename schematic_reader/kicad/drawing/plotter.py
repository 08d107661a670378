"""Draws lines, shapes and text given in millimetres on a canvas of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image

from schematic_reader.kicad.drawing.faces import face_mask
from schematic_reader.kicad.drawing.palette import Ink, Paint, tinted
from schematic_reader.kicad.drawing.raster import Canvas, check_strokes
from schematic_reader.kicad.drawing.strokes import layout, letter_width
from schematic_reader.kicad.geometry import circle_points
from schematic_reader.kicad.model import Point, TextStyle

DEFAULT_PEN = 0.1524  # mm, 6 mil
_THINNEST_PEN = 0.0847  # mm, a 300th of an inch
_BOLD_PEN = 1 / 5  # of the text size
_WIDEST_PEN = 1 / 4  # of the text size

# On and off lengths in pen widths: KiCad's dash, dot and gap ratios 12, 0.2 and 3, less or more one pen
# width for the round ends.
_DASHES: dict[str, tuple[float, ...]] = {
    "dash": (11.0, 4.0),
    "dot": (0.2, 4.0),
    "dash_dot": (11.0, 4.0, 0.2, 4.0),
    "dash_dot_dot": (11.0, 4.0, 0.2, 4.0, 0.2, 4.0),
}
_MOST_DASHES = 5000
_MOST_HELD = 1 << 18  # coordinates in a list, which takes four times the memory of an array


def line_pen(width: float, default: float = DEFAULT_PEN) -> float:
    """KiCad's pen width in mm for a line of ``width`` mm, 0 for the default; not too thin to be seen."""
    return max(width, _THINNEST_PEN) if width else default


def text_pen(style: TextStyle) -> float:
    """KiCad's pen width in mm for a text of this style."""
    pen = style.thickness or (letter_width(style) * _BOLD_PEN if style.bold else DEFAULT_PEN)
    return min(pen, min(style.size, letter_width(style)) * _WIDEST_PEN)


class Plotter:
    """A canvas of ``width`` x ``height`` pixels with ``scale`` pixels a millimetre."""

    def __init__(self, width: int, height: int, scale: float) -> None:
        self.scale = scale
        self.twice = False  # whether strokes are laid over themselves; see Canvas.strokes
        self._canvas = Canvas(width, height)
        # Coordinates in mm of all segments of one ink, pen and ``twice``: x0, y0, x1, y1, ...
        self._segments: dict[tuple[Paint, float, bool], list[float]] = {}

    def image(self) -> Image.Image:
        """The drawing, a palette image."""
        for kind in self._segments:
            self._hand_on(kind)
        return self._canvas.image()

    def _hand_on(self, kind: tuple[Paint, float, bool]) -> None:
        """Give the canvas what was collected of one ink, pen and ``twice``."""
        ink, pen, twice = kind
        segments = np.array(self._segments[kind], dtype=np.float64).reshape(-1, 4) * self.scale
        self._segments[kind].clear()
        self._canvas.strokes(ink, segments, pen * self.scale, twice=twice)

    def polyline(
        self, ink: Paint, points: Sequence[Point], pen: float = DEFAULT_PEN, dash: str = "default"
    ) -> None:
        """Straight segments through the points, with a pen ``pen`` mm wide."""
        kind = (ink, pen, self.twice)
        flat = self._segments.setdefault(kind, [])
        for (x0, y0), (x1, y1) in pairwise(points):
            if dash in _DASHES:
                _dashed(flat, x0, y0, x1, y1, [pen * length for length in _DASHES[dash]])
            else:
                flat += (x0, y0, x1, y1)
            if len(flat) > _MOST_HELD:
                self._hand_on(kind)

    def dot(self, ink: Paint, center: Point, diameter: float) -> None:
        """A filled circle."""
        self._segments.setdefault((ink, diameter, self.twice), []).extend((*center, *center))

    def circle(self, ink: Paint, center: Point, radius: float, pen: float = DEFAULT_PEN) -> None:
        """The outline of a circle."""
        self.polyline(ink, circle_points(center, radius), pen)

    def fill(self, ink: Paint, points: Sequence[Point]) -> None:
        """A filled polygon."""
        self._canvas.polygon(ink, np.array(points, dtype=np.float64) * self.scale)

    def picture(self, picture: Image.Image, at: Point, size: Point) -> None:
        """An RGBA picture under all else, its upper left corner at ``at``, ``size`` mm wide and high."""
        left, top = (round(value * self.scale) for value in at)
        right, bottom = (round((a + s) * self.scale) for a, s in zip(at, size, strict=True))
        self._canvas.picture(picture, (left, top, right, bottom))

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
        """A text around its anchor; vertical text reads upward. A text without size is not drawn.

        A color of its own counts, but not on a symbol that is not populated.

        Args:
            align: horizontal (left, center, right) and vertical (top, center, bottom), in place of the
                style's own.
        """
        size = style.size
        if size <= 0 or style.width < 0:
            return
        check_strokes(len(text))  # a letter has several
        paint = ink if ink == Ink.DIMMED else tinted(ink, style.color)
        if style.face and self._face_text(paint, text, at, style, vertical, align):
            return
        pen = text_pen(style)
        em = layout(text, style, *align, pen / size)
        if not len(em):
            return
        unit = size * self.scale
        x, y = at[0] * self.scale, at[1] * self.scale
        segments = np.empty_like(em)
        if vertical:
            segments[:, 0::2] = x + em[:, 1::2] * unit
            segments[:, 1::2] = y - em[:, 0::2] * unit
        else:
            segments[:, 0::2] = x + em[:, 0::2] * unit
            segments[:, 1::2] = y + em[:, 1::2] * unit
        self._canvas.strokes(paint, segments, pen * self.scale, twice=self.twice)

    def _face_text(
        self,
        ink: Paint,
        text: str,
        at: Point,
        style: TextStyle,
        vertical: bool,
        align: tuple[str, str],
    ) -> bool:
        """Draw a text in the font of its face; whether that could be done."""
        x, y = at[0] * self.scale, at[1] * self.scale
        # A vertical text is a level one turned to the left: its x runs up and its y to the right.
        mask = face_mask(text, style, align, (-y, x) if vertical else (x, y), self.scale)
        if mask is None:
            return False
        if vertical:
            height = mask.coverage.shape[1]
            left, top = math.floor(x) + mask.top, -math.floor(-y) - mask.left - height
            self._canvas.mask(ink, np.rot90(mask.coverage), left, top)
        else:
            self._canvas.mask(ink, mask.coverage, math.floor(x) + mask.left, math.floor(y) + mask.top)
        return True


def _dashed(flat: list[float], x0: float, y0: float, x1: float, y1: float, pattern: list[float]) -> None:
    """Append the dashes of one segment; ``pattern`` has on and off lengths in mm."""
    length = math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2)
    period = sum(pattern)
    if period <= 0 or length / period > _MOST_DASHES:
        flat += (x0, y0, x1, y1)
        return
    position, index = 0.0, 0
    while position < length:
        end = min(position + pattern[index % len(pattern)], length)
        if index % 2 == 0:
            a, b = position / length, end / length
            flat += (x0 + (x1 - x0) * a, y0 + (y1 - y0) * a, x0 + (x1 - x0) * b, y0 + (y1 - y0) * b)
        position, index = end, index + 1

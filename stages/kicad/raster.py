"""An anti-aliased canvas of strokes and filled polygons in a few inks.

Everything is in pixels, x to the right, y downward, pixel (0, 0) covering [0, 1) x [0, 1). A pixel's
coverage by a stroke is the overlap of the pen with a pixel-wide box across it; within one ink the largest
coverage counts, and inks are laid over each other in the order of ``palette.Ink``. Only operations that
IEEE rounds exactly are used, so that the pixels are the same on every machine.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from .palette import COLORS, PAPER, Ink, cell, nearest_table, palette

_LEVELS = 255
_SECTION = 24.0  # longer slanted strokes are cut up, so that the boxes around the pieces stay small
_BATCH = 2_000_000  # pixels that are worked on at a time
_SUBSAMPLES = 4


class Canvas:
    """Collects strokes and fills; ``image`` draws them."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._strokes: dict[Ink, list[tuple[np.ndarray, float]]] = {}
        self._polygons: dict[Ink, list[np.ndarray]] = {}

    def strokes(self, ink: Ink, segments: np.ndarray, pen: float) -> None:
        """Add round-ended strokes: float64 (n, 4) of x0, y0, x1, y1, all ``pen`` pixels wide."""
        if len(segments):
            self._strokes.setdefault(ink, []).append((segments, pen))

    def polygon(self, ink: Ink, corners: np.ndarray) -> None:
        """Add a filled polygon (even-odd rule): float64 (n, 2)."""
        if len(corners) > 2:
            self._polygons.setdefault(ink, []).append(corners)

    def image(self) -> Image.Image:
        """The drawing as a palette image."""
        planes = {ink: self._plane(ink) for ink in Ink if ink in self._strokes or ink in self._polygons}
        rgb = np.empty((self.height * self.width, 3), dtype=np.uint8)
        rgb[:] = PAPER
        for ink, plane in planes.items():
            at = np.flatnonzero(plane)
            part = plane[at].astype(np.int32)[:, None]
            under = rgb[at].astype(np.int32)
            over = np.array(COLORS[ink], dtype=np.int32)
            rgb[at] = (under * (_LEVELS - part) + over * part + _LEVELS // 2) // _LEVELS
        indices = nearest_table()[cell(rgb)].reshape(self.height, self.width)
        image = Image.fromarray(indices)
        image.putpalette([channel for color in palette() for channel in color])
        return image

    def _plane(self, ink: Ink) -> np.ndarray:
        """Coverage of every pixel by one ink: uint8, shape (height * width,)."""
        plane = np.zeros(self.height * self.width, dtype=np.uint8)
        for corners in self._polygons.get(ink, []):
            self._fill(plane, corners)
        strokes = self._strokes.get(ink, [])
        if strokes:
            segments = np.concatenate([s for s, _ in strokes])
            pens = np.repeat([pen for _, pen in strokes], [len(s) for s, _ in strokes])
            self._stroke(plane, *_cut(segments, pens))
        return plane

    def _stroke(self, plane: np.ndarray, segments: np.ndarray, pens: np.ndarray) -> None:
        reach = pens * 0.5 + 0.5
        low_x = np.minimum(segments[:, 0], segments[:, 2]) - reach
        low_y = np.minimum(segments[:, 1], segments[:, 3]) - reach
        high_x = np.maximum(segments[:, 0], segments[:, 2]) + reach
        high_y = np.maximum(segments[:, 1], segments[:, 3]) + reach
        # Pixels whose centre lies in the box, clipped to the canvas.
        x0 = np.clip(np.ceil(low_x - 0.5), 0, self.width).astype(np.int64)
        y0 = np.clip(np.ceil(low_y - 0.5), 0, self.height).astype(np.int64)
        columns = np.clip(np.floor(high_x - 0.5) + 1, 0, self.width).astype(np.int64) - x0
        rows = np.clip(np.floor(high_y - 0.5) + 1, 0, self.height).astype(np.int64) - y0
        counts = np.maximum(columns, 0) * np.maximum(rows, 0)
        ends = np.cumsum(counts)
        first = 0
        while first < len(counts):
            done = ends[first - 1] if first else 0
            last = max(int(np.searchsorted(ends, done + _BATCH, side="right")), first + 1)
            part = slice(first, last)
            self._stroke_batch(
                plane, segments[part], pens[part], x0[part], y0[part], columns[part], counts[part]
            )
            first = last

    def _stroke_batch(
        self,
        plane: np.ndarray,
        segments: np.ndarray,
        pens: np.ndarray,
        x0: np.ndarray,
        y0: np.ndarray,
        columns: np.ndarray,
        counts: np.ndarray,
    ) -> None:
        which = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        row, column = np.divmod(place, columns[which])
        x = column + x0[which]
        y = row + y0[which]
        ax, ay = segments[:, 0], segments[:, 1]
        dx, dy = segments[:, 2] - ax, segments[:, 3] - ay
        length2 = dx * dx + dy * dy
        inverse = 1.0 / np.where(length2 > 0, length2, 1.0)
        px = x + 0.5 - ax[which]
        py = y + 0.5 - ay[which]
        sx, sy = dx[which], dy[which]
        along = np.clip((px * sx + py * sy) * inverse[which], 0.0, 1.0)
        px -= along * sx
        py -= along * sy
        distance = np.sqrt(px * px + py * py)
        half = pens * 0.5 + 0.5
        cover = np.clip(half[which] - distance, 0.0, np.minimum(pens, 1.0)[which])
        value = (cover * _LEVELS + 0.5).astype(np.uint8)
        np.maximum.at(plane, y * self.width + x, value)

    def _fill(self, plane: np.ndarray, corners: np.ndarray) -> None:
        """Coverage of a polygon from a grid of subsamples a pixel."""
        low = np.floor(corners.min(axis=0)).astype(np.int64)
        high = np.ceil(corners.max(axis=0)).astype(np.int64)
        x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
        x1, y1 = min(int(high[0]), self.width), min(int(high[1]), self.height)
        if x0 >= x1 or y0 >= y1:
            return
        n = _SUBSAMPLES
        inside = np.zeros(((y1 - y0) * n, (x1 - x0) * n + 1), dtype=np.bool_)
        level = y0 + (np.arange((y1 - y0) * n) + 0.5) / n
        for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            rows = np.flatnonzero((level >= min(ay, by)) & (level < max(ay, by)))
            if len(rows):
                cross = ax + (level[rows] - ay) * ((bx - ax) / (by - ay))
                column = np.clip(np.ceil((cross - x0) * n - 0.5), 0, inside.shape[1] - 1).astype(np.int64)
                inside[rows, column] ^= True
        np.logical_xor.accumulate(inside, axis=1, out=inside)
        count = inside[:, :-1].reshape(y1 - y0, n, x1 - x0, n).sum(axis=(1, 3))
        cover = ((count * _LEVELS + n * n // 2) // (n * n)).astype(np.uint8)
        view = plane.reshape(self.height, self.width)[y0:y1, x0:x1]
        np.maximum(view, cover, out=view)


def _cut(segments: np.ndarray, pens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut long slanted strokes into pieces of at most _SECTION pixels."""
    size = np.abs(segments[:, 2:] - segments[:, :2])
    pieces = np.where(size.min(axis=1) > 0.5, np.ceil(size.max(axis=1) / _SECTION), 1.0).astype(np.int64)
    pieces = np.maximum(pieces, 1)
    if pieces.max(initial=1) == 1:
        return segments, pens
    which = np.repeat(np.arange(len(segments)), pieces)
    number = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    source = segments[which]
    step = (source[:, 2:] - source[:, :2]) / pieces[which][:, None]
    starts = source[:, :2] + step * number[:, None]
    return np.concatenate([starts, starts + step], axis=1), pens[which]

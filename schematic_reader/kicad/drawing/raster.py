"""An anti-aliased canvas of strokes and filled polygons in a few inks.

Everything is in pixels, x to the right, y downward, pixel (0, 0) covering [0, 1) x [0, 1). A pixel's
coverage by a stroke is the overlap of the pen with a pixel-wide box across it; within one ink the largest
coverage counts, and inks are laid over each other in the order of ``palette.Ink``, tints after their ink.
Only operations that IEEE rounds exactly are used, so that the pixels are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from schematic_reader.kicad.drawing.palette import COLORS, PAPER, Paint, Tint, cell, nearest_table, palette

MOST_STROKES = 2_000_000
"""Strokes, their sections and corners of polygons of a drawing; real sheets have up to 110,000."""

MOST_COVER = 500
"""Times that the boxes around strokes, polygons and pictures cover the canvas; of real sheets 0.3."""

_LEVELS = 255
_SECTION = 24.0  # longer slanted strokes are cut up, so that the boxes around the pieces stay small
_BATCH = 2_000_000  # pixels that are worked on at a time
_CUT_BATCH = 100_000  # sections of strokes that are made at a time
_LAYING = 1 / 10  # of the canvas: to lay one ink on it takes the time of covering so much by strokes
_SMALL_PAGE = 1_000_000  # pixels; on a smaller canvas more of it is under a pen
_FILLING = 4  # times that of strokes is the time of covering a pixel by a polygon
_SUBSAMPLES = 4


class DrawingError(ValueError):
    """There is more to draw than a sheet has; the message is one line that names the fix."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: is this a sheet? If so, remove graphics from it, or split it into sub-sheets"
        )


def check_strokes(count: int) -> None:
    """Refuse so many strokes and corners of one drawing, before they take memory. Raises DrawingError."""
    if count > MOST_STROKES:
        raise DrawingError(f"over {MOST_STROKES:,} strokes are to be drawn")


class Canvas:
    """Collects strokes and fills; ``image`` draws them.

    All of it raises DrawingError where that would take more memory or time than any sheet.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._strokes: dict[Paint, list[_Strokes]] = {}
        self._polygons: dict[Paint, list[np.ndarray]] = {}
        self._masks: dict[Paint, list[tuple[np.ndarray, int, int]]] = {}
        self._ground: Image.Image | None = None  # the paper with pictures on it
        self._count = self._sections = self._covered = 0

    def strokes(self, ink: Paint, segments: np.ndarray, pen: float, *, twice: bool = False) -> None:
        """Add round-ended strokes: float64 (n, 4) of x0, y0, x1, y1, all ``pen`` pixels wide.

        ``twice`` lays them over themselves, which darkens the anti-aliased edges.
        """
        if len(segments):
            self._add(len(segments))
            self._strokes.setdefault(ink, []).append(_Strokes(segments, pen, twice))

    def polygon(self, ink: Paint, corners: np.ndarray) -> None:
        """Add a filled polygon (even-odd rule): float64 (n, 2)."""
        if len(corners) > 2:
            self._add(len(corners))
            self._polygons.setdefault(ink, []).append(corners)

    def mask(self, ink: Paint, coverage: np.ndarray, left: int, top: int) -> None:
        """Add what covers pixels already: uint8 (height, width), its upper left corner at (left, top)."""
        x, y = max(left, 0), max(top, 0)
        part = coverage[y - top : max(self.height - top, 0), x - left : max(self.width - left, 0)]
        if part.size:
            self._cover(part.size)
            self._masks.setdefault(ink, []).append((part, x, y))

    def picture(self, picture: Image.Image, box: tuple[int, int, int, int]) -> None:
        """Lay an RGBA picture under all ink, scaled to fill ``box``: left, top, right and bottom."""
        left, top, right, bottom = box
        seen = (max(left, 0), max(top, 0), min(right, self.width), min(bottom, self.height))
        if seen[0] >= seen[2] or seen[1] >= seen[3]:
            return
        self._cover((seen[2] - seen[0]) * (seen[3] - seen[1]))
        across, down = picture.width / (right - left), picture.height / (bottom - top)
        part = (
            (seen[0] - left) * across,
            (seen[1] - top) * down,
            (seen[2] - left) * across,
            (seen[3] - top) * down,
        )
        scaled = picture.resize(
            (seen[2] - seen[0], seen[3] - seen[1]), Image.Resampling.BILINEAR, part, reducing_gap=3.0
        )
        if self._ground is None:
            self._ground = Image.new("RGB", (self.width, self.height), PAPER)
        self._ground.paste(scaled, seen[:2], scaled)

    def image(self) -> Image.Image:
        """The drawing as a palette image, or as an RGB image where it has pictures or tints."""
        rgb = np.empty((self.height * self.width, 3), dtype=np.uint8)
        rgb[:] = PAPER if self._ground is None else np.asarray(self._ground).reshape(-1, 3)
        touched = np.zeros(self.height * self.width, dtype=np.bool_)
        paints = sorted({*self._strokes, *self._polygons, *self._masks}, key=_painting_order)
        for ink in paints:
            plane = self._plane(ink)
            inked = plane != 0
            touched |= inked
            at = np.flatnonzero(inked)
            part = plane[at].astype(np.int32)[:, None]
            under = rgb[at].astype(np.int32)
            if isinstance(ink, Tint):
                part = (part * round(ink.color[3] * _LEVELS) + _LEVELS // 2) // _LEVELS
            over = np.array(ink.color[:3] if isinstance(ink, Tint) else COLORS[ink], dtype=np.int32)
            rgb[at] = (under * (_LEVELS - part) + over * part + _LEVELS // 2) // _LEVELS
        if self._ground is not None or any(isinstance(ink, Tint) for ink in paints):
            return Image.fromarray(rgb.reshape(self.height, self.width, 3))
        at = np.flatnonzero(touched)
        indices = np.zeros(self.height * self.width, dtype=np.uint8)
        indices[at] = nearest_table()[cell(rgb[at])]
        image = Image.fromarray(indices.reshape(self.height, self.width))
        image.putpalette([channel for color in palette() for channel in color])
        return image

    def _plane(self, ink: Paint) -> np.ndarray:
        """Coverage of every pixel by one ink: uint8, shape (height * width,)."""
        plane = np.zeros(self.height * self.width, dtype=np.uint8)
        self._cover(int(plane.size * _LAYING))
        view = plane.reshape(self.height, self.width)
        for corners in self._polygons.get(ink, []):
            self._cover(_FILLING * _box_area(corners, self.width, self.height))
            if _is_box(corners):
                _fill_box(view, corners)
            else:
                _fill_polygon(view, corners)
        for part, x, y in self._masks.get(ink, []):
            under = view[y : y + part.shape[0], x : x + part.shape[1]]
            np.maximum(under, part, out=under)
        strokes = self._strokes.get(ink, [])
        if strokes:
            segments = np.concatenate([s.segments for s in strokes])
            counts = [len(s.segments) for s in strokes]
            pens = np.repeat([s.pen for s in strokes], counts)
            twice = np.repeat([s.twice for s in strokes], counts)
            near = _near(segments, pens, self.width, self.height)
            self._stroke(view, segments[near], pens[near], twice[near])
        return plane

    def _stroke(self, view: np.ndarray, segments: np.ndarray, pens: np.ndarray, twice: np.ndarray) -> None:
        """Raise the coverage of all pixels near the segments, a batch of segments at a time."""
        pieces = _pieces(segments)
        self._sections += int(pieces.sum())
        check_strokes(self._sections)
        for part in _batches(pieces, _CUT_BATCH):
            cut, cut_pens, cut_twice = _cut(segments[part], pens[part], twice[part], pieces[part])
            start, size = _boxes(cut, cut_pens, self.width, self.height)
            counts = size[:, 0] * size[:, 1]
            self._cover(int(counts.sum()))
            for some in _batches(counts, _BATCH):
                _stroke_batch(
                    view, cut[some], cut_pens[some], cut_twice[some], start[some], size[some, 0], counts[some]
                )

    def _add(self, strokes: int) -> None:
        self._count += strokes
        check_strokes(self._count)

    def _cover(self, pixels: int) -> None:
        self._covered += pixels
        if self._covered > MOST_COVER * max(self.width * self.height, _SMALL_PAGE):
            raise DrawingError(f"what is to be drawn covers the page over {MOST_COVER} times")


def _painting_order(ink: Paint) -> tuple[int, tuple[float, ...]]:
    """Tints after their ink, in an order of their own."""
    return (ink.order, ink.color) if isinstance(ink, Tint) else (ink, ())


class _Strokes(NamedTuple):
    segments: np.ndarray
    pen: float
    twice: bool


def _near(segments: np.ndarray, pens: np.ndarray, width: int, height: int) -> np.ndarray:
    """A mask of the segments that may touch the canvas."""
    reach = (pens * 0.5 + 0.5)[:, None]
    low = np.minimum(segments[:, :2], segments[:, 2:]) - reach
    high = np.maximum(segments[:, :2], segments[:, 2:]) + reach
    near: np.ndarray = ((high > 0) & (low < np.array([width, height]))).all(axis=1)
    return near


def _boxes(segments: np.ndarray, pens: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """First pixels and sizes, int64 (n, 2), of the boxes of pixels that the segments may touch."""
    reach = (pens * 0.5 + 0.5)[:, None]
    low = np.minimum(segments[:, :2], segments[:, 2:]) - reach
    high = np.maximum(segments[:, :2], segments[:, 2:]) + reach
    # Pixels whose centre lies in the box around a segment, clipped to the canvas.
    limit = np.array([width, height])
    start = np.clip(np.ceil(low - 0.5), 0, limit).astype(np.int64)
    return start, np.clip(np.floor(high - 0.5) + 1, start, limit).astype(np.int64) - start


def _batches(counts: np.ndarray, most: int) -> Iterator[slice]:
    """Neighbouring items whose counts add up to at most ``most``, or one with more."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        done = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, done + most, side="right")), first + 1)
        yield slice(first, last)
        first = last


def _stroke_batch(
    plane: np.ndarray,
    segments: np.ndarray,
    pens: np.ndarray,
    twice: np.ndarray,
    start: np.ndarray,
    columns: np.ndarray,
    counts: np.ndarray,
) -> None:
    """One entry a pixel of each segment's box: its distance from the segment gives the coverage."""
    which = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = np.divmod(place, columns[which])
    x = column + start[which, 0]
    y = row + start[which, 1]
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
    cover = np.clip((pens * 0.5 + 0.5)[which] - distance, 0.0, np.minimum(pens, 1.0)[which])
    if twice.any():
        cover = np.where(twice[which], cover * (2.0 - cover), cover)
    value = (cover * _LEVELS + 0.5).astype(np.uint8)
    np.maximum.at(plane.reshape(-1), y * plane.shape[1] + x, value)


def _is_box(corners: np.ndarray) -> bool:
    """Whether the corners are those of an upright rectangle, closed or not."""
    if len(corners) not in (4, 5) or (len(corners) == 5 and (corners[4] != corners[0]).any()):
        return False
    a, b, c, d = corners[:4].tolist()
    return (a[0] == b[0] and b[1] == c[1] and c[0] == d[0] and d[1] == a[1]) or (
        a[1] == b[1] and b[0] == c[0] and c[1] == d[1] and d[0] == a[0]
    )


def _fill_box(plane: np.ndarray, corners: np.ndarray) -> None:
    """Coverage of an upright rectangle, exactly."""
    height, width = plane.shape
    x = _overlap(corners[:, 0].min(), corners[:, 0].max(), width)
    y = _overlap(corners[:, 1].min(), corners[:, 1].max(), height)
    cover = (y[1][:, None] * x[1] * _LEVELS + 0.5).astype(np.uint8)
    view = plane[y[0] : y[0] + len(y[1]), x[0] : x[0] + len(x[1])]
    np.maximum(view, cover, out=view)


def _overlap(low: float, high: float, size: int) -> tuple[int, np.ndarray]:
    """The first pixel of [low, high) on an axis of ``size`` pixels, and the covered share of each pixel."""
    first = min(max(int(np.floor(low)), 0), size)
    last = min(max(int(np.ceil(high)), first), size)
    edges = np.arange(first, last, dtype=np.float64)
    return first, np.minimum(edges + 1, high) - np.maximum(edges, low)


def _box_area(corners: np.ndarray, width: int, height: int) -> int:
    """Pixels of the canvas in the box around a polygon."""
    low = np.clip(np.floor(corners.min(axis=0)), 0, [width, height])
    return int(np.prod(np.clip(np.ceil(corners.max(axis=0)), low, [width, height]) - low))


def _fill_polygon(plane: np.ndarray, corners: np.ndarray) -> None:
    """Coverage of a polygon from a grid of subsamples a pixel."""
    height, width = plane.shape
    low = np.floor(corners.min(axis=0)).astype(np.int64)
    high = np.ceil(corners.max(axis=0)).astype(np.int64)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), width), min(int(high[1]), height)
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
    view = plane[y0:y1, x0:x1]
    np.maximum(view, cover, out=view)


def _pieces(segments: np.ndarray) -> np.ndarray:
    """Into how many pieces of at most _SECTION pixels each segment is cut: long slanted ones alone."""
    size = np.abs(segments[:, 2:] - segments[:, :2])
    slanted = size.min(axis=1) > 0.5
    return np.where(slanted, np.maximum(np.ceil(size.max(axis=1) / _SECTION), 1.0), 1.0).astype(np.int64)


def _cut(
    segments: np.ndarray, pens: np.ndarray, twice: np.ndarray, pieces: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut each stroke into so many pieces of one length."""
    if pieces.max(initial=1) == 1:
        return segments, pens, twice
    which = np.repeat(np.arange(len(segments)), pieces)
    number = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    source = segments[which]
    step = (source[:, 2:] - source[:, :2]) / pieces[which][:, None]
    starts = source[:, :2] + step * number[:, None]
    return np.concatenate([starts, starts + step], axis=1), pens[which], twice[which]

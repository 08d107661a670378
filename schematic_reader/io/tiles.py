"""Cuts a sheet into overlapping tiles, enlarged where there is room; a small sheet is one tile.

Each tile has a core, and the cores of a sheet's tiles cover it once; around its core a tile shows
``MARGIN`` pixels more, so that no text at the core's edge is cut through. An answer about a tile tells of
what has its place in the core alone. All tiles of a sheet have the same size; where one reaches over the edge
of the sheet, it goes on in the sheet's own background colour. Of a tile whose core is empty in part, less is
shown to a model (``Tiling.around``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from schematic_reader.config import ImageLimits
from schematic_reader.io.picture import Box, resized_part

MARGIN = 64
"""Pixels around a core: 17 mm of a sheet at 96 pixels an inch, the length of a value of ten characters."""

STEP = 24
"""Sides of tiles are multiples of this many pixels: a patch of 12, merged by 2, so that ``models/tiny`` gets
tiles as they are. The processor of a model with other patches resizes tiles by 2 % at most, like sheets."""

SMALLEST = 240
"""The least pixels of a side of what is shown of a tile, where the tile has so many."""

ENLARGED = 1.5
"""The most by which a sheet that is cut is enlarged, as the number of tiles allows: a small model reads text
of 7 pixels far better than of 5, which KiCad's usual text has at 96 pixels an inch (pretraining/LOG.md)."""

_LEAST_ENLARGED = 1.1  # enlarging by less blurs more than it shows
_SHRINK = 0.98  # from one scale that is tried to the next


@dataclass(frozen=True)
class Tiling:
    """The tiles of one sheet, numbered from 0 row by row.

    Attributes:
        scaled: width and height in pixels of the sheet as it is cut.
        columns, rows: of tiles.
        size: width and height in pixels of each tile, margins included.
    """

    scaled: tuple[int, int]
    columns: int
    rows: int
    size: tuple[int, int]

    def __len__(self) -> int:
        return self.columns * self.rows

    def core(self, number: int) -> Box:
        """Left, top, right and bottom in pixels of the scaled sheet; the last ones may end outside it.

        A place belongs to the core with ``left <= x < right`` and ``top <= y < bottom``.
        """
        row, column = divmod(number, self.columns)
        width, height = (side - 2 * MARGIN for side in self.size)
        return column * width, row * height, (column + 1) * width, (row + 1) * height

    def cut(self, picture: Image.Image, number: int, part: Box | None = None) -> Image.Image:
        """Tile ``number`` of the sheet's RGB picture, which is resized from any size to ``scaled``.

        Args:
            part: in pixels of the tile, what to show of it; None for all of it.
        """
        core, (left, top, to_right, to_bottom) = self.core(number), part or (0, 0, *self.size)
        x, y, to_x, to_y = box = (
            core[0] - MARGIN + left,
            core[1] - MARGIN + top,
            core[0] - MARGIN + to_right,
            core[1] - MARGIN + to_bottom,
        )
        inside = max(x, 0), max(y, 0), min(to_x, self.scaled[0]), min(to_y, self.scaled[1])
        shown = resized_part(picture, self.scaled, inside)
        if inside == box:
            return shown
        corner = resized_part(picture, self.scaled, (0, 0, 1, 1))
        tile = Image.new("RGB", self.cut_size(part), corner.getpixel((0, 0)))
        tile.paste(shown, (inside[0] - x, inside[1] - y))
        return tile

    def cut_size(self, part: Box | None = None) -> tuple[int, int]:
        """Width and height in pixels of what ``cut`` gives."""
        return (part[2] - part[0], part[3] - part[1]) if part else self.size

    def around(self, content: Box) -> Box:
        """What to show of a tile whose core has nothing but ``content``, a box in the tile's picture.

        It keeps the margin, so that what lies in it is still that of other tiles; its sides are multiples of
        ``STEP`` like the tile's.
        """
        left, to_right = _grown(content[0], content[2], self.size[0])
        top, to_bottom = _grown(content[1], content[3], self.size[1])
        return left, top, to_right, to_bottom


@lru_cache(maxsize=4096)
def tiling(width: int, height: int, limits: ImageLimits) -> Tiling | None:
    """How a picture of ``width`` x ``height`` pixels is cut; None where it is asked about as a whole.

    It is cut where ``limits.tiles`` allows more than one tile, a small one too: a model that knows tiles
    takes what stands at the edge of a picture for another tile's. Of the grids with at most so many tiles
    that is taken which shows the sheet largest, up to ``ENLARGED``; then the one with the fewest tiles, then
    the fewest pixels.
    """
    if limits.tiles < 2:
        return None
    found = [
        (-scale, tiles.columns * tiles.rows, tiles.size[0] * tiles.size[1], tiles.columns, tiles)
        for columns in range(1, limits.tiles + 1)
        for rows in range(1, limits.tiles // columns + 1)
        for scale, tiles in [_largest(width, height, columns, rows, limits)]
        if tiles is not None
    ]
    return min(found, key=lambda each: each[:4])[-1] if found else None


def _largest(
    width: int, height: int, columns: int, rows: int, limits: ImageLimits
) -> tuple[float, Tiling | None]:
    """The largest scale, at most ``ENLARGED``, at which ``columns`` x ``rows`` tiles hold the sheet."""
    for scale in _scales():
        scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
        across, down = (_side(length, count) for length, count in zip(scaled, (columns, rows), strict=True))
        if max(across, down) <= limits.max_side and across * down <= limits.max_pixels:
            return scale, Tiling(scaled, columns, rows, (across, down))
        if scaled == (1, 1):
            break
    return scale, None


def _scales() -> Iterator[float]:
    """Those that are tried, falling without end; a sheet that is hardly enlarged keeps its own size."""
    scale = ENLARGED
    while scale >= _LEAST_ENLARGED:
        yield scale
        scale *= _SHRINK
    scale = 1.0
    while True:
        yield scale
        scale *= _SHRINK


def _side(length: int, count: int) -> int:
    """The side of a tile where ``count`` of them cover ``length`` pixels."""
    return math.ceil((math.ceil(length / count) + 2 * MARGIN) / STEP) * STEP


def _grown(start: int, end: int, side: int) -> tuple[int, int]:
    """From where to where a tile of that side is shown for content between ``start`` and ``end`` of its core.

    What is added over the margins, for the ``STEP`` and the smallest side, is of the core.
    """
    length = max(math.ceil((end - start + 2 * MARGIN) / STEP) * STEP, SMALLEST)
    length = min(length, side)
    first = min(start - MARGIN, side - length)
    return first, first + length

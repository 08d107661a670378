"""Where a page shows something: inside the frame along all four edges that KiCad's drawing sheet has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schematic_reader.io.picture import BLANK_CONTRAST, is_blank

_BAND = 0.1  # of a side: how far from the edge lines are; KiCad's are at 12 mm at most, A5 is 148 mm high
_SPAN = 0.75  # of the other side: how long a line is
_BLUR = 2  # pixels beside a line that are faint

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture's width and height."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def inside_frame(sheet: Image.Image) -> Box:
    """What the frame of an RGB picture encloses; ``WHOLE`` where not all four sides have a line.

    Of the lines along an edge the innermost counts: between them are the letters and numbers of the grid.
    """
    grey = np.asarray(sheet.convert("L"), dtype=np.int16)  # (height, width)
    ink = np.abs(grey - np.median(grey)) >= BLANK_CONTRAST
    columns, rows = ink.mean(axis=0) >= _SPAN, ink.mean(axis=1) >= _SPAN
    sides = [_innermost(line) for line in (columns, rows, columns[::-1], rows[::-1])]
    left, top, right, bottom = (share if share is not None else -1.0 for share in sides)
    return WHOLE if None in sides else (left, top, 1 - right, 1 - bottom)


def content_box(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of what an RGB picture shows on its background; None for a blank one.

    Its background is the median of each channel, and what differs from it by ``BLANK_CONTRAST`` is shown.
    """
    if is_blank(image):
        return None
    levels = np.asarray(image, dtype=np.int16)  # (height, width, 3)
    shown = (np.abs(levels - np.median(levels, axis=(0, 1))) >= BLANK_CONTRAST).any(axis=2)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if not rows.size:  # a contrast whose ends are both near the median
        return 0, 0, *image.size
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _innermost(lines: NDArray[np.bool_]) -> float | None:
    """Where the last line in the band at the start ends, as a share of the length; None without any."""
    found = np.flatnonzero(lines[: round(len(lines) * _BAND)])
    return None if not found.size else float(found[-1] + 1 + _BLUR) / len(lines)

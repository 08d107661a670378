"""Glyphs beyond those drawn for this project: Newstroke, the stroke font of KiCad, from ``newstroke.xz``.

The file has a line for each glyph, in the order of code points from U+0020 on, in the code of the Hershey
fonts: the bearings left and right, then a pair of characters a point, each its distance from ``R``;
``" R"`` lifts the pen. newstroke.md tells where it is from and under which licence.
"""

from __future__ import annotations

import lzma
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

_FONT = Path(__file__).with_name("newstroke.xz")
_FIRST = 0x20
_UNITS = 21.0  # of the font's grid in an em
_BASELINE = -8  # added to a point's y: the letters then stand as low as KiCad 9 draws them
_PEN_UP = " R"
_ORIGIN = ord("R")


def newstroke_glyph(char: str) -> tuple[np.ndarray, float] | None:
    """Segments and advance width in em, or None for a character that the font has no place for.

    Segments are float64 (n, 4): x0, y0, x1, y1 from the baseline at the glyph's left edge, y downward.
    """
    number = ord(char) - _FIRST
    codes = _glyph_codes()
    if not 0 <= number < len(codes):
        return None
    code = codes[number]
    left, right = (ord(c) - _ORIGIN for c in code[:2])
    points: list[tuple[float, float] | None] = []
    for i in range(2, len(code) - 1, 2):
        pair = code[i : i + 2]
        if pair == _PEN_UP:
            points.append(None)
        else:
            x, y = (ord(c) - _ORIGIN for c in pair)
            points.append(((x - left) / _UNITS, (y + _BASELINE) / _UNITS))
    segments = [(*a, *b) for a, b in pairwise(points) if a and b]
    return np.array(segments, dtype=np.float64).reshape(-1, 4), (right - left) / _UNITS


@lru_cache(maxsize=1)
def _glyph_codes() -> list[str]:
    return lzma.decompress(_FONT.read_bytes()).decode("ascii").split("\n")

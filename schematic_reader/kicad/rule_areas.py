"""Which symbols lie in a rule area, an outline whose symbols share settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from schematic_reader.kicad.model import PlacedSymbol, Point, RuleArea


def unpopulated_in(areas: Sequence[RuleArea], symbols: tuple[PlacedSymbol, ...]) -> tuple[PlacedSymbol, ...]:
    """The symbols, where those that are placed within an area for unpopulated ones are such."""
    outlines = [area.outline.points for area in areas if area.dnp]
    if not outlines:
        return symbols
    return tuple(
        replace(symbol, dnp=True) if any(_within(symbol.at, outline) for outline in outlines) else symbol
        for symbol in symbols
    )


def _within(point: Point, outline: Sequence[Point]) -> bool:
    """Whether the point is inside the closed outline, by the even-odd rule."""
    x, y = point
    inside = False
    for (x0, y0), (x1, y1) in pairwise((*outline, outline[0])):
        if (y0 > y) != (y1 > y) and x < x0 + (x1 - x0) * (y - y0) / (y1 - y0):
            inside = not inside
    return inside

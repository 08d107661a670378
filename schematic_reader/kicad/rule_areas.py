"""Which symbols lie in a rule area, an outline whose symbols share settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from schematic_reader.kicad.model import PlacedSymbol, Point, RuleArea


def with_areas(areas: Sequence[RuleArea], symbols: tuple[PlacedSymbol, ...]) -> tuple[PlacedSymbol, ...]:
    """The symbols with the settings of the areas within which they are placed."""
    areas = [area for area in areas if area.dnp or not area.in_bom]
    if not areas:
        return symbols
    return tuple(
        _set(symbol, [a for a in areas if _within(symbol.at, a.outline.points)]) for symbol in symbols
    )


def _set(symbol: PlacedSymbol, areas: Sequence[RuleArea]) -> PlacedSymbol:
    return replace(
        symbol,
        dnp=symbol.dnp or any(area.dnp for area in areas),
        in_bom=symbol.in_bom and all(area.in_bom for area in areas),
    )


def _within(point: Point, outline: Sequence[Point]) -> bool:
    """Whether the point is inside the closed outline, by the even-odd rule."""
    x, y = point
    inside = False
    for (x0, y0), (x1, y1) in pairwise((*outline, outline[0])):
        if (y0 > y) != (y1 > y) and x < x0 + (x1 - x0) * (y - y0) / (y1 - y0):
            inside = not inside
    return inside

"""Positions on the grid: orientations of placed symbols, their pins and their outlines.

Everything here counts in grid steps of 1.27 mm with y downward, as on a sheet. An orientation is a
2 x 2 integer matrix ``(a, b, c, d)`` that takes a vector ``(x, y)`` to ``(a x + b y, c x + d y)``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schematic_reader.kicad.geometry import orientation
from schematic_reader.kicad.model import Arc, Circle, Graphic, Polyline, Rectangle, Text
from schematic_reader.synthetic.symbols import GRID, KINDS, Kind

Spot = tuple[int, int]
GridBox = tuple[float, float, float, float]  # left, top, right, bottom
Matrix = tuple[int, int, int, int]

IDENTITY: Matrix = (1, 0, 0, 1)
MIRROR: Matrix = (-1, 0, 0, 1)
QUARTER: Matrix = (0, 1, -1, 0)  # counter-clockwise as seen on the sheet
THREE_QUARTERS: Matrix = (0, -1, 1, 0)

RIGHT: Spot = (1, 0)
LEFT: Spot = (-1, 0)
UP: Spot = (0, -1)
DOWN: Spot = (0, 1)


def product(m: Matrix, n: Matrix) -> Matrix:
    """The orientation that first applies ``n`` and then ``m``."""
    a, b, c, d = m
    e, f, g, h = n
    return (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)


def turned(m: Matrix, x: int, y: int) -> Spot:
    return (m[0] * x + m[1] * y, m[2] * x + m[3] * y)


def _file_orientations() -> dict[Matrix, tuple[float, str]]:
    """Angle and mirror, as a sheet file has them, of each of the eight orientations."""
    written: dict[Matrix, tuple[float, str]] = {}
    for mirror in ("", "y", "x"):
        for angle in (0.0, 90.0, 180.0, 270.0):
            turn = orientation(angle, mirror)  # of vectors with y upward
            written.setdefault((turn.a, -turn.b, turn.c, -turn.d), (angle, mirror))
    return written


FILE_ORIENTATION = _file_orientations()


@dataclass(frozen=True, slots=True)
class PinSpot:
    """A pin's end and the way out of the body, before the symbol is turned."""

    x: int
    y: int
    out: Spot


@dataclass(frozen=True, slots=True)
class Outline:
    """One unit of a kind as the layout sees it: pins by number and by name, body and reach."""

    pins: dict[str, PinSpot]
    spots: tuple[PinSpot, ...]
    body: GridBox
    reach: GridBox  # body and pins


def _points(graphic: Graphic) -> list[tuple[float, float]]:
    if isinstance(graphic, Polyline):
        return list(graphic.points)
    if isinstance(graphic, Rectangle):
        return [graphic.start, graphic.end]
    if isinstance(graphic, Circle):
        (x, y), r = graphic.center, graphic.radius
        return [(x - r, y - r), (x + r, y + r)]
    if isinstance(graphic, Arc):
        return [graphic.start, graphic.mid, graphic.end]
    if isinstance(graphic, Text):  # of one or two letters
        (x, y), size = graphic.at, graphic.style.size
        return [(x - size, y - size / 2), (x + size, y + size / 2)]
    return []


def around(points: Iterable[tuple[float, float]]) -> GridBox:
    xs, ys = zip(*points, strict=True)
    return (min(xs), min(ys), max(xs), max(ys))


def _outline(kind: Kind, unit: int) -> Outline:
    parts = [u for u in kind.symbol.units if u.unit in (0, unit)]
    corners = [(x / GRID, -y / GRID) for part in parts for g in part.graphics for x, y in _points(g)]
    ways = {0.0: LEFT, 180.0: RIGHT, 90.0: DOWN, 270.0: UP}
    pins: dict[str, PinSpot] = {}
    spots = []
    for part in parts:
        for p in part.pins:
            spot = PinSpot(round(p.at[0] / GRID), round(-p.at[1] / GRID), ways[p.angle])
            spots.append(spot)
            pins[p.number] = spot
            pins.setdefault(p.name.replace("~{", "").replace("}", ""), spot)
    body = around(corners or [(0.0, 0.0)])
    ends = [(float(s.x), float(s.y)) for s in spots]
    return Outline(pins, tuple(spots), body, around([body[:2], body[2:], *ends]))


OUTLINES: dict[tuple[str, int], Outline] = {
    (name, unit.unit): _outline(kind, unit.unit)
    for name, kind in KINDS.items()
    for unit in kind.symbol.units
    if unit.unit
}


def turned_box(m: Matrix, box: GridBox) -> GridBox:
    x0, y0 = m[0] * box[0] + m[1] * box[1], m[2] * box[0] + m[3] * box[1]
    x1, y1 = m[0] * box[2] + m[1] * box[3], m[2] * box[2] + m[3] * box[3]
    return (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))

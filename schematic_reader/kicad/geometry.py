"""Plane geometry of sheets: orientations of placed symbols, arcs and curves as polylines.

Only +, -, *, / and square roots of IEEE doubles are used, which every machine rounds alike, so that a
drawing is the same everywhere; sines and cosines are not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from schematic_reader.kicad.model import Point, TextStyle

# Flat sections of a curve deviate from it by at most this, in mm: a tenth of a pixel at the usual scale.
_TOLERANCE = 0.025
_MAX_DEPTH = 7
_HALF_CIRCLE = 0.01  # ends whose directions add up to less than this of the radius are opposite
_OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top", "center": "center"}

DIRECTIONS: dict[int, tuple[int, int]] = {0: (1, 0), 90: (0, -1), 180: (-1, 0), 270: (0, 1)}
"""Unit vectors on the sheet (y downward) by their angle in degrees, which is that of a label's text."""


class Orientation(NamedTuple):
    """Maps a symbol's coordinates (y upward) to offsets on the sheet (y downward): (ax+by, cx+dy)."""

    a: int
    b: int
    c: int
    d: int

    @property
    def upright(self) -> bool:
        """Whether horizontal stays horizontal."""
        return self.b == 0


# KiCad turns counter-clockwise as seen on the sheet, after mirroring: "x" flips up and down, "y" left
# and right.
_TURNS = {0: (1, 0, 0, -1), 90: (0, -1, -1, 0), 180: (-1, 0, 0, 1), 270: (0, 1, 1, 0)}


def orientation(angle: float, mirror: str) -> Orientation:
    """The orientation of a symbol with ``angle`` (degrees, rounded to quarter turns) and ``mirror``.

    The mirror ("", "x" or "y") acts on the sheet, after the turn, as in KiCad's files.
    """
    a, b, c, d = _TURNS[quarter_turn(angle)]
    if "x" in mirror:
        c, d = -c, -d
    if "y" in mirror:
        a, b = -a, -b
    return Orientation(a, b, c, d)


def place(point: Point, at: Point, turn: Orientation) -> Point:
    """A point of a symbol on the sheet, for a symbol placed at ``at``."""
    x, y = point
    a, b, c, d = turn
    return at[0] + a * x + b * y, at[1] + c * x + d * y


def quarter_turn(angle: float) -> int:
    """The nearest of 0, 90, 180 and 270."""
    return round(angle / 90) % 4 * 90


def readable_alignment(style: TextStyle, along: Point, top: Point) -> tuple[str, str]:
    """``h_align`` and ``v_align`` of a turned text, which KiCad keeps readable from below or the right.

    Where the turn would leave it upside down or mirrored, its alignment changes sides instead.

    Args:
        along, top: the directions on the sheet that the turn gives the text's line and its top.
    """
    vertical = along[0] == 0
    h_align, v_align = style.h_align, style.v_align
    if along != (DIRECTIONS[90] if vertical else DIRECTIONS[0]):
        h_align = _OPPOSITE[h_align]
    if top != (DIRECTIONS[180] if vertical else DIRECTIONS[90]):
        v_align = _OPPOSITE[v_align]
    return h_align, v_align


def circle_center(start: Point, mid: Point, end: Point) -> Point | None:
    """Centre of the circle through three points, or None where they lie on a line."""
    ax, ay = start[0] - mid[0], start[1] - mid[1]
    bx, by = end[0] - mid[0], end[1] - mid[1]
    cross = 2 * (ax * by - ay * bx)
    a2, b2 = ax * ax + ay * ay, bx * bx + by * by
    if abs(cross) < 1e-9 * (a2 + b2):
        return None
    return mid[0] + (by * a2 - ay * b2) / cross, mid[1] + (ax * b2 - bx * a2) / cross


def arc_points(start: Point, mid: Point, end: Point) -> list[Point]:
    """The arc from ``start`` to ``end`` through ``mid`` as a polyline; a line where there is no circle."""
    center: Point | None
    if start == end:  # a full circle
        center = ((start[0] + mid[0]) / 2, (start[1] + mid[1]) / 2)
    else:
        center = circle_center(start, mid, end)
    if center is None:
        return [start, mid, end]
    turn = (mid[0] - start[0]) * (end[1] - start[1]) - (mid[1] - start[1]) * (end[0] - start[0])
    side = -1.0 if turn > 0 else 1.0
    points = [start]
    _bisect(start, mid, center, side, points, 0)
    _bisect(mid, end, center, side, points, 0)
    return points


def arc_middle(start: Point, end: Point, center: Point, *, counterclockwise: bool) -> Point:
    """The middle of the shorter arc from ``start`` to ``end`` around ``center``.

    ``counterclockwise`` (y upward) decides between the two of half a circle.
    """
    ax, ay = start[0] - center[0], start[1] - center[1]
    bx, by = end[0] - center[0], end[1] - center[1]
    radius = math.sqrt(ax * ax + ay * ay)
    dx, dy = ax + bx, ay + by
    length = math.sqrt(dx * dx + dy * dy)
    if length <= _HALF_CIRCLE * radius:
        dx, dy = (-ay, ax) if counterclockwise else (ay, -ax)
        length = radius
    scale = radius / length if length else 0.0
    return center[0] + dx * scale, center[1] + dy * scale


def _bisect(a: Point, b: Point, center: Point, side: float, out: list[Point], depth: int) -> None:
    """Append the arc's points after ``a`` up to ``b``, where the arc bulges to ``side`` of a-b."""
    radius = math.sqrt((a[0] - center[0]) ** 2 + (a[1] - center[1]) ** 2)
    dx, dy = b[0] - a[0], b[1] - a[1]
    chord = math.sqrt(dx * dx + dy * dy)
    mx, my = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    # Signed distance of the centre from the chord, positive on the side where the arc bulges.
    nx, ny = (-dy / chord * side, dx / chord * side) if chord else (0.0, 0.0)
    height = (center[0] - mx) * nx + (center[1] - my) * ny
    bulge = radius + height
    if depth >= _MAX_DEPTH or chord == 0 or bulge < _TOLERANCE:
        out.append(b)
        return
    top = (mx + nx * bulge, my + ny * bulge)
    _bisect(a, top, center, side, out, depth + 1)
    _bisect(top, b, center, side, out, depth + 1)


def circle_points(center: Point, radius: float) -> list[Point]:
    """A circle as a closed polyline."""
    x, y = center
    right, bottom, left, top = (x + radius, y), (x, y + radius), (x - radius, y), (x, y - radius)
    return arc_points(right, bottom, left)[:-1] + arc_points(left, top, right)


def rounded_corners(start: Point, end: Point, radius: float) -> list[Point]:
    """A rectangle with quarter circles for corners as a closed polyline; they meet on short sides."""
    (left, right), (top, bottom) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    r = min(radius, (right - left) / 2, (bottom - top) / 2)
    inner = r - r * math.sqrt(0.5)
    corners = [
        ((left, top + r), (left + inner, top + inner), (left + r, top)),
        ((right - r, top), (right - inner, top + inner), (right, top + r)),
        ((right, bottom - r), (right - inner, bottom - inner), (right - r, bottom)),
        ((left + r, bottom), (left + inner, bottom - inner), (left, bottom - r)),
    ]
    points = [point for corner in corners for point in arc_points(*corner)]
    return [*points, points[0]]


def bezier_points(control: tuple[Point, ...], sections: int = 16) -> list[Point]:
    """A cubic Bezier curve as a polyline; other numbers of control points give them as they are."""
    if len(control) != 4:
        return list(control)
    points: list[Point] = []
    for i in range(sections + 1):
        t = i / sections
        s = 1 - t
        w0, w1, w2, w3 = s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t
        p0, p1, p2, p3 = control
        points.append(
            (
                w0 * p0[0] + w1 * p1[0] + w2 * p2[0] + w3 * p3[0],
                w0 * p0[1] + w1 * p1[1] + w2 * p2[1] + w3 * p3[1],
            )
        )
    return points

"""Orientations of symbols, arcs and curves, each against an independent computation."""

from __future__ import annotations

import csv
import itertools
import math
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.kicad.drawing.draw_pin import pin_ends
from schematic_reader.kicad.drawing.draw_symbol import units_of
from schematic_reader.kicad.geometry import (
    arc_points,
    bezier_points,
    circle_points,
    orientation,
    place,
    quarter_turn,
)
from schematic_reader.kicad.model import Pin, Point
from schematic_reader.kicad.reader import read_sheet

ANGLES = (0, 90, 180, 270)
MIRRORS = ("", "x", "y")


def by_complex_numbers(point: Point, angle: int, mirror: str) -> Point:
    """Turn counter-clockwise by powers of i, mirror by conjugation, then point y downward."""
    z = complex(*point) * 1j ** (angle // 90)
    if mirror == "x":
        z = z.conjugate()
    if mirror == "y":
        z = -z.conjugate()
    return z.real, -z.imag


@pytest.mark.parametrize(("angle", "mirror"), list(itertools.product(ANGLES, MIRRORS)))
def test_pins_of_turned_and_mirrored_symbols(angle: int, mirror: str) -> None:
    at = (101.6, 50.8)
    turn = orientation(angle, mirror)
    for pin_angle in ANGLES:
        pin = Pin("1", "A", at=(5.08, -2.54), angle=pin_angle, length=3.81)
        end, root = pin_ends(pin, at, turn)
        inner = complex(*pin.at) + 3.81 * 1j ** (pin_angle // 90)
        for got, local in ((end, pin.at), (root, (inner.real, inner.imag))):
            dx, dy = by_complex_numbers(local, angle, mirror)
            assert got == pytest.approx((at[0] + dx, at[1] + dy))


def test_mirroring_after_turning_is_what_real_sheets_mean(mini: Path) -> None:
    """Pins of turned and mirrored symbols end on wires; with the other order fewer do."""
    with (mini / "manifest.csv").open() as file:
        dirt = [row["dirt"] for row in csv.DictReader(file)]
    texts = [
        text
        for shard in sorted(mini.glob("*.parquet"))
        for text in pq.read_table(shard)["schematic"].to_pylist()
    ]
    good = [text for text, why in zip(texts, dirt, strict=True) if not why and "(mirror" in text]
    right = wrong = 0
    for text in random.Random(5).sample(good, 30):
        sheet = read_sheet(text)
        wires = {
            (round(x, 2), round(y, 2)) for x, y in itertools.chain(*(line.points for line in sheet.lines))
        }
        for symbol in sheet.symbols:
            library = sheet.lib_symbols.get(symbol.lib_name or symbol.lib_id)
            if symbol.mirror and symbol.angle in (90, 270) and library is not None:
                pins = [pin for unit in units_of(library, symbol.unit, symbol.style) for pin in unit.pins]
                ends = []
                for mirror in (symbol.mirror, "y" if symbol.mirror == "x" else "x"):
                    turn = orientation(symbol.angle, mirror)
                    spots = [place(pin.at, symbol.at, turn) for pin in pins]
                    ends.append({(round(x, 2), round(y, 2)) for x, y in spots})
                right += len((ends[0] - ends[1]) & wires)
                wrong += len((ends[1] - ends[0]) & wires)
    assert right > 20
    assert wrong < right / 2


@given(st.floats(-1000, 1000))
def test_quarter_turn_is_the_nearest(angle: float) -> None:
    turn = quarter_turn(angle)
    assert turn in ANGLES
    assert abs(math.remainder(angle - turn, 360)) <= 45 + 1e-9


@settings(derandomize=True, deadline=None)
@given(
    st.floats(0, 6.28), st.floats(0.2, 6), st.floats(0.1, 0.9), st.sampled_from([1, -1]), st.floats(0.1, 50)
)
def test_arcs_follow_their_circle(start: float, sweep: float, part: float, sign: int, radius: float) -> None:
    def on_circle(t: float) -> Point:
        return 3 + radius * math.cos(start + sign * sweep * t), -2 + radius * math.sin(
            start + sign * sweep * t
        )

    points = arc_points(on_circle(0), on_circle(part), on_circle(1))
    assert points[0] == on_circle(0)
    assert points[-1] == on_circle(1)
    travelled = 0.0
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        assert math.hypot(bx - 3, by + 2) == pytest.approx(radius, rel=1e-6)
        # No chord strays from the circle by more than a tenth of a pixel at 4 pixels a mm.
        assert radius - math.hypot((ax + bx) / 2 - 3, (ay + by) / 2 + 2) < 0.026
        step = math.remainder(math.atan2(by + 2, bx - 3) - math.atan2(ay + 2, ax - 3), math.tau)
        assert step * sign > 0
        travelled += abs(step)
    assert travelled == pytest.approx(sweep, rel=1e-6)


def test_three_points_on_a_line_give_the_line() -> None:
    assert arc_points((0, 0), (1, 1), (3, 3)) == [(0, 0), (1, 1), (3, 3)]


def test_circles_are_closed() -> None:
    points = circle_points((1, 2), 5)
    assert points[0] == points[-1]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(points)) / 2
    assert abs(area) == pytest.approx(math.pi * 25, rel=0.01)


def test_bezier_by_de_casteljau() -> None:
    control = ((0.0, 0.0), (1.0, 3.0), (4.0, -2.0), (5.0, 1.0))
    for i, got in enumerate(bezier_points(control)):
        row, t = list(control), i / 16
        while len(row) > 1:
            row = [(a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])) for a, b in itertools.pairwise(row)]
        assert got == pytest.approx(row[0])
    assert bezier_points(control[:2]) == list(control[:2])

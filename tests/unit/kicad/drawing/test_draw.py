"""DrawnSymbol sheets: what is where, in which colour, and that text on turned symbols stays readable."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from schematic_reader.kicad.drawing.draw import draw_sheet, encode_png
from schematic_reader.kicad.drawing.palette import COLORS, PAPER, Ink
from schematic_reader.kicad.drawing.strokes import text_width
from schematic_reader.kicad.geometry import Orientation, orientation, place
from schematic_reader.kicad.model import (
    Arc,
    Circle,
    Label,
    LibSymbol,
    Line,
    Pin,
    PlacedSymbol,
    Point,
    Polyline,
    Property,
    Rectangle,
    Sheet,
    SymbolUnit,
    Text,
    TextStyle,
)
from tests.support.kicad_sheets import GATE, RESISTOR, every_feature
from tests.support.paths import ROOT

SCALE = 8  # pixels a millimetre
BLANK = Sheet(size=(60, 60), paper="User", frame=False)
HALF = 0.5 / SCALE  # from a pixel's edge to its middle
ANGLES = (0, 90, 180, 270)


def picture(sheet: Sheet) -> np.ndarray:
    """RGB as integers, at SCALE."""
    return np.asarray(draw_sheet(sheet, width=round(sheet.size[0] * SCALE)).convert("RGB")).astype(int)


def ink_box(rgb: np.ndarray, ink: Ink | None = None) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in mm of all that is not paper, or of one ink's full colour."""
    found = (rgb != PAPER).any(axis=2) if ink is None else (rgb == COLORS[ink]).all(axis=2)
    ys, xs = np.nonzero(found)
    return xs.min() / SCALE, ys.min() / SCALE, (xs.max() + 1) / SCALE, (ys.max() + 1) / SCALE


def one_symbol(symbol: LibSymbol, **placed: object) -> Sheet:
    instance = PlacedSymbol(symbol.lib_id, (30, 30), **placed)  # type: ignore[arg-type]
    return dataclasses.replace(BLANK, lib_symbols={symbol.lib_id: symbol}, symbols=(instance,))


def test_a_wire_is_where_it_should_be() -> None:
    y = 20 + HALF
    rgb = picture(dataclasses.replace(BLANK, lines=(Line(((10, y), (40, y))),)))
    assert tuple(rgb[20 * SCALE, 25 * SCALE]) == COLORS[Ink.WIRE]
    assert ink_box(rgb) == pytest.approx((10 - 0.076, y - 0.076, 40 + 0.076, y + 0.076), abs=0.13)


def test_lines_are_not_too_thin_to_be_seen() -> None:
    for width, pen in ((0.001, 0.0847), (0.2, 0.2)):
        line = Polyline(((10, 20.3), (40, 20.3)), width=width)
        column = picture(dataclasses.replace(BLANK, graphics=(line,)))[:, 25 * SCALE, 0]  # no red in the ink
        assert ((PAPER[0] - column) / PAPER[0]).sum() / SCALE == pytest.approx(pen, rel=0.08)


def test_buses_are_thicker_and_junctions_round() -> None:
    for kind, pen in (("wire", 0.1524), ("bus", 0.3048)):
        rgb = picture(dataclasses.replace(BLANK, lines=(Line(((10, 20.3), (40, 20.3)), kind=kind),)))
        column = rgb[:, 25 * SCALE, 0]  # both colours have no red
        assert ((PAPER[0] - column) / PAPER[0]).sum() / SCALE == pytest.approx(pen, rel=0.05)
    for diameters, expected in (((), 0.9144), ((2.0,), 2.0)):
        rgb = picture(dataclasses.replace(BLANK, junctions=((30, 30),), junction_diameters=diameters))
        dot = ((PAPER[0] - rgb[..., 0]) / PAPER[0]).sum() / SCALE**2
        assert dot == pytest.approx(np.pi * expected**2 / 4, rel=0.05)


def test_bodies_are_filled_under_everything_else() -> None:
    sheet = one_symbol(GATE)
    sheet = dataclasses.replace(sheet, lines=(Line(((20, 33 + HALF), (40, 33 + HALF))),))
    rgb = picture(sheet)
    assert tuple(rgb[33 * SCALE, 30 * SCALE]) == COLORS[Ink.WIRE]
    assert tuple(rgb[round(34.5 * SCALE), 30 * SCALE]) == COLORS[Ink.BODY]
    assert (
        tuple(rgb[30 * SCALE, 30 * SCALE]) == COLORS[Ink.SYMBOL]
    )  # the circle filled with the outline's colour


@pytest.mark.parametrize(("angle", "mirror"), list(itertools.product(ANGLES, ("", "x", "y"))))
def test_bodies_and_pins_turn_with_the_symbol(angle: int, mirror: str) -> None:
    """An L of a short and a long pin and a notch in the body, against the same drawn by hand."""
    outline = ((-2.54, -1.27), (5.08, -1.27), (5.08, 2.54), (-2.54, 2.54), (-2.54, -1.27))
    symbol = LibSymbol(
        "A:L",
        units=(
            SymbolUnit(
                1,
                1,
                graphics=(Polyline(outline), Arc((0, 0), (1, 1), (2, 0)), Circle((4, 1), 0.5)),
                pins=(Pin("1", "", (-7.62, 0), 0, length=5.08), Pin("2", "", (0, 7.62), 270, length=5.08)),
            ),
        ),
        pin_numbers_hidden=True,
    )
    turn = orientation(angle, mirror)

    def at(point: Point) -> Point:
        return place(point, (30, 30), turn)

    by_hand = (
        Polyline(tuple(map(at, outline))),
        Arc(at((0, 0)), at((1, 1)), at((2, 0))),
        Circle(at((4, 1)), 0.5),
        Polyline((at((-7.62, 0)), at((-2.54, 0)))),
        Polyline((at((0, 7.62)), at((0, 2.54)))),
    )
    drawn = picture(one_symbol(symbol, angle=float(angle), mirror=mirror))
    expected = picture(dataclasses.replace(BLANK, graphics=by_hand))
    # Same shapes in another ink: compare how dark each pixel is.
    shade, wanted = (255 - drawn[..., 1], 255 - expected[..., 1])
    assert np.abs(shade - wanted).max() <= 20


@pytest.mark.parametrize(("angle", "mirror"), list(itertools.product(ANGLES, ("", "x", "y"))))
@pytest.mark.parametrize(("h_align", "v_align"), [("left", "center"), ("right", "bottom"), ("center", "top")])
@pytest.mark.parametrize("field_angle", [0, 90])
def test_fields_stay_readable_and_on_their_side(
    angle: int, mirror: str, h_align: str, v_align: str, field_angle: int
) -> None:
    """The box around a field turns with its symbol, but its text reads from left to right or upward."""
    anchor, text = (22.0, 40.0), "TALL7"
    style = TextStyle(h_align=h_align, v_align=v_align)
    field = Property("Reference", text, anchor, float(field_angle), style=style)
    turn = orientation(angle, mirror)
    sheet = one_symbol(RESISTOR, angle=float(angle), mirror=mirror, properties=(field,))
    sheet = dataclasses.replace(sheet, lib_symbols={})
    got = ink_box(picture(sheet))

    # The same field on an unturned symbol, its box turned around the anchor.
    plain = one_symbol(RESISTOR, properties=(field,))
    x0, y0, x1, y1 = ink_box(picture(dataclasses.replace(plain, lib_symbols={})))
    ax, ay = anchor
    corners = [place((x - ax, ay - y), anchor, turn) for x in (x0, x1) for y in (y0, y1)]
    xs, ys = zip(*corners, strict=True)
    # A turned text keeps its place but for the room above capitals and under the baseline.
    assert got == pytest.approx((min(xs), min(ys), max(xs), max(ys)), abs=0.45)

    # Readable: the same pixels as a free text that lies level or upright.
    vertical = (field_angle == 90) != (turn.b != 0)
    reference = Text(text, (30, 30), 90.0 if vertical else 0.0)
    rgb = picture(dataclasses.replace(BLANK, graphics=(reference,)))
    assert np.array(got)[2:] - np.array(got)[:2] == pytest.approx(
        np.array(ink_box(rgb))[2:] - np.array(ink_box(rgb))[:2], abs=0.26
    )
    crop = [picture(sheet), rgb]
    boxes = [got, ink_box(rgb)]
    shapes = []
    for image, (left, top, right, bottom) in zip(crop, boxes, strict=True):
        part = image[round(top * SCALE) : round(bottom * SCALE), round(left * SCALE) : round(right * SCALE)]
        dark = (np.abs(part - PAPER).max(axis=2) > 60).astype(np.uint8) * 255
        shapes.append(np.asarray(Image.fromarray(dark).resize((40, 40))).astype(int))
    assert np.abs(shapes[0] - shapes[1]).mean() < 45


@pytest.mark.parametrize("h_align", ["left", "center", "right"])
@pytest.mark.parametrize("v_align", ["top", "center", "bottom"])
def test_fields_lie_about_their_anchor(h_align: str, v_align: str) -> None:
    style = TextStyle(h_align=h_align, v_align=v_align)
    symbol = PlacedSymbol("A:B", (0, 0), properties=(Property("Value", "TALL7", (30, 30), style=style),))
    left, top, right, bottom = ink_box(picture(dataclasses.replace(BLANK, symbols=(symbol,))))
    width, height = right - left, bottom - top
    assert left == pytest.approx(
        {"left": 30, "center": 30 - width / 2, "right": 30 - width}[h_align], abs=0.3
    )
    assert top == pytest.approx(
        {"top": 30, "center": 30 - height / 2, "bottom": 30 - height}[v_align], abs=0.3
    )


def test_pin_names_inside_and_numbers_above() -> None:
    pin = Pin("7", "IN", (-10.16, 0), 0, length=5.08, name_size=1.27)
    body = Rectangle((-5.08, -5.08), (5.08, 5.08))
    symbol = LibSymbol("A:U", units=(SymbolUnit(1, 1, (body,), (pin,)),), pin_name_offset=1.0)
    rgb = picture(one_symbol(symbol))
    left, top, right, bottom = ink_box(rgb, Ink.TEXT)
    assert left == pytest.approx(30 - 5.08 + 1.0, abs=0.5)
    assert right == pytest.approx(30 - 5.08 + 1.0 + text_width("IN") * 1.27, abs=0.5)
    assert (top + bottom) / 2 == pytest.approx(30, abs=0.2)
    left, top, right, bottom = ink_box(rgb, Ink.PIN_NUMBER)
    assert (left + right) / 2 == pytest.approx(30 - 7.62, abs=0.2)
    assert 29.4 < bottom < 29.9
    for hidden in ({"pin_names_hidden": True}, {"pin_numbers_hidden": True}):
        rgb = picture(one_symbol(dataclasses.replace(symbol, **hidden)))
        ink = Ink.TEXT if "pin_names_hidden" in hidden else Ink.PIN_NUMBER
        assert not (rgb == COLORS[ink]).all(axis=2).any()
    # Without room inside the body, the name stands above the pin and the number below.
    rgb = picture(one_symbol(dataclasses.replace(symbol, pin_name_offset=0)))
    assert ink_box(rgb, Ink.TEXT)[3] < 30 < ink_box(rgb, Ink.PIN_NUMBER)[1]


def test_hidden_pins_and_fields_are_not_drawn() -> None:
    unit = SymbolUnit(1, 1, pins=(Pin("1", "A", (0, 0), 0, hidden=True),))
    field = Property("Value", "secret", (30, 30), hidden=True)
    sheet = one_symbol(LibSymbol("A:B", units=(unit,)), properties=(field,))
    assert (picture(sheet) == PAPER).all()


def test_only_the_placed_unit_is_drawn_and_references_get_its_letter() -> None:
    units = tuple(SymbolUnit(number, 1, (Circle((x, 0), 1),)) for number, x in ((0, -10), (1, 0), (2, 10)))
    symbol = LibSymbol("A:B", units=units)
    assert ink_box(picture(one_symbol(symbol, unit=2)))[::2] == pytest.approx((19, 41), abs=0.3)
    assert ink_box(picture(one_symbol(symbol, unit=1)))[::2] == pytest.approx((19, 31), abs=0.3)
    field = Property("Reference", "U3", (30, 50))
    left, _, right, _ = ink_box(picture(one_symbol(symbol, unit=2, properties=(field,))), Ink.TEXT)
    assert right - left == pytest.approx(text_width("U3B") * 1.27 - 0.5, abs=0.5)


def test_symbols_that_are_not_populated_are_grey_and_crossed_out() -> None:
    fields = (Property("Reference", "U1", (30, 45)),)
    rgb = picture(one_symbol(GATE, dnp=True, properties=fields))
    for ink in (Ink.DNP, Ink.DIMMED):
        assert (rgb == COLORS[ink]).all(axis=2).any()
    for ink in (Ink.SYMBOL, Ink.TEXT, Ink.BODY):
        assert not (rgb == COLORS[ink]).all(axis=2).any()


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("kind", ["global", "hierarchical"])
@pytest.mark.parametrize("shape", ["input", "output", "bidirectional", "tri_state", "passive"])
def test_labels_run_away_from_their_anchor(angle: int, kind: str, shape: str) -> None:
    label = Label("NET", (30, 30), kind=kind, angle=float(angle), shape=shape)
    left, top, right, bottom = ink_box(picture(dataclasses.replace(BLANK, labels=(label,))))
    dx, dy = {0: (1, 0), 90: (0, -1), 180: (-1, 0), 270: (0, 1)}[angle]
    start, end = sorted((right if dx < 0 else left, bottom if dy < 0 else top)), (right, bottom)
    if dx:
        assert (right if dx < 0 else left) == pytest.approx(30, abs=0.2)
        assert right - left > text_width("NET") * 1.27
        assert abs((top + bottom) / 2 - 30) < 0.2
    else:
        assert (bottom if dy < 0 else top) == pytest.approx(30, abs=0.2)
        assert bottom - top > text_width("NET") * 1.27
        assert abs((left + right) / 2 - 30) < 0.2
    assert start[0] <= end[1]


def test_outlines_of_global_labels_have_points_where_signals_go() -> None:
    lengths = {}
    for shape in ("input", "output", "bidirectional", "passive"):
        label = Label("NET", (30, 30), kind="global", shape=shape)
        left, _, right, _ = ink_box(picture(dataclasses.replace(BLANK, labels=(label,))))
        lengths[shape] = right - left
    point = 1.27 * (0.5 + 0.375)
    assert lengths["input"] == lengths["output"] == pytest.approx(lengths["passive"] + point, abs=0.15)
    assert lengths["bidirectional"] == pytest.approx(lengths["passive"] + 2 * point, abs=0.15)


def test_local_labels_stand_on_the_wire() -> None:
    label = Label("NET", (30, 30))
    left, _, right, bottom = ink_box(picture(dataclasses.replace(BLANK, labels=(label,))), Ink.LABEL)
    assert left > 30
    assert 29.2 < bottom < 30
    label = Label("NET", (30, 30), angle=180)
    assert ink_box(picture(dataclasses.replace(BLANK, labels=(label,))), Ink.LABEL)[2] < 30
    label = Label("NET", (30, 30), angle=90)
    box = ink_box(picture(dataclasses.replace(BLANK, labels=(label,))), Ink.LABEL)
    assert box[2] < 30
    assert box[3] < 30
    assert right - left == pytest.approx(box[3] - box[1], abs=0.3)


def test_the_frame_is_kicads() -> None:
    sheet = Sheet()
    rgb = np.asarray(draw_sheet(sheet).convert("RGB")).astype(int)
    assert rgb.shape == (795, 1123, 3)
    scale = 1123 / 297
    dark = np.abs(rgb - PAPER).max(axis=2) > 60
    # Border lines at 10 and 12 mm from the edges, and the title block's left side 110 mm from the border.
    for x in (10, 12, 285, 287, 177):
        assert dark[round(180 * scale), round(x * scale) - 1 : round(x * scale) + 2].any()
    assert not dark[round(180 * scale), round(14 * scale) : round(170 * scale)].any()
    assert not dark[: round(9.8 * scale)].any()
    assert (np.asarray(draw_sheet(dataclasses.replace(sheet, frame=False))) == 0).all()


@pytest.mark.parametrize(
    ("size", "given", "expected"),
    [
        ((297, 210), {}, (1123, 795)),
        ((420, 297), {}, (1588, 1123)),
        ((594, 420), {}, (1600, 1132)),
        ((279.4, 215.9), {}, (1056, 816)),
        ((297, 210), {"width": 640, "height": 448}, (640, 448)),
        ((297, 210), {"width": 594}, (594, 420)),
        ((297, 210), {"height": 420}, (594, 420)),
        ((0.001, 50_000), {}, (1, 1600)),
        ((0.001, 50_000), {"width": 100}, (100, 1600)),
    ],
)
def test_picture_sizes(size: tuple[float, float], given: dict[str, int], expected: tuple[int, int]) -> None:
    assert draw_sheet(Sheet(size=size, frame=False), **given).size == expected


def test_everything_at_once_survives_png() -> None:
    image = draw_sheet(every_feature(), width=1600)
    decoded = Image.open(io.BytesIO(encode_png(image)))
    assert decoded.convert("RGB").tobytes() == image.convert("RGB").tobytes()
    colors = {color for _, color in image.convert("RGB").getcolors(300)}
    for ink in (Ink.WIRE, Ink.BUS, Ink.JUNCTION, Ink.DNP, Ink.FRAME):
        assert COLORS[ink] in colors, ink.name


def test_another_process_draws_the_same_bytes() -> None:
    code = (
        "import hashlib, sys; sys.path[:0] = ['.']\n"
        "from tests.support.kicad_sheets import every_feature\n"
        "from schematic_reader.kicad.drawing.draw import draw_sheet, encode_png\n"
        "print(hashlib.sha256(encode_png(draw_sheet(every_feature(), width=640))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX2 FMA3"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    here = hashlib.sha256(encode_png(draw_sheet(every_feature(), width=640))).hexdigest()
    assert done.stdout.strip() == here


def test_hostile_numbers_do_not_hang() -> None:
    far = 99_999.0
    graphics = (
        Polyline(((-far, -far), (far, far + 1)), dash="dot", width=1e-9),
        Circle((0, 0), far, width=far, fill="outline"),
        Arc((-far, 0), (0, 1e-7), (far, 0)),
        Text("x" * 2000, (0, 0), style=TextStyle(size=1e-9)),
        Text("y\n" * 500, (5, 5), style=TextStyle(size=far)),
        Text("z", (5, 5), style=TextStyle(size=-1)),
    )
    draw_sheet(dataclasses.replace(BLANK, graphics=graphics), width=100)


def test_an_orientation_is_a_turn_or_a_flip() -> None:
    matrices = {orientation(angle, mirror) for angle in ANGLES for mirror in ("", "x", "y")}
    assert len(matrices) == 8
    assert all(abs(m.a * m.d - m.b * m.c) == 1 for m in matrices)
    assert orientation(0, "") == Orientation(1, 0, 0, -1)

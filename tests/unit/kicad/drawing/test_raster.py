"""The canvas: coverage against brute force, blending, and PNG bytes that Pillow reads."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from schematic_reader.kicad.drawing.palette import COLORS, PAPER, Ink, cell, nearest_table, palette
from schematic_reader.kicad.drawing.png import encode_png
from schematic_reader.kicad.drawing.raster import Canvas

FINE = 32  # subsamples a pixel along each axis
STEP = 0.06  # the palette has 15 steps from paper to an ink


def pixels(canvas: Canvas) -> np.ndarray:
    return np.asarray(canvas.image().convert("RGB")).astype(int)


def coverage(canvas: Canvas, ink: Ink) -> np.ndarray:
    """How far each pixel has gone from paper to ink, 0 to 1."""
    paper, color = np.array(PAPER), np.array(COLORS[ink])
    channel = int(np.abs(color - paper).argmax())
    return (pixels(canvas)[..., channel] - paper[channel]) / (color - paper)[channel]


def subsamples(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid((np.arange(width * FINE) + 0.5) / FINE, (np.arange(height * FINE) + 0.5) / FINE)
    return x, y


def averaged(inside: np.ndarray) -> np.ndarray:
    height, width = inside.shape[0] // FINE, inside.shape[1] // FINE
    return inside.reshape(height, FINE, width, FINE).mean(axis=(1, 3))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.tuples(*[st.floats(3, 21)] * 4),
    st.floats(0.4, 4),
)
def test_strokes_cover_what_a_round_pen_covers(ends: tuple[float, float, float, float], pen: float) -> None:
    ax, ay, bx, by = ends
    canvas = Canvas(24, 24)
    canvas.strokes(Ink.BUS, np.array([ends]), pen)
    x, y = subsamples(24, 24)
    length2 = (bx - ax) ** 2 + (by - ay) ** 2
    along = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / (length2 or 1), 0, 1)
    inside = np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)) <= pen / 2
    exact, got = averaged(inside), coverage(canvas, Ink.BUS)
    # The box across the stroke differs from the pixel where the stroke is slanted or ends.
    assert np.abs(got - exact).max() < 0.35
    assert np.abs(got - exact).mean() < 0.01
    assert got.sum() == pytest.approx(exact.sum(), rel=0.2, abs=0.7)


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("pen", [0.576, 1.0, 1.9, 3.0])
@pytest.mark.parametrize("place", [10.0, 10.25, 10.5, 10.9])
def test_upright_strokes_are_exact(vertical: bool, pen: float, place: float) -> None:
    canvas = Canvas(20, 20)
    ends = [place, -5, place, 25] if vertical else [-5, place, 25, place]
    canvas.strokes(Ink.BUS, np.array([ends], dtype=float), pen)
    got = coverage(canvas, Ink.BUS)
    edges = np.arange(20)
    exact = np.clip(np.minimum(edges + 1, place + pen / 2) - np.maximum(edges, place - pen / 2), 0, 1)
    profile = got[5] if vertical else got[:, 5]
    assert profile == pytest.approx(exact, abs=STEP)
    assert (got == (profile[None] if vertical else profile[:, None])).all()


def test_long_slanted_strokes_are_not_broken() -> None:
    canvas = Canvas(200, 160)
    canvas.strokes(Ink.BUS, np.array([[2.0, 3.0, 190.0, 150.0]]), 1.5)
    got = coverage(canvas, Ink.BUS)
    for i in range(1, 100):
        x, y = 2 + 188 * i / 100, 3 + 147 * i / 100
        assert got[int(y), int(x)] > 0.6
    assert got.sum() == pytest.approx(1.5 * np.hypot(188, 147), rel=0.02)


def test_twice_is_darker_where_a_pixel_is_partly_covered() -> None:
    once, twice = Canvas(10, 10), Canvas(10, 10)
    stroke = np.array([[-5.0, 5.5, 15.0, 5.5]])
    once.strokes(Ink.BUS, stroke, 0.5)
    twice.strokes(Ink.BUS, stroke, 0.5, twice=True)
    assert coverage(once, Ink.BUS)[5, 5] == pytest.approx(0.5, abs=STEP)
    assert coverage(twice, Ink.BUS)[5, 5] == pytest.approx(0.75, abs=STEP)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 25)), min_size=3, max_size=9))
def test_polygons_by_the_even_odd_rule(corners: list[tuple[float, float]]) -> None:
    canvas = Canvas(20, 20)
    canvas.polygon(Ink.BUS, np.array(corners))
    x, y = subsamples(20, 20)
    inside = np.zeros(x.shape, dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            cross = ax + (y - ay) / (by - ay) * (bx - ax)
        inside ^= ((ay <= y) != (by <= y)) & (x > cross)
    exact, got = averaged(inside), coverage(canvas, Ink.BUS)
    assert np.abs(got - exact).mean() < 0.02
    assert got.sum() == pytest.approx(exact.sum(), rel=0.02, abs=1.5)


def test_corners_on_a_line_of_subsamples_count_once() -> None:
    canvas = Canvas(12, 12)
    y = 6 + 0.5 / 4  # a row of subsamples passes through the left and right corners
    canvas.polygon(Ink.BUS, np.array([[6.0, 1.0], [11.0, y], [6.0, 11.0], [1.0, y]]))
    assert coverage(canvas, Ink.BUS).sum() == pytest.approx(50, abs=0.7)


def test_boxes_are_exact() -> None:
    canvas = Canvas(8, 8)
    canvas.polygon(Ink.BUS, np.array([[1.5, 2.25], [6.0, 2.25], [6.0, 5.5], [1.5, 5.5]]))
    got = coverage(canvas, Ink.BUS)
    across, down = np.array([0, 0.5, 1, 1, 1, 1, 0, 0]), np.array([0, 0, 0.75, 1, 1, 0.5, 0, 0])
    assert got == pytest.approx(down[:, None] * across, abs=STEP)


def test_nothing_outside_the_canvas_and_no_wrapping_round() -> None:
    canvas = Canvas(10, 6)
    far = np.array([[-100.0, -100.0, -50.0, 400.0], [11.0, 0.0, 11.0, 6.0], [3.0, 6.6, 7.0, 6.6]])
    canvas.strokes(Ink.BUS, far, 1.0)
    canvas.polygon(Ink.BUS, np.array([[20.0, 0.0], [30.0, 0.0], [30.0, 9.0]]))
    assert (pixels(canvas) == PAPER).all()


def test_later_inks_cover_earlier_ones() -> None:
    canvas = Canvas(6, 6)
    stroke = np.array([[-5.0, 3.0, 15.0, 3.0]])
    canvas.strokes(Ink.JUNCTION, stroke, 4.0)
    canvas.strokes(Ink.WIRE, stroke, 6.0)
    canvas.strokes(Ink.SYMBOL, stroke, 6.0)
    assert tuple(pixels(canvas)[3, 3]) == COLORS[Ink.JUNCTION]
    assert tuple(pixels(canvas)[0, 0]) == COLORS[Ink.WIRE]


def test_the_palette_keeps_its_own_colours_and_is_near_to_all_blends() -> None:
    colors = np.array(palette(), dtype=np.uint8)
    assert len(colors) <= 256
    assert tuple(colors[0]) == PAPER
    assert (nearest_table()[cell(colors)] == np.arange(len(colors))).all()
    for ink, color in COLORS.items():
        assert color in palette(), ink
        blend = np.linspace(PAPER, color, 50).round().astype(np.uint8)
        error = np.abs(colors[nearest_table()[cell(blend)]].astype(int) - blend)
        assert error.max() <= 20
        assert error.mean() < 6


def test_png_decodes_to_the_same_pixels() -> None:
    rng = np.random.default_rng(1)
    for width, height in ((1, 1), (7, 5), (300, 257)):
        image = Image.fromarray(rng.integers(0, 223, (height, width), dtype=np.uint8))
        image.putpalette([channel for color in palette() for channel in color])
        decoded = Image.open(io.BytesIO(encode_png(image)))
        assert (decoded.mode, decoded.size) == ("P", (width, height))
        assert decoded.tobytes() == image.tobytes()
        assert decoded.convert("RGB").tobytes() == image.convert("RGB").tobytes()
    colour = Image.fromarray(rng.integers(0, 256, (9, 4, 3), dtype=np.uint8))
    assert Image.open(io.BytesIO(encode_png(colour))).tobytes() == colour.tobytes()


def test_png_is_stored_not_compressed() -> None:
    """Chunk by chunk: right checksums, and deflate blocks of type 0 only, whatever zlib is installed."""
    image = Image.fromarray(np.zeros((300, 300), dtype=np.uint8))
    image.putpalette([1, 2, 3])
    data = encode_png(image)
    position, chunks = 8, {}
    while position < len(data):
        (size,) = struct.unpack(">I", data[position : position + 4])
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        assert data[position + 8 + size : position + 12 + size] == struct.pack(">I", zlib.crc32(kind + body))
        chunks[kind] = body
        position += 12 + size
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    stream, rows = chunks[b"IDAT"], 300 * 301
    assert stream[2] == 0
    assert len(stream) == 2 + 2 * 5 + rows + 4
    assert zlib.decompress(stream) == bytes(rows)

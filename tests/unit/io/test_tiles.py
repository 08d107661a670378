"""Cutting large sheets: cores cover a sheet once, tiles fit the limits and show its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from schematic_reader.config import ImageLimits
from schematic_reader.io.picture import resized_part
from schematic_reader.io.tiles import ENLARGED, MARGIN, STEP, Tiling, tiling

SIDES = st.integers(28, 2400)


@st.composite
def limits(draw: st.DrawFn) -> ImageLimits:
    side = draw(st.integers(300, 1100))
    return ImageLimits(side, draw(st.integers(90_000, side * side)), draw(st.integers(1, 12)))


def fits(width: int, height: int, limits: ImageLimits) -> bool:
    return width <= limits.max_side and height <= limits.max_side and width * height <= limits.max_pixels


@settings(max_examples=200, deadline=None, derandomize=True)
@given(SIDES, SIDES, limits())
def test_a_sheet_is_cut_where_it_may_be(width: int, height: int, limits: ImageLimits) -> None:
    cut = tiling(width, height, limits)
    if limits.tiles == 1:
        assert cut is None
    elif cut is not None:
        assert 1 <= len(cut) <= limits.tiles
        assert fits(*cut.size, limits)
        assert cut.size[0] % STEP == cut.size[1] % STEP == 0
        scaled, full = cut.scaled, (width, height)
        assert all(one <= ENLARGED * other + 1 for one, other in zip(scaled, full, strict=True))
        assert abs(scaled[0] * height - scaled[1] * width) <= max(width, height)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SIDES, SIDES, limits())
def test_the_cores_cover_every_pixel_once(width: int, height: int, limits: ImageLimits) -> None:
    cut = tiling(width, height, limits)
    if cut is None:
        return
    covered = np.zeros((cut.scaled[1], cut.scaled[0]), np.uint8)
    for number in range(len(cut)):
        left, top, right, bottom = cut.core(number)
        assert (right - left, bottom - top) == (cut.size[0] - 2 * MARGIN, cut.size[1] - 2 * MARGIN)
        covered[top:bottom, left:right] += 1
    assert (covered == 1).all()


def test_a_tile_shows_the_sheet_around_its_core_and_background_beyond_it() -> None:
    cut = tiling(900, 700, ImageLimits(480, 1 << 20, 6))
    assert cut is not None and cut.scaled == (900, 700)
    pixels = np.random.default_rng(1).integers(0, 255, (700, 900, 3), np.uint8)
    pixels[0, 0] = (250, 240, 230)
    sheet = Image.fromarray(pixels)
    padded = np.full((700 + 1000, 900 + 1000, 3), pixels[0, 0])
    padded[500:1200, 500:1400] = pixels
    for number in range(len(cut)):
        left, top, right, bottom = (side + 500 for side in cut.core(number))
        expected = padded[top - MARGIN : bottom + MARGIN, left - MARGIN : right + MARGIN]
        assert np.array_equal(np.asarray(cut.cut(sheet, number)), expected)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SIDES, SIDES, limits(), st.integers(0, 2**32 - 1))
def test_a_part_of_a_tile_is_that_of_the_resized_sheet_to_two_levels(
    width: int, height: int, limits: ImageLimits, seed: int
) -> None:
    cut = tiling(width, height, limits)
    if cut is None:
        return
    random = np.random.default_rng(seed)
    sheet = Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))
    number = int(random.integers(len(cut)))
    scaled = resized_part(sheet, cut.scaled, (0, 0, *cut.scaled))
    whole = np.asarray(cut.cut(scaled, number), np.int16)
    assert np.abs(np.asarray(cut.cut(sheet, number), np.int16) - whole).max() <= 2
    # A part with some of what the sheet shows in the core.
    starts, ends = zip(
        *(
            (int(random.integers(at + 1)), int(random.integers(at, side)) + 1)
            for side, first, end in zip(cut.size, cut.core(number), cut.scaled, strict=False)
            for at in [int(random.integers(MARGIN, min(side - MARGIN, MARGIN + end - first)))]
        ),
        strict=True,
    )
    part = (*starts, *ends)
    shown = cut.cut(sheet, number, part)
    assert shown.size == cut.cut_size(part)
    assert np.abs(np.asarray(shown, np.int16) - whole[part[1] : part[3], part[0] : part[2]]).max() <= 2


@pytest.mark.parametrize(
    ("size", "tiles", "expected"),
    [
        ((1123, 795), 4, ((1123, 795), 4)),  # A4 at 96 pixels an inch
        ((1123, 795), 12, ((1684, 1192), 9)),  # enlarged as far as it may be
        ((1588, 1123), 24, ((2382, 1684), 18)),  # A3
        ((1588, 1123), 12, ((1986, 1404), 12)),  # enlarged as far as twelve allow
        ((1588, 1123), 8, ((1588, 1123), 8)),
        ((1588, 1123), 4, (None, 4)),  # shrunk, since four are too few
        ((700, 500), 12, ((1050, 750), 4)),  # small ones too
        ((300, 200), 12, ((450, 300), 1)),
        ((2000, 2000), 1, None),
    ],
)
def test_papers(
    size: tuple[int, int], tiles: int, expected: tuple[tuple[int, int] | None, int] | None
) -> None:
    cut = tiling(*size, ImageLimits(768, 400_000, tiles))
    if expected is None:
        assert cut is None
        return
    assert isinstance(cut, Tiling) and len(cut) == expected[1]
    assert (cut.scaled == expected[0]) if expected[0] else (cut.scaled < size)

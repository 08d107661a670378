"""Opening pictures: what is damaged or too large has a reason, and transparency lies on white."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from PIL import Image

from schematic_reader.io.picture import PictureError, decode_picture, fit_within, fitted_size, open_picture
from tests.support.raw_rows import bomb, png


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_transparency_is_laid_on_white_as_float64_arithmetic_has_it() -> None:
    data = png(1, (40, 30))
    pixels = np.asarray(Image.open(io.BytesIO(data)), dtype=np.float64)
    alpha = pixels[..., 3:] / 255
    expected = pixels[..., :3] * alpha + 255 * (1 - alpha)
    opened = open_picture(data)
    assert opened.mode == "RGB"
    assert np.abs(np.asarray(opened) - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_becomes_rgb(mode: str) -> None:
    assert open_picture(encoded(Image.new(mode, (3, 2)), "PNG")).mode == "RGB"


def test_a_transparent_palette_becomes_white() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((1, 0), 1)
    opened = open_picture(encoded(image, "PNG", transparency=0))
    assert [opened.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (255, 0, 0)]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_level_of_a_picture_without_alpha_becomes_white(mode: str) -> None:
    dark, light = {"L": (7, 90), "RGB": ((7, 8, 9), (90, 91, 92))}[mode]
    image = Image.new(mode, (2, 1), dark)
    image.putpixel((1, 0), light)
    opened = open_picture(encoded(image, "PNG", transparency=dark))
    assert opened.getpixel((0, 0)) == (255, 255, 255)
    assert opened.getpixel((1, 0)) == (light if mode == "RGB" else (light, light, light))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>not found</html>",
        random.Random(0).randbytes(500),
        png(1)[:-40],
        png(1)[: len(png(1)) // 2],
    ],
    ids=["empty", "html", "random", "cut near its end", "cut in half"],
)
def test_damaged_bytes_are_corrupt(data: bytes) -> None:
    with pytest.raises(PictureError) as caught:
        open_picture(data, max_pixels=10_000)
    assert caught.value.reason == "image_corrupt"
    assert "object at" not in str(caught.value)


@pytest.mark.parametrize("size", [(101, 100), (30_000, 30_000), (60_000, 60_000)])
def test_more_pixels_than_allowed_are_never_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError) as caught:
        decode_picture(bomb(*size), max_pixels=10_000)
    assert caught.value.reason == "too_large"


def test_pillows_own_limit_is_kept_where_none_is_given() -> None:
    with pytest.raises(PictureError) as caught:
        decode_picture(bomb(60_000, 60_000))
    assert caught.value.reason == "too_large"


def test_the_limit_itself_is_allowed() -> None:
    decoded = decode_picture(png(1, (100, 100)), max_pixels=10_000)
    assert (decoded.width, decoded.height) == decoded.image.size == (100, 100)


def test_a_format_that_is_not_listed_is_corrupt() -> None:
    with pytest.raises(PictureError) as caught:
        open_picture(encoded(Image.new("RGB", (3, 2)), "PPM"))
    assert caught.value.reason == "image_corrupt"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_flipped_bytes_raise_nothing_but_picture_errors(kind: str) -> None:
    rng = random.Random(kind)
    data = encoded(Image.open(io.BytesIO(png(1, (32, 24), "RGB"))), kind)
    reasons = set()
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 3, 20])):
            damaged[rng.randrange(rng.choice([60, len(damaged)]))] = rng.randrange(256)
        try:
            open_picture(bytes(damaged), max_pixels=10_000)
        except PictureError as error:
            reasons.add(error.reason)
            assert "object at" not in str(error)
    assert "image_corrupt" in reasons
    assert reasons <= {"image_corrupt", "too_large"}


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ((1123, 794), (1024, 2**20), (1024, 724)),
        ((1000, 900), (1024, 450_000), (707, 636)),
        ((100, 50), (1024, 2**20), (100, 50)),
        ((4000, 1), (1000, 2**20), (1000, 1)),
    ],
)
def test_pictures_shrink_to_both_limits_and_never_grow(
    size: tuple[int, int], limits: tuple[int, int], expected: tuple[int, int]
) -> None:
    max_side, max_pixels = limits
    assert fitted_size(*size, max_side=max_side, max_pixels=max_pixels) == expected
    fitted = fit_within(Image.new("RGB", size), max_side=max_side, max_pixels=max_pixels)
    assert fitted.size == expected

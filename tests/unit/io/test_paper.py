"""Light lines on a transparent background, which white paper would hide, are drawn in black."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from schematic_reader.io.paper import on_paper
from schematic_reader.io.picture import decode_picture, on_white


def encoded(image: Image.Image, kind: str, **options: int | bool) -> Image.Image:
    """What is decoded of it."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return decode_picture(out.getvalue()).image


def lines(level: int, clear: int = 0, alpha: int = 255) -> Image.Image:
    """A bar of this grey on a transparent background, whose hidden grey is ``clear``."""
    image = Image.new("LA", (60, 40), (clear, 0))
    ImageDraw.Draw(image).rectangle((10, 5, 20, 30), fill=(level, alpha))
    return image


def black_bar() -> np.ndarray:
    return np.asarray(on_white(lines(0)))


def of_palette() -> Image.Image:
    image = Image.new("P", (60, 40), 0)
    image.putpalette([0, 0, 0, 255, 255, 255])
    ImageDraw.Draw(image).rectangle((10, 5, 20, 30), fill=1)
    return image


@pytest.mark.parametrize("clear", [0, 255])
@pytest.mark.parametrize("level", [0, 225, 255])
@pytest.mark.parametrize(
    ("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF")]
)
def test_lines_are_black_on_white(mode: str, kind: str, level: int, clear: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    found = on_paper(encoded(lines(level, clear).convert(mode), kind, **options))
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found), black_bar())


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
@pytest.mark.parametrize("mode", ["P", "L", "1"])
def test_one_colour_stands_for_transparency(mode: str, kind: str) -> None:
    image = of_palette() if mode == "P" else of_palette().convert("L").convert(mode)
    assert np.array_equal(np.asarray(on_paper(encoded(image, kind, transparency=0))), black_bar())


def test_an_edge_that_is_half_there_is_grey() -> None:
    found = on_paper(lines(255, alpha=100))
    assert found.getpixel((15, 10)) == (155, 155, 155)


@pytest.mark.parametrize(
    "image",
    [
        lines(0), lines(0, alpha=40), lines(180), lines(255).convert("L"),
        Image.new("RGBA", (60, 40), (255, 255, 255, 255)), Image.new("RGBA", (60, 40), (255, 255, 255, 0)),
    ],
)  # fmt: skip
def test_what_white_paper_shows_or_is_no_drawing_is_as_on_white(image: Image.Image) -> None:
    assert np.array_equal(np.asarray(on_paper(image)), np.asarray(on_white(image)))


def test_an_empty_page_with_clear_corners_stays_empty() -> None:
    page = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    ImageDraw.Draw(page).rounded_rectangle((0, 0, 59, 39), radius=8, fill="white")
    assert on_paper(page).getextrema() == ((255, 255),) * 3

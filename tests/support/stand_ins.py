"""Pictures of kinds that no reader was made for: drawn by hand, white on black, a page of text, a photo."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from schematic_reader.synthetic.sample import make_row

_TEXT = "The board shall be connected to a power supply of at most 5 V before use; see table 3 on page 12. "


def drawn(number: int) -> Image.Image:
    """A generated sheet of 640 x 448 pixels."""
    row = make_row(number, 42, width=640, height=448)
    return Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")


def white_on_black(number: int) -> Image.Image:
    return ImageOps.invert(drawn(number))


def wobbly(number: int) -> Image.Image:
    """A generated sheet with lines as a hand draws them, by a thick pen on grainy paper."""
    grey = np.asarray(drawn(number).convert("L"))
    height, width = grey.shape
    down, across = np.mgrid[0:height, 0:width]
    rows = (down + 3.5 * np.sin(across / 19 + 1) + 2.1 * np.sin(down / 13 + 2)).round().clip(0, height - 1)
    columns = (
        (across + 3.5 * np.sin(down / 17 + 3) + 2.1 * np.sin(across / 11 + 4)).round().clip(0, width - 1)
    )
    bent = Image.fromarray(grey[rows.astype(int), columns.astype(int)])
    ink = np.asarray(bent.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(1)), float) / 255
    grain = np.random.default_rng(number).normal(235, 5, grey.shape)
    return Image.fromarray((ink * grain).clip(0, 255).astype(np.uint8)).convert("RGB")


def page_of_text() -> Image.Image:
    page = Image.new("RGB", (700, 560), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for number in range(24):
        start = 7 * number % len(_TEXT)
        pen.text((40, 40 + 20 * number), _TEXT[start:] + _TEXT[:start], fill="black", font=font)
    return page


def photo(seed: int) -> Image.Image:
    """Soft colours with the grain of a camera."""
    rng = np.random.default_rng(seed)
    soft = Image.fromarray(rng.integers(0, 256, (8, 10, 3), np.uint8)).resize(
        (640, 480), Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 18, (480, 640, 3))
    return Image.fromarray((np.asarray(soft, float) + grain).clip(0, 255).astype(np.uint8))

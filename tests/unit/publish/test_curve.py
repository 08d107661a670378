"""The training curve of the model card, pixel by pixel."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from schematic_reader.cli import UserError
from schematic_reader.publish.curve import WIDTH, draw_curve, read_curve

SCALE = WIDTH / 380
BLUE = (22, 104, 199)  # s1, the second series


def test_the_curve_is_drawn_where_the_losses_are() -> None:
    """The axes end at 10 steps and a loss of 4: validation falls from the upper left corner to the middle."""
    image = Image.open(io.BytesIO(draw_curve([(1, 4.0), (10, 1.0)], [(0, 4.0), (10, 2.0)]))).convert("RGB")
    assert image.width == WIDTH
    top = round(22 * SCALE)  # below the legend
    blue = [
        (x, y) for x in range(image.width) for y in range(top, image.height) if image.getpixel((x, y)) == BLUE
    ]
    (left, high), (right, low) = min(blue), max(blue)
    assert left == pytest.approx(48 * SCALE, abs=8) and high == pytest.approx(32 * SCALE, abs=8)
    assert right == pytest.approx(368 * SCALE, abs=8) and low == pytest.approx((32 + 176 / 2) * SCALE, abs=8)


def test_its_texts_are_drawn_without_a_font_of_the_machine() -> None:
    """Numbers left of the axis, names in the legend and below: resvg omits text without a font."""
    image = Image.open(io.BytesIO(draw_curve([(1, 4.0)], [(0, 4.0), (10, 2.0)]))).convert("L")
    for box in ((16, 22, 36, 210), (56, 2, 120, 18), (150, 224, 270, 240)):
        part = image.crop(tuple(round(side * SCALE) for side in box))  # type: ignore[arg-type]
        assert part.getextrema()[0] < 140, box


def test_a_curve_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    for text in ("step\tloss\n1\tx\n", "a\tb\n1\t2\n", "step\tloss\n"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"train\.tsv"):
            read_curve(path)

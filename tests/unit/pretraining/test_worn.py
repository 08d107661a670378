"""A worn picture is another picture of the same sheet, the same from the same lot."""

from __future__ import annotations

import io
import random

import numpy as np
from PIL import Image

from pretraining.worn import worn
from schematic_reader.kicad.drawing.draw import draw_sheet, encode_png
from tests.support.pretraining import generated


def test_worn_pictures():
    png = encode_png(draw_sheet(generated(1)))
    before = Image.open(io.BytesIO(png)).convert("RGB")
    sizes, differences = set(), []
    for seed in range(12):
        made = worn(png, random.Random(seed))
        assert made == worn(png, random.Random(seed))
        picture = Image.open(io.BytesIO(made))
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        assert abs(picture.width / picture.height - before.width / before.height) < 0.01
        sizes.add(picture.size)
        same = np.asarray(picture.resize(before.size), float)
        differences.append(np.abs(same - np.asarray(before, float)).mean())
    assert len(sizes) > 1
    assert max(differences) > 1
    assert max(differences) < 60  # still the sheet

"""What the reader that ships says of pictures that are no sheets like those of its training."""

from __future__ import annotations

from contextlib import chdir
from dataclasses import replace

import pytest
from PIL import Image

from schematic_reader.config import load_params
from schematic_reader.kicad.drawing.png import encode_png
from schematic_reader.predict.loading import load_reader
from schematic_reader.predict.model_source import find_model, followed, settings_of
from schematic_reader.predict.opened_sheet import SheetLimits, open_sheets, render_scale
from schematic_reader.predict.parts import Reading
from tests.support.paths import ROOT
from tests.support.stand_ins import page_of_text, photo, white_on_black, wobbly


@pytest.fixture(scope="module")
def readings() -> dict[str, Reading]:
    """By name, the reading of each picture; an answer ends after 120 tokens, on a photo in a loop."""
    pictures: dict[str, Image.Image] = {
        "white on black": white_on_black(5), "wobbly": wobbly(6), "text": page_of_text(), "photo": photo(4),
    }  # fmt: skip
    with chdir(ROOT):
        settings = settings_of(None, ROOT)
        params = followed(settings, load_params(ROOT / "params.yaml"))
        source = find_model(None, params, ROOT)
        if source.calibration is None or source.calibration.parts is None:
            pytest.skip("the reader that ships has no calibration of parts")
        params = replace(params, evaluate=replace(params.evaluate, max_new_tokens=120))
        reader = load_reader(source, "components", params)
        limits = SheetLimits(params.active.image, params.clean.max_pixels, render_scale(params, settings))
        opened = (open_sheets(name, encode_png(picture), limits) for name, picture in pictures.items())
        sheets = [sheet for (sheet,) in opened]
        return dict(zip(pictures, reader.read(sheets), strict=True))


def test_a_sheet_in_other_colours_is_readable(readings: dict[str, Reading]) -> None:
    assert readings["white on black"].readable and not readings["white on black"].unlike


@pytest.mark.parametrize("name", ["wobbly", "text", "photo"])
def test_of_what_it_cannot_read_nothing_seems_right(readings: dict[str, Reading], name: str) -> None:
    assert readings[name].readable is False
    assert readings[name].unlike or readings[name].empty

"""The frame of a page, found in drawings."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from schematic_reader.io.page_frame import WHOLE, inside_frame
from schematic_reader.io.picture import resized

SIZE = (1123, 794)  # A4 at 96 pixels an inch, by which a millimetre has 3.78


def page(*insets: float, fill: tuple[int, int, int] = (132, 0, 0)) -> Image.Image:
    """An A4 page with a rectangle at each distance from its edges, in millimetres."""
    picture = Image.new("RGB", SIZE, (245, 244, 239))
    for inset in insets:
        at = round(inset * 3.78)
        ImageDraw.Draw(picture).rectangle((at, at, SIZE[0] - at, SIZE[1] - at), outline=fill)
    return picture


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_the_innermost_lines_bound_what_is_inside(scale: float) -> None:
    """KiCad's frame at 10 and 12 mm, also where a resized picture blurs its lines."""
    sheet = resized(page(10, 12), (round(SIZE[0] * scale), round(SIZE[1] * scale)))
    left, top, right, bottom = inside_frame(sheet)
    for start, end, side in ((left, right, 297), (top, bottom, 210)):
        assert 12 < start * side < 14
        assert 12 < side - end * side < 14
    box = [
        round(share * side) for share, side in zip((left, top, right, bottom), sheet.size * 2, strict=True)
    ]
    assert len(set(sheet.crop(tuple(box)).get_flattened_data())) < 20  # nothing but paper, as blurred


def test_without_lines_along_all_four_edges_there_is_no_frame() -> None:
    assert inside_frame(page()) == WHOLE
    assert inside_frame(page(50)) == WHOLE  # a box around a part of the circuit
    assert inside_frame(page(10, fill=(240, 240, 235))) == WHOLE  # as pale as dirt on a scan
    three = page(10, 12)
    three.paste((245, 244, 239), (0, 0, SIZE[0], 60))
    assert inside_frame(three) == WHOLE
    wires = page()
    ImageDraw.Draw(wires).line((100, 20, 1000, 20), fill=(0, 132, 0))
    assert inside_frame(wires) == WHOLE

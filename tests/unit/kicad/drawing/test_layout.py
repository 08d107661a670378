"""Boxes of the texts of a drawn sheet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.drawing.layout import character_centers, layout_of
from schematic_reader.kicad.model import Property
from schematic_reader.synthetic.sample import make_sheet


def generated(number: int, width: int = 320, height: int = 224):
    return make_sheet(number, 7, width=width, height=height)[0]


@pytest.mark.parametrize("number", range(4))
def test_boxes_of_fields_hold_all_their_ink(number):
    """The pixels that change when a text is hidden lie in the box that was noted for it."""
    sheet = generated(number)
    whole = np.asarray(draw_sheet(sheet, width=320, height=224).convert("L")).astype(int)
    layout = layout_of(sheet, 320, 224)
    checked = 0
    for index, drawn in enumerate(layout.symbols):
        reference = next(
            (t for t in layout.texts if t.symbol == index and t.text.startswith(drawn.symbol.reference)), None
        )
        if reference is None or not drawn.symbol.reference:
            continue
        place = sheet.symbols.index(drawn.symbol)
        properties = tuple(
            replace(p, value="") if p.key == "Reference" else p for p in drawn.symbol.properties
        )
        symbols = (
            *sheet.symbols[:place],
            replace(drawn.symbol, properties=properties),
            *sheet.symbols[place + 1 :],
        )
        without = np.asarray(draw_sheet(replace(sheet, symbols=symbols), width=320, height=224).convert("L"))
        ys, xs = np.nonzero(np.abs(whole - without.astype(int)) > 40)
        if not len(xs):
            continue
        x0, y0, x1, y1 = reference.box
        assert x0 - 2 <= xs.min() and xs.max() <= x1 + 2
        assert y0 - 2 <= ys.min() and ys.max() <= y1 + 2
        assert xs.max() - xs.min() >= 0.6 * (x1 - x0) - 3
        checked += 1
    assert checked >= 2


def test_characters_stand_in_reading_direction():
    layout = layout_of(generated(1), 320, 224)
    for text in layout.texts:
        centers = character_centers(text)
        assert "".join(char for char, _ in centers) == text.text.replace(" ", "")
        along = [-y if text.vertical else x for _, (x, y) in centers]
        assert along == sorted(along)


def test_hidden_fields_are_not_text():
    sheet = generated(0)
    symbols = tuple(
        replace(s, properties=(*s.properties, Property("Datasheet", "secret", hidden=True)))
        for s in sheet.symbols
    )
    assert "secret" not in {t.text for t in layout_of(replace(sheet, symbols=symbols), 320, 224).texts}

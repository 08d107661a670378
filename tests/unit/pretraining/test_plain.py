"""Sheets of symbols in rows."""

from __future__ import annotations

import random

from pretraining.plain import plain_sheet
from schematic_reader.kicad.drawing.layout import layout_of
from tests.support.pretraining import library


def test_symbols_do_not_overlap_and_stay_on_the_sheet():
    sheet = plain_sheet(library(), (150.0, 110.0), random.Random(3))
    bodies = [drawn.body for drawn in layout_of(sheet, 600, 440).symbols]
    assert len(bodies) > 8
    for i, a in enumerate(bodies):
        assert a[0] >= 0 and a[1] >= 0 and a[2] <= 600 and a[3] <= 440
        for b in bodies[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_every_symbol_has_its_reference_and_value_printed():
    """But for power symbols, whose reference is hidden."""
    sheet = plain_sheet(library(), (150.0, 110.0), random.Random(4))
    layout = layout_of(sheet, 600, 440)
    for index, drawn in enumerate(layout.symbols):
        texts = {text.text for text in layout.texts if text.symbol == index}
        power = sheet.lib_symbols[drawn.symbol.lib_id].power
        assert drawn.symbol.value in texts
        assert power or any(text.startswith(drawn.symbol.reference) for text in texts)

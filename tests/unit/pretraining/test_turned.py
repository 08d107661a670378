"""A turned or mirrored layout is the same circuit, drawn within its paper, its texts readable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pretraining.turned import LAYOUTS, turned
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.geometry import orientation
from schematic_reader.kicad.model import Arc, Label, Sheet, SheetBox, SheetPin, Table, Text, TextStyle
from schematic_reader.kicad.nets.netlist import nets
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet
from tests.support.kicad_sheets import every_feature
from tests.support.pretraining import generated

BACK = {0: 0, 1: 3, 2: 2, 3: 1, 4: 4, 5: 5, 6: 6, 7: 7}
"""The layout that undoes each layout."""


@pytest.fixture(scope="module")
def sheet():
    """A generated sheet, with what it lacks: a box with pins, notes, an arc, a flag."""
    box = SheetBox((30, 20), (20, 10), pins=(SheetPin("IN", "input", (30, 25), 180),))
    return replace(
        generated(5),
        sheets=(box,),
        graphics=(Text("note", (60, 20), style=TextStyle(h_align="left")), Arc((10, 10), (50, 70), (90, 10))),
        graphical_order="",
    )


@pytest.mark.parametrize("layout", range(1, LAYOUTS))
def test_the_circuit_stays(sheet, layout):
    after = read_sheet(write_sheet(turned(sheet, layout)))
    assert {frozenset(net.pins) for net in nets(after)} == {frozenset(net.pins) for net in nets(sheet)}
    assert after.size == (sheet.size[::-1] if layout % 2 else sheet.size)
    assert [s.properties[0].value for s in after.symbols] == [s.properties[0].value for s in sheet.symbols]


@pytest.mark.parametrize("layout", range(LAYOUTS))
def test_turning_back_gives_the_sheet(sheet, layout):
    back = turned(turned(sheet, layout), BACK[layout])
    assert [orientation(s.angle, s.mirror) for s in back.symbols] == [
        orientation(s.angle, s.mirror) for s in sheet.symbols
    ]
    assert draw_sheet(back).tobytes() == draw_sheet(sheet).tobytes()


@pytest.mark.parametrize("layout", range(1, LAYOUTS))
def test_the_ink_turns_with_it(sheet, layout):
    """But for letters, which stay readable, the drawing is the turned drawing."""
    bare = replace(
        sheet,
        size=(127.0, 101.6),  # 480 x 384 px
        frame=False,
        labels=(),
        graphics=tuple(item for item in sheet.graphics if not isinstance(item, Text)),
        sheets=tuple(replace(box, properties=(), pins=()) for box in sheet.sheets),
        symbols=tuple(replace(symbol, properties=()) for symbol in sheet.symbols),
        lib_symbols={
            key: replace(
                symbol,
                pin_names_hidden=True,
                pin_numbers_hidden=True,
                units=tuple(
                    replace(unit, graphics=tuple(g for g in unit.graphics if not isinstance(g, Text)))
                    for unit in symbol.units
                ),
            )
            for key, symbol in sheet.lib_symbols.items()
        },
    )
    before, after = (np.asarray(draw_sheet(one)) for one in (bare, turned(bare, layout)))
    expected = np.rot90(np.fliplr(before) if layout >= 4 else before, layout % 4)
    agree = np.mean(near(expected) & near(after)) / np.mean(near(expected) | near(after))
    assert agree > 0.95


def near(picture):
    """Where ink is within a pixel: lines between two pixels may fall on either."""
    ink = picture != picture[0, 0]
    out = ink.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            out |= np.roll(ink, step, axis)
    return out


@pytest.mark.parametrize("layout", range(LAYOUTS))
def test_everything_that_a_sheet_can_have_turns_back(layout):
    sheet = replace(every_feature(), tables=())
    assert draw_sheet(turned(turned(sheet, layout), BACK[layout])).tobytes() == draw_sheet(sheet).tobytes()


def test_texts_stand_on_the_side_that_the_turn_brings_them_to():
    note = Text("note", (60, 20), style=TextStyle(h_align="left", v_align="bottom"))
    flag = Label("net", (10, 20), kind="directive", angle=0)
    label = Label("net", (10, 20), angle=0)
    before = Sheet(size=(100, 50), graphics=(note,), labels=(flag, label))
    mirrored, left = turned(before, 4), turned(before, 1)
    assert mirrored.graphics == (
        replace(note, at=(40, 20), style=TextStyle(h_align="right", v_align="bottom")),
    )
    assert left.graphics == (replace(note, at=(20, 40), angle=90.0),)
    assert [one.angle for one in mirrored.labels] == [0, 180]
    assert [one.angle for one in left.labels] == [90, 90]


def test_a_sheet_with_a_table_stays():
    sheet = Sheet(tables=(Table(1, (), ()),))
    assert turned(sheet, 1) is sheet

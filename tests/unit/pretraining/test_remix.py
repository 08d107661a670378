"""A remixed sheet has the layout of the real one and other texts."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from pretraining.material import gather, prefix_of
from pretraining.remix import Remixer
from pretraining.scene import Scene
from schematic_reader.kicad.model import Text
from tests.support.pretraining import annotated, library

SHEETS = [(f"owner/repository-{number}", annotated(number)) for number in (1, 4, 5, 6, 9)]
REMIXER = Remixer(gather(SHEETS, library()))
SHEET = annotated(0)


def remixed(seed):
    return REMIXER(SHEET, random.Random(seed))


def blank(item):
    return replace(item, text="") if isinstance(item, Text) else item


@pytest.mark.parametrize("seed", range(5))
def test_symbols_wires_and_labels_stay_where_they_are(seed):
    new = remixed(seed)
    assert [s.at for s in new.symbols] == [s.at for s in SHEET.symbols]
    assert [(s.angle, s.mirror) for s in new.symbols] == [(s.angle, s.mirror) for s in SHEET.symbols]
    assert new.lines == SHEET.lines and new.junctions == SHEET.junctions and new.size == SHEET.size
    assert [(x.at, x.kind) for x in new.labels] == [(x.at, x.kind) for x in SHEET.labels]
    assert [(x.at, x.size) for x in new.sheets] == [(x.at, x.size) for x in SHEET.sheets]
    assert [blank(x) for x in new.graphics] == [blank(x) for x in SHEET.graphics]
    for placed in new.symbols:
        assert (placed.lib_name or placed.lib_id) in new.lib_symbols


def test_texts_change_and_another_seed_changes_them_otherwise():
    def texts(sheet):
        return {
            "values": [s.value for s in sheet.symbols],
            "references": [s.reference for s in sheet.symbols],
            "labels": [label.text for label in sheet.labels],
            "notes": [item.text for item in sheet.graphics if isinstance(item, Text)],
            "boxes": [p.value for box in sheet.sheets for p in box.properties],
            "pins": [p.name for s in sheet.lib_symbols.values() for unit in s.units for p in unit.pins],
            "title": [sheet.title_block.title],
        }

    before, one, two = texts(SHEET), texts(remixed(1)), texts(remixed(2))
    assert one == texts(remixed(1))
    for name, found in one.items():
        assert before[name] and found != before[name] and found != two[name], name


@pytest.mark.parametrize("seed", range(5))
def test_references_keep_their_letters_and_units_of_a_part_their_number(seed):
    new = remixed(seed)
    renamed = {}
    for old, placed in zip(SHEET.symbols, new.symbols, strict=True):
        assert prefix_of(placed.reference) == prefix_of(old.reference)
        assert renamed.setdefault(old.reference, placed.reference) == placed.reference
    twice = [name for name, count in Counter(s.reference for s in SHEET.symbols).items() if count > 1]
    assert any(prefix_of(name) != name for name in twice)


@pytest.mark.parametrize("seed", range(5))
def test_labels_of_one_net_keep_one_name(seed):
    names = {}
    pairs = list(zip(SHEET.labels, remixed(seed).labels, strict=True))
    assert len({old.text for old, _ in pairs}) < len(pairs)
    for old, new in pairs:
        assert names.setdefault(old.text, new.text) == new.text


def test_some_symbols_get_another_drawing_of_about_the_same_size():
    swapped = 0
    for seed in range(10):
        new = remixed(seed)
        for old, placed in zip(SHEET.symbols, new.symbols, strict=True):
            if placed.lib_id.startswith("swapped:"):
                swapped += 1
                pins = [
                    sum(len(unit.pins) for unit in symbol.units)
                    for symbol in (SHEET.lib_symbols[old.lib_id], new.lib_symbols[placed.lib_id])
                ]
                assert pins[1] <= 1.2 * pins[0] + 1
    assert swapped > 5


def test_a_remixed_sheet_can_be_drawn_and_read():
    view = Scene(remixed(3), 640, 448).view(0, 0, 640, 448)
    printed = {s.reference for s in view.symbols if s.reference}
    assert len(printed) > 5 and len(view.texts) > 20

"""The truth about a drawn sheet and the windows that are cut from it."""

from __future__ import annotations

import numpy as np
import pytest

from pretraining.kinds import LABEL_KINDS, all_kinds
from pretraining.scene import CHARACTER_CLASSES, KIND_CLASSES, SPOT, Scene, kinds
from pretraining.tokens import CELL
from schematic_reader.kicad.drawing.layout import layout_of
from tests.support.pretraining import annotated

WIDTH, HEIGHT = 960, 672


@pytest.fixture(scope="module")
def sheet():
    return annotated(1)


@pytest.fixture(scope="module")
def scene(sheet):
    return Scene(sheet, WIDTH, HEIGHT)


def test_a_window_shows_the_texts_whose_boxes_it_holds(scene, sheet):
    left, top, width, height = 240, 168, 384, 264
    view = scene.view(left, top, width, height)
    expected = [
        (t.text, (t.box[0] + t.box[2]) / 2 - left, (t.box[1] + t.box[3]) / 2 - top)
        for t in layout_of(sheet, WIDTH, HEIGHT).texts
        if t.box[0] >= left - 1
        and t.box[1] >= top - 1
        and t.box[2] <= left + width + 1
        and t.box[3] <= top + height + 1
    ]
    assert 5 < len(expected) < len(scene.view(0, 0, WIDTH, HEIGHT).texts)
    assert [(t.text, t.x, t.y) for t in view.texts] == expected


def test_a_symbol_cut_by_the_edge_keeps_only_what_can_be_seen(scene):
    whole = scene.view(0, 0, WIDTH, HEIGHT)
    symbol = next(s for s in whole.symbols if s.reference and s.value)
    texts = {t.text: t for t in whole.texts if t.symbol == whole.symbols.index(symbol)}
    edge = int(texts[symbol.reference].x)  # through the middle of the reference
    kept = scene.view(edge, 0, WIDTH - edge, HEIGHT)
    others = [s for s in kept.symbols if (s.x + edge, s.y) == (symbol.x, symbol.y)]
    for other in others:
        assert other.reference == "" and other.kind == symbol.kind
    far = scene.view(int(symbol.body[2]) + 1, 0, WIDTH - int(symbol.body[2]) - 1, HEIGHT)
    assert all((s.x + int(symbol.body[2]) + 1, s.y) != (symbol.x, symbol.y) for s in far.symbols)


def test_places_of_a_window_are_those_of_the_sheet(scene):
    whole, view = scene.view(0, 0, WIDTH, HEIGHT), scene.view(48, 72, 840, 576)
    places = {(s.reference, s.kind, s.x, s.y, s.anchor) for s in whole.symbols}
    moved = {
        (s.reference, s.kind, s.x + 48, s.y + 72, (s.anchor[0] + 48, s.anchor[1] + 72)) for s in view.symbols
    }
    assert len(moved) > 5
    assert {(kind, round(x, 6), round(y, 6)) for _, kind, x, y, _ in moved} <= {
        (kind, round(x, 6), round(y, 6)) for _, kind, x, y, _ in places
    }


def test_characters_lie_on_ink_and_spell_the_texts(scene):
    grid = scene.characters(0, 0, WIDTH, HEIGHT)
    assert grid.shape == (HEIGHT // SPOT, WIDTH // SPOT) and grid.max() < CHARACTER_CLASSES
    ink = (scene.pixels != 0).reshape(HEIGHT // CELL, CELL, WIDTH // CELL, CELL).any((1, 3))
    side = CELL // SPOT
    with_text = (grid > 0).reshape(HEIGHT // CELL, side, WIDTH // CELL, side).any((1, 3))
    assert with_text.sum() > 20
    assert ink[with_text].mean() > 0.99
    # A spot's class is the place of the character among the printable ones of ASCII, from 1 on.
    level = [t for t in layout_of(annotated(1), WIDTH, HEIGHT).texts if t.text == "supply"]
    (text,) = level
    y, x0, x1 = (text.box[1] + text.box[3]) / 2, text.box[0], text.box[2]
    row = grid[int(y) // SPOT, int(x0) // SPOT : int(x1) // SPOT + 1]
    spelt = "".join(chr(32 + value) for value in row if value)
    assert spelt and all(char in "supply" for char in spelt) and len(spelt) >= 4


def test_characters_of_a_window_are_those_of_the_sheet(scene):
    whole = scene.characters(0, 0, WIDTH, HEIGHT)
    window = scene.characters(5 * SPOT, 3 * SPOT, 480, 240)
    np.testing.assert_array_equal(window, whole[3 : 3 + 240 // SPOT, 5 : 5 + 480 // SPOT])


def test_cells_name_the_symbol_whose_middle_and_body_lie_in_them(scene):
    view = scene.view(0, 0, WIDTH, HEIGHT)
    grid = kinds(view)
    assert grid.shape == (2, HEIGHT // CELL, WIDTH // CELL) and grid.max() < KIND_CLASSES
    classes = {kind: number for number, kind in enumerate(all_kinds(), 1)}
    middles = {}
    for symbol in view.symbols:
        middles.setdefault((int(symbol.y) // CELL, int(symbol.x) // CELL), []).append(classes[symbol.kind])
    symbols = set(middles)
    assert len(symbols) > 5
    for text in view.texts:
        cell = (int(text.y) // CELL, int(text.x) // CELL)
        if text.ink in LABEL_KINDS and cell not in symbols:
            middles.setdefault(cell, []).append(classes[LABEL_KINDS[text.ink]])
    assert len(middles) > len(symbols)
    for (row, column), found in middles.items():
        assert grid[0, row, column] in found
        assert grid[1, row, column] > 0 or (row, column) not in symbols
    assert (grid[0] > 0).sum() == len(middles)
    assert (grid[1] > 0).sum() > len(symbols)


def test_the_window_of_pixels_is_cut_where_the_view_is(maker):
    """The chunk's pictures hold ink where its characters are, and none where its window is blank."""
    chunk = maker(4, "crop")
    count, height, width = chunk.pictures.shape
    side = CELL // SPOT
    ink = (chunk.pictures != 0).reshape(count, height // CELL, CELL, width // CELL, CELL).any((2, 4))
    text = (chunk.characters > 0).reshape(count, height // CELL, side, width // CELL, side).any((2, 4))
    assert text.sum() > 5
    assert ink[text].mean() > 0.95

"""Chunks of pictures with questions."""

from __future__ import annotations

import random
from dataclasses import fields, replace

import numpy as np
import pytest

from pretraining import material
from pretraining.enlarged import FACTORS
from pretraining.feed import VALIDATION_CHUNK
from pretraining.questions import NAMES
from pretraining.sheets import REAL_SCALE, SheetMaker
from pretraining.tokens import TURN_END
from schematic_reader.cli import UserError
from tests.support.pretraining import SETTINGS, SHAPES


@pytest.fixture
def decoder(processor):
    return processor.tokenizer


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_chunk_is_the_same_for_the_same_number_and_another_for_another(maker, name):
    one, again, other = maker(5, name), maker(5, name), maker(6, name)
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(again, field.name)
        np.testing.assert_array_equal(a, b)
        assert a.shape == getattr(maker.empty(name), field.name).shape
    assert not np.array_equal(one.pictures, other.pictures)


@pytest.mark.parametrize("name", list(SHAPES))
def test_each_slot_holds_a_question_and_what_follows_it_is_the_answer(maker, name, decoder):
    chunk, shape = maker(5, name), SHAPES[name]
    whole = 0
    for tokens, answers, asked in zip(chunk.tokens[0], chunk.answers[0], chunk.asked[0], strict=True):
        ends = np.cumsum(shape.slots)
        assert len(tokens) == ends[-1]
        for ids, marks, which in zip(
            np.split(tokens, ends[:-1]), np.split(answers, ends[:-1]), asked, strict=True
        ):
            question = decoder.decode(ids[: int(np.argmax(marks))] if marks.any() else ids)
            assert question.endswith("<|im_end|>\n<|im_start|>assistant\n") or not marks.any()
            (used,) = np.nonzero(marks)
            assert not len(used) or (np.diff(used) == 1).all()
            if len(used) and ids[used[-1]] == TURN_END:
                whole += 1
                assert not ids[used[-1] + 1 :].any() and TURN_END not in ids[used[:-1]]
            assert NAMES[which]
    assert whole


@pytest.mark.parametrize("source", list(SETTINGS.sources))
def test_every_source_gives_sheets_with_symbols_and_texts(maker, source):
    alone = SheetMaker(replace(SETTINGS, sources={source: 1.0}), maker.tokenizer_file, maker.material_file)
    rng = random.Random(2)
    real = material.read(maker.material_file).sheets
    found = [alone.sheet((150.0, 110.0), real, rng) for _ in range(3)]
    assert all(sheet.symbols for sheet in found)
    assert found[0] != found[1]


def test_validation_has_the_layouts_that_are_never_trained_on(maker, tmp_path):
    known = material.read(maker.material_file)
    empty = replace(known.sheets[0], symbols=(), labels=(), graphics=(), sheets=(), frame=False)
    material.write(replace(known, held_out=(empty,)), tmp_path / "material.pickle.xz")
    settings = replace(SETTINGS, sources={"real": 1.0})
    alone = SheetMaker(settings, maker.tokenizer_file, tmp_path / "material.pickle.xz")
    assert alone(VALIDATION_CHUNK - 1, "crop").characters.any()
    assert not alone(VALIDATION_CHUNK, "crop").characters.any()


def test_a_shape_that_no_sheet_fits_is_an_error(maker):
    settings = replace(SETTINGS, sources={"real": 1.0})
    with pytest.raises(UserError, match="240 x 192 px"):
        SheetMaker(settings, maker.tokenizer_file, maker.material_file)(5, "sheet")


def test_windows_hold_something_and_lie_in_the_sheet(maker):
    windows = maker.windows(SHAPES["crop"], random.Random(3))
    seen = 0
    for _ in range(12):
        scene, left, top, view, _ = next(windows)
        height, width = scene.pixels.shape
        assert 0 <= left <= width - view.width and 0 <= top <= height - view.height
        seen += bool(view.texts or view.symbols)
    assert seen > 8


def test_a_sheet_is_shown_whole(maker):
    scene, left, top, view, _ = next(maker.windows(SHAPES["sheet"], random.Random(3)))
    assert (left, top) == (0, 0) and scene.pixels.shape == (view.height, view.width) == (192, 240)


def test_enlarged_windows_have_texts_as_much_larger(maker):
    """A window of twice the real scale, enlarged to twice, shows what one of the real scale does."""
    windows = maker.windows(SHAPES["crop"], random.Random(4))
    found = [(scene.scale, enlarged) for scene, _, _, _, enlarged in (next(windows) for _ in range(120))]
    before = [scale / FACTORS[enlarged] for scale, enlarged in found if enlarged]
    assert len(before) > 20 and len({enlarged for _, enlarged in found}) > 3
    assert all(0.9 * REAL_SCALE < scale < 1.2 * REAL_SCALE for scale in before)
    assert any(scale > 1.3 * REAL_SCALE for scale, enlarged in found if not enlarged)
    assert maker(5, "crop").enlarged.shape == (SHAPES["crop"].fresh,)


def test_half_of_the_real_sheets_have_parts_without_numbers_other_letters_or_another_layout(maker):
    """As the copies to tune on; the others keep places and the letters of their references."""
    real = material.read(maker.material_file).sheets
    alone = SheetMaker(replace(SETTINGS, sources={"real": 1.0}), maker.tokenizer_file, maker.material_file)
    places = {tuple(s.at for s in sheet.symbols) for sheet in real}
    rng = random.Random(5)
    made = [alone.sheet((150.0, 110.0), real, rng) for _ in range(60)]
    assert 15 < sum(tuple(s.at for s in sheet.symbols) in places for sheet in made) < 50
    assert any(s.reference.endswith("?") for sheet in made for s in sheet.symbols)

"""The tokenizer that is trained for the base model."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from pretraining import init, tokenizer
from pretraining.tokens import PLACES, SPECIAL_TOKENS, VOCABULARY, position

TRAINED = tokenizer.train(["What is the value of R12?", "small resistor 4k7, small capacitor 100n"] * 5)


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_comes_back_unchanged(text):
    assert TRAINED.decode(TRAINED.encode(text).ids, skip_special_tokens=False) == text


def test_special_tokens_come_first():
    assert [TRAINED.token_to_id(token) for token in SPECIAL_TOKENS] == list(range(len(SPECIAL_TOKENS)))
    assert TRAINED.get_vocab_size() <= VOCABULARY


def test_digits_and_capitals_stand_alone_and_words_grow_together():
    assert TRAINED.encode("STM32F103").tokens == list("STM32F103")
    assert TRAINED.encode("small").tokens == ["small"]


def test_places_are_two_tokens():
    assert position(0, 1) == "<|x00|><|y99|>"
    for place in range(PLACES):
        text = position((place + 0.5) / PLACES, 0.5)
        assert TRAINED.encode(text).tokens == [f"<|x{place:02d}|>", "<|y50|>"]


def test_what_it_is_trained_on_are_questions_and_answers(material_file):
    found = list(islice(init.lines(material_file), 16))
    assert all(isinstance(line, str) and line for line in found)
    assert any(line.startswith("What ") for line in found[::2])

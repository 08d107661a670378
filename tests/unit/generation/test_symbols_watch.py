"""Answers that end where their symbols do, before the model ends them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schematic_reader.generation import symbols_watch
from schematic_reader.generation.symbols_watch import REPEATED, Repetition
from schematic_reader.tasks.contract import SymbolsEnd
from tests.support.answering import Ask, Rows

AFTER_SIX = SymbolsEnd(r"(?P<symbols>.{6})", closers="!", empty="")
"""Takes the first six characters for the symbols, whatever they are: the small base model says none."""

LOOPING = {"repetition_penalty": 0.02}
"""Rewards what was said before, so that most answers never end by themselves."""

NONE = SymbolsEnd(r".(?P<symbols>x{9})?", closers="!", empty="nothing")


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_an_answer_ends_with_its_symbols_and_is_as_far_what_it_was(
    rows: Rows, ask: Ask, batch_size: int
) -> None:
    """Short answers end by themselves."""
    how = {"batch_size": batch_size, "max_new_tokens": 12, **LOOPING}
    whole = ask(rows[1], **how)
    cut = ask(rows[1], symbols_end=AFTER_SIX, **how)
    for answer, other in zip(cut, whole, strict=True):
        if len(other.text) < 6:
            assert answer == other
            continue
        tokens = next(count for count, end in enumerate(other.ends, start=1) if end >= 6)
        assert (answer.text, answer.finish) == (other.text[:6] + "!", "stop")
        assert answer.tokens == tokens == len(answer.probabilities)
        assert answer.ends == [min(end, 7) for end in other.ends[:tokens]]
        assert answer.probabilities == pytest.approx(other.probabilities[:tokens], abs=1e-5)
    assert any(answer.tokens < other.tokens for answer, other in zip(cut, whole, strict=True))


def test_nothing_is_generated_behind_the_symbols(rows: Rows, ask: Ask) -> None:
    """A limit of tokens that would take minutes is never reached."""
    answers = ask(rows[1], symbols_end=AFTER_SIX, max_new_tokens=1 << 12, **LOOPING)
    assert max(answer.tokens for answer in answers) <= 7
    assert any(answer.text.endswith("!") for answer in answers)


def test_an_answer_without_symbols_is_that_of_an_empty_sheet(rows: Rows, ask: Ask) -> None:
    whole = ask(rows[1])
    answers = ask(rows[1], symbols_end=NONE)
    said = [(answer.text, answer.finish) for answer, other in zip(answers, whole, strict=True) if other.text]
    assert said == [("nothing", "stop")] * len(said) and said


def test_beams_give_the_same_symbols(rows: Rows, ask: Ask) -> None:
    whole = ask(rows[1], num_beams=2, **LOOPING)
    cut = ask(rows[1], num_beams=2, symbols_end=AFTER_SIX, **LOOPING)
    assert any(len(answer.text) > 6 for answer in whole)
    for answer, other in zip(cut, whole, strict=True):
        text = other.text[:6] + "!" if len(other.text) >= 6 else other.text
        assert replace(answer, tokens=0, finish="") == replace(other, tokens=0, finish="", text=text)


NEVER = SymbolsEnd(r"(?P<symbols>x{999})", closers="!", empty="")


def test_an_answer_that_repeats_itself_is_cut_off_there(
    rows: Rows, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ask(rows[1], max_new_tokens=40, **LOOPING)
    monkeypatch.setattr(symbols_watch, "REPEATED", 2)
    cut = ask(rows[1], symbols_end=NEVER, max_new_tokens=40, **LOOPING)
    for answer, other in zip(cut, whole, strict=True):
        assert other.text.startswith(answer.text) and answer.tokens <= other.tokens
        assert answer == other or answer.finish == "length"
    assert any(answer.tokens < other.tokens for answer, other in zip(cut, whole, strict=True))


@given(
    before=st.lists(st.integers(0, 3), max_size=30),
    period=st.lists(st.integers(0, 3), min_size=1, max_size=64),
)
def test_a_period_counts_when_it_stands_there_often_enough(before: list[int], period: list[int]) -> None:
    watch = Repetition()
    # The start may belong to a period that ends it, but no shorter one repeats as often before.
    said = [watch(token) for token in before + period * REPEATED]
    assert said[-1] and not any(said[: min(len(said) - 1, REPEATED - 1)])


def test_fewer_copies_and_longer_periods_do_not_count() -> None:
    watch = Repetition()
    assert not any(watch(token) for token in [1, 2, 3] * (REPEATED - 1) + [1, 2])
    assert not any(watch(token) for token in [4] + [1, 2, 3] * (REPEATED - 1) + [5])
    watch = Repetition()
    assert not any(watch(token) for token in list(range(65)) * REPEATED)

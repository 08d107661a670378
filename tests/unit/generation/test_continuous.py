"""Answers in slots: other words than the likeliest, interruptions, limits and what is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._dynamo.testing import CompileCounterWithBackend

from schematic_reader.generation import continuous, slots
from schematic_reader.generation.continuous import PROMPT_TOKENS, plan_prompts
from schematic_reader.generation.generate import answer_sheets
from schematic_reader.generation.grammar import held_to
from schematic_reader.generation.journal import Journal
from schematic_reader.generation.stopwatch import Stopwatch
from schematic_reader.tasks import task
from tests.unit.generation.test_generate import ROWS, Recorded, ask, rows  # noqa: F401, the fixtures

Rows = tuple[Path, list[dict[str, Any]]]


@given(
    lengths=st.lists(st.integers(1, 2 * PROMPT_TOKENS), max_size=60),
    slots=st.integers(1, 70),
)
def test_every_prompt_is_in_one_row_in_order_and_rows_fit_into_slots(lengths: list[int], slots: int) -> None:
    plan = plan_prompts(lengths, slots=slots)
    assert [place for row in plan for place in row] == list(range(len(lengths)))
    for row in plan:
        assert len(row) <= max(slots // 4, 1) or len(lengths) <= slots
        assert len(row) <= 1 or sum(lengths[place] for place in row) <= PROMPT_TOKENS
    # No two neighbours would fit together, but for the first row, which is short.
    for row, after in pairwise(plan[1:]):
        full = sum(lengths[place] for place in [*row, after[0]]) > PROMPT_TOKENS
        assert full or len(row) == max(slots // 4, 1)


@pytest.mark.parametrize("penalty", [0.02, 50.0])
def test_a_repetition_penalty_gives_what_batches_give(rows: Rows, ask: Any, penalty: float) -> None:  # noqa: F811
    plain = ask(rows[1], max_new_tokens=12)
    batches, found = (
        ask(rows[1], max_new_tokens=12, repetition_penalty=penalty, continuous=continuous)
        for continuous in (False, True)
    )
    assert [answer.text for answer in found] == [answer.text for answer in batches]
    # The small model repeats itself only where that is rewarded.
    assert ([answer.text for answer in found] == [answer.text for answer in plain]) == (penalty > 1)
    for answer, other in zip(found, batches, strict=True):
        assert answer.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_a_grammar_gives_what_batches_give(rows: Rows, ask: Any) -> None:  # noqa: F811
    pytest.importorskip("llguidance")
    encoder, grammar = ask.args[1], task("json").grammar
    assert grammar is not None
    narrowed = held_to(grammar.lark, grammar.closers, encoder, max_new_tokens=40)
    batches, found = (
        ask(rows[1], max_new_tokens=40, narrowed=narrowed, continuous=continuous)
        for continuous in (False, True)
    )
    assert [answer.text for answer in found] == [answer.text for answer in batches]
    assert all(task("json").parse(answer.text).valid for answer in found)


class Each(Journal):
    """Is interrupted when so many answers are kept."""

    left = 3

    def add(self, values: Mapping[str, dict[str, Any]]) -> None:
        super().add(values)
        self.left -= len(values)
        if self.left <= 0:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path,
    rows: Rows,  # noqa: F811
    ask: Any,  # noqa: F811
) -> None:
    model, encoder, _ = ask.args
    how = ask.keywords | {"batch_size": 4, "continuous": True}
    whole, path = ask(rows[1], **how), tmp_path / "part" / "answers.jsonl"
    with pytest.raises(KeyboardInterrupt):
        ask(rows[1], **how, journal=Each(path, "run"))
    kept = Journal(path, "run")
    before = set(kept.values)
    assert 3 <= len(before) < ROWS
    again, journal = Recorded(rows[0]), Journal(path, "run")
    asked: list[str] = []
    add = journal.add
    journal.add = lambda values: (asked.extend(values), add(values))[1]  # type: ignore[method-assign]
    assert answer_sheets(model, encoder, again, rows[1], **how, journal=journal) == whole
    assert set(asked).isdisjoint(before) and set(asked) | before == {f"seen:{row['id']}" for row in rows[1]}
    # A run that has all answers looks at nothing.
    idle = Recorded(rows[0])
    assert answer_sheets(model, encoder, idle, rows[1], **how, journal=journal) == whole
    assert idle.seen == []


@pytest.mark.parametrize("continuous", [False, True])
def test_each_answer_may_have_its_own_limit(rows: Rows, ask: Any, continuous: bool) -> None:  # noqa: F811
    free, limits = ask(rows[1], max_new_tokens=9), [1, 9, 3, 5, 2]
    held = ask(rows[1], max_new_tokens=9, limits=limits, continuous=continuous)
    for answer, other, limit in zip(held, free, limits, strict=True):
        assert answer.tokens == min(limit, other.tokens)
        assert other.text.startswith(answer.text)
        assert answer.finish == ("length" if limit <= other.tokens else other.finish)


def test_prompts_and_steps_are_timed(rows: Rows, ask: Any) -> None:  # noqa: F811
    watch = Stopwatch(torch.device("cpu"))
    answers = ask(rows[1], batch_size=len(rows[1]), continuous=True, stopwatch=watch)
    assert len(watch.milliseconds("prompts")) == 1
    assert len(watch.milliseconds("steps")) >= max(answer.tokens for answer in answers)
    assert min(watch.milliseconds("steps")) > 0


def test_layers_are_compiled_once_for_prompts_and_steps_of_any_shape(
    rows: Rows,  # noqa: F811
    ask: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other lengths of rows, of the cache that is looked at, and numbers of slots compile nothing anew.

    Sizes that happen to be equal, as 256 tokens and 256 features, would: PyTorch takes them for one.
    """
    monkeypatch.setattr(slots, "GRAIN", 20)  # with 6 tokens, steps look at all places
    monkeypatch.setattr(continuous, "PROMPT_GRAIN", 3)
    looked_at = set()
    step = slots.Slots._step
    monkeypatch.setattr(slots.Slots, "_step", lambda self, seen: (looked_at.add(seen), step(self, seen))[1])
    plain = ask(rows[1])
    torch._dynamo.reset()  # what other tests have compiled counts against the limit of versions
    graphs = CompileCounterWithBackend("eager")
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **how: compile_module(self, backend=graphs, **how)
    )
    how = {"continuous": True, "compiled_from": 0}
    try:
        first = ask(rows[1], batch_size=5, max_new_tokens=6, **how)
        count = graphs.frame_count
        ask(rows[1][:3], batch_size=3, max_new_tokens=60, **how)
        monkeypatch.setattr(slots, "GRAIN", 2)
        ask(rows[1], batch_size=5, **how)
    finally:
        for module in ask.args[0].modules():
            module._compiled_call_impl = None
        torch._dynamo.reset()
    assert [answer.text for answer in first] == [answer.text for answer in plain]
    assert 0 < count == graphs.frame_count
    assert len(looked_at) > 2

"""Continuous batching: logits processors, limits of single requests, the plan of prefills, compilation."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._dynamo.testing import CompileCounterWithBackend

from schematic_reader.generation import continuous_batching, kv_cache
from schematic_reader.generation.answerer import Answerer
from schematic_reader.generation.continuous_batching import PREFILL_TOKENS, plan_prefills
from schematic_reader.generation.kv_cache import SlotKVCache
from schematic_reader.generation.settings import GenerationSettings
from schematic_reader.model.encode import Encoder
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.tasks import task
from tests.support.answering import (
    LIMITS,
    Ask,
    Rows,
    generated_continuously,
    generated_in_static_batches,
)


@given(
    lengths=st.lists(st.integers(1, 2 * PREFILL_TOKENS), max_size=60),
    slots=st.integers(1, 70),
)
def test_every_prompt_is_in_one_prefill_in_order_and_prefills_fit_into_slots(
    lengths: list[int], slots: int
) -> None:
    plan = plan_prefills(lengths, slots=slots)
    assert [place for places in plan for place in places] == list(range(len(lengths)))
    for places in plan:
        assert len(places) <= max(slots // 4, 1) or len(lengths) <= slots
        assert len(places) <= 1 or sum(lengths[place] for place in places) <= PREFILL_TOKENS
    # No two neighbours would fit together, but for the first prefill, which is short.
    for places, after in pairwise(plan[1:]):
        full = sum(lengths[place] for place in [*places, after[0]]) > PREFILL_TOKENS
        assert full or len(places) == max(slots // 4, 1)


@pytest.mark.parametrize("penalty", [0.02, 50.0])
def test_a_repetition_penalty_gives_what_static_batches_give(
    rows: Rows, model: Any, encoder: Encoder, penalty: float
) -> None:
    settings = GenerationSettings(batch_size=2, max_new_tokens=12)
    plain = generated_in_static_batches(model, encoder, rows, settings)
    settings = replace(settings, repetition_penalty=penalty)
    batches = generated_in_static_batches(model, encoder, rows, settings)
    found = generated_continuously(model, encoder, rows, settings)
    assert [answer.ids for answer in found] == [answer.ids for answer in batches]
    # Without a penalty the small model says "R202" of one sheet, with digits that penalty and reward change.
    assert [answer.ids for answer in found] != [answer.ids for answer in plain]


@pytest.mark.slow
def test_a_grammar_gives_what_static_batches_give(rows: Rows, model: Any, encoder: Encoder) -> None:
    pytest.importorskip("llguidance")
    settings = GenerationSettings(batch_size=2, max_new_tokens=40, grammar=task("json").grammar)
    assert settings.grammar is not None
    batches = generated_in_static_batches(model, encoder, rows, settings)
    found = generated_continuously(model, encoder, rows, settings)
    assert [answer.ids for answer in found] == [answer.ids for answer in batches]
    texts = [encoder.tokenizer.decode(answer.ids, skip_special_tokens=True) for answer in found]
    assert all(task("json").parse(text).valid for text in texts)


class FixedLengths(Answerer):
    """Answers of lengths that are known, as a benchmark wants them."""

    limits: ClassVar = {"0": 1, "1": 9, "2": 3, "3": 5, "4": 2}

    def max_new_tokens(self, row: dict[str, Any]) -> int:
        return self.limits[row["id"]]


def test_each_request_may_have_its_own_limit(rows: Rows, model: Any, encoder: Encoder, ask: Ask) -> None:
    free = ask(rows[1], max_new_tokens=9)
    settings = GenerationSettings(batch_size=2, max_new_tokens=9)
    held = FixedLengths(lambda: model, encoder, settings).answer(
        SheetImages(rows[0], "test", LIMITS), rows[1]
    )
    for row, answer, other in zip(rows[1], held, free, strict=True):
        limit = FixedLengths.limits[row["id"]]
        assert answer.tokens == min(limit, other.tokens)
        assert other.text.startswith(answer.text)
        assert answer.finish == ("length" if limit <= other.tokens else other.finish)


def test_a_step_on_a_cpu_takes_the_slots_in_use_alone(
    rows: Rows, model: Any, encoder: Encoder, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers of 1, 9, 3, 5 and 2 tokens: a request that moves to another slot goes on as it was."""
    taken = []
    step = SlotKVCache.decode_step

    def recorded(self: SlotKVCache, longest: int, slots: int | None) -> torch.Tensor:
        taken.append(slots)
        return step(self, longest, slots)

    monkeypatch.setattr(SlotKVCache, "decode_step", recorded)
    monkeypatch.setattr(continuous_batching, "MAX_THREADS", 1)
    settings = GenerationSettings(batch_size=5, max_new_tokens=9)
    sheets = SheetImages(rows[0], "test", LIMITS)
    found = FixedLengths(lambda: model, encoder, settings).answer(sheets, rows[1])
    assert taken[0] == 5
    assert taken == sorted(taken, reverse=True)
    assert sum(taken) == sum(answer.tokens + (answer.finish == "stop") for answer in found)
    for answer, other in zip(found, ask(rows[1], max_new_tokens=9), strict=True):
        assert other.text.startswith(answer.text)
        assert answer.probabilities == pytest.approx(
            other.probabilities[: len(answer.probabilities)], abs=1e-5
        )


@pytest.mark.slow
def test_layers_are_compiled_once_for_prompts_and_steps_of_any_shape(
    rows: Rows,
    model: Any,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other lengths of rows, attended lengths, and numbers of slots compile nothing anew.

    Sizes that happen to be equal in a model this small, as 6 slots and 6 heads, would: PyTorch takes them for
    one unless its duck shapes are off.
    """
    monkeypatch.setattr(kv_cache, "KV_BUCKET", 20)  # with 6 tokens, steps attend to all positions
    monkeypatch.setattr(continuous_batching, "PREFILL_BUCKET", 3)
    attended = set()
    step = kv_cache.SlotKVCache._step
    monkeypatch.setattr(
        kv_cache.SlotKVCache,
        "_step",
        lambda self, length, slots=None: (attended.add(length), step(self, length, slots))[1],
    )
    plain = ask(rows[1], max_new_tokens=6)
    torch._dynamo.reset()  # what other tests have compiled counts against the limit of versions
    graphs = CompileCounterWithBackend("eager")
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **how: compile_module(self, backend=graphs, **how)
    )
    try:
        # Not by monkeypatch, after which this setting does not exist any more.
        with torch.fx.experimental._config.patch(use_duck_shape=False):
            first = ask(rows[1], batch_size=5, max_new_tokens=6, compile_from=0)
            count = graphs.frame_count
            ask(rows[1][:3], batch_size=3, max_new_tokens=60, compile_from=0)
            monkeypatch.setattr(kv_cache, "KV_BUCKET", 2)
            ask(rows[1], batch_size=5, compile_from=0)
    finally:
        for module in model.modules():
            module._compiled_call_impl = None
        torch._dynamo.reset()
    assert [answer.text for answer in first] == [answer.text for answer in plain]
    assert 0 < count == graphs.frame_count
    assert len(attended) > 2

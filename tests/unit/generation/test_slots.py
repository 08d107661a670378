"""The cache of slots: what is written where, and attention to it against a softmax written out in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from schematic_reader.generation.slots import GRAIN, Slots, attend, reading
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.fused import use_fused_norms
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.row import Shape, lay_out
from tests.support.sheet_samples import TINY, sample

PLACES, WIDTH, SCALING = 12, 8, 0.3


def drawn(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def written_out(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """One query per head, ``(heads, width)``, to all of ``(key heads, tokens, width)``."""
    each = len(query) // len(key)
    scores = (query[:, None] @ key.repeat_interleave(each, 0).mT) * SCALING
    return (scores.softmax(-1) @ value.repeat_interleave(each, 0))[:, 0]


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (6, 1)])
def test_a_new_token_sees_its_own_slot_up_to_itself(heads: tuple[int, int]) -> None:
    lengths, seen = torch.tensor([0, 3, 8]), 10
    many, few = heads
    query, key, value = drawn(3, many, 1, WIDTH), drawn(3, few, 1, WIDTH), drawn(3, few, 1, WIDTH) + 1
    keys, values = drawn(4, few, PLACES, WIDTH), drawn(4, few, PLACES, WIDTH) - 1
    before = keys.clone(), values.clone()
    hidden = torch.arange(seen) > lengths[:, None]
    mask = torch.zeros(3, seen, dtype=torch.float64).masked_fill(hidden, -torch.inf)[:, None, None]
    # What lies behind the part that is looked at, and what the slot behind the last holds, is never read.
    keys[:3, :, seen:], values[:3, :, seen:], keys[3], values[3] = [torch.nan] * 4
    out, none = attend(
        None, query, key, value, mask, scaling=SCALING, keys=keys, values=values, places=lengths
    )
    assert none is None and out.shape == (3, 1, many, WIDTH)
    for slot, length in enumerate(lengths.tolist()):
        assert torch.equal(keys[slot, :, length], key[slot, :, 0])
        assert torch.equal(values[slot, :, length], value[slot, :, 0])
        assert torch.equal(keys[slot, :, :length], before[0][slot, :, :length])
        known = [
            torch.cat([b[slot, :, :length], new[slot]], 1)
            for b, new in zip(before, (key, value), strict=True)
        ]
        torch.testing.assert_close(out[slot, 0], written_out(query[slot, :, 0], *known))


def test_prompts_attend_to_themselves_and_are_written_to_their_slots() -> None:
    lengths = [3, 5]
    query, key, value = drawn(1, 4, 8, WIDTH), drawn(1, 2, 8, WIDTH), drawn(1, 2, 8, WIDTH) + 1
    keys, values = torch.zeros(4, 2, PLACES, WIDTH).double(), torch.zeros(4, 2, PLACES, WIDTH).double()
    out, _ = attend(
        None, query, key, value, None, scaling=SCALING, keys=keys, values=values, is_causal=True,
        slots=torch.tensor([2, 2, 2, 0, 0, 0, 0, 0]), places=torch.tensor([0, 1, 2, 0, 1, 2, 3, 4]),
        cu_seq_lens_q=torch.tensor([0, 3, 8], dtype=torch.int32), max_length_q=5,
    )  # fmt: skip
    for slot, start, length in ((2, 0, lengths[0]), (0, 3, lengths[1])):
        own = slice(start, start + length)
        assert torch.equal(keys[slot, :, :length], key[0, :, own])
        assert torch.equal(values[slot, :, :length], value[0, :, own])
        for at in range(start, start + length):
            known = key[0, :, start : at + 1], value[0, :, start : at + 1]
            torch.testing.assert_close(out[0, at], written_out(query[0, :, at], *known))
    assert not keys[[1, 3]].any() and not keys[2, :, 3:].any() and not values[0, :, 5:].any()


@torch.inference_mode()
def test_a_sheet_without_a_slot_leaves_the_others_alone() -> None:
    """As when an interrupted run goes on: what was answered already is read, but kept by nobody."""
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    encoder = Encoder(load_processor(TINY.base, None))
    samples = [sample(encoder, 64, 96, "R"), sample(encoder, 96, 64, "C"), sample(encoder, 96, 96, "C")]
    tokens = sum(len(one.input_ids) for one in samples)

    def said(given: list[int], padding: int) -> list[list[int]]:
        row = lay_out(
            samples, [""] * 3, merge=encoder.merge, pad_id=encoder.pad_id, shape=Shape(tokens + padding, 3)
        )
        with reading(model) as reader:
            slots = Slots(reader, 2, 2 * GRAIN, takes=True)
            logits = slots.read(row, given)
            slots.take(given, logits, logits)
            found = []
            for _ in range(6):
                slots.step(2 * GRAIN)
                found.append(slots.reported()[0].tolist())
        return [list(one) for one in zip(*found, strict=True)]

    first, second = said([0, 2, 1], 0), said([1, 2, 0], 300)
    assert first[0] == second[1] and first[1] == second[0]
    assert first[0] != first[1]


@torch.inference_mode()
def test_fused_norms_change_nothing_but_rounding() -> None:
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    ids = torch.arange(40)[None]
    names = list(model.state_dict())
    expected = model.model.language_model(input_ids=ids).last_hidden_state
    for _ in range(2):  # a second time does nothing
        use_fused_norms(model.model.language_model)
        found = model.model.language_model(input_ids=ids).last_hidden_state
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    kinds = {type(module).__name__ for module in model.model.language_model.modules()}
    assert "RMSNorm" in kinds and "Qwen3VLTextRMSNorm" not in kinds
    assert list(model.state_dict()) == names

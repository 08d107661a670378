"""The KV cache of slots: what is written where, and attention to it against a softmax in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from schematic_reader.generation.kv_cache import KV_BUCKET, SlotKVCache, attend, slot_attention
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.fused import use_fused_rms_norm
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.packed_batch import BatchShape, pack_batch
from tests.support.sheet_samples import TINY, sample

MAX_LEN, HEAD_DIM, SCALING = 12, 8, 0.3


def drawn(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def softmax_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """One query per head, ``(heads, width)``, to all of ``(key heads, tokens, width)``."""
    each = len(query) // len(key)
    scores = (query[:, None] @ key.repeat_interleave(each, 0).mT) * SCALING
    return (scores.softmax(-1) @ value.repeat_interleave(each, 0))[:, 0]


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (6, 1)])
def test_a_new_token_attends_to_its_own_slot_up_to_itself(heads: tuple[int, int]) -> None:
    lengths, attended = torch.tensor([0, 3, 8]), 10
    many, few = heads
    query, key, value = (
        drawn(3, many, 1, HEAD_DIM),
        drawn(3, few, 1, HEAD_DIM),
        drawn(3, few, 1, HEAD_DIM) + 1,
    )
    keys, values = drawn(4, few, MAX_LEN, HEAD_DIM), drawn(4, few, MAX_LEN, HEAD_DIM) - 1
    before = keys.clone(), values.clone()
    hidden = torch.arange(attended) > lengths[:, None]
    mask = torch.zeros(3, attended, dtype=torch.float64).masked_fill(hidden, -torch.inf)[:, None, None]
    # What lies behind the attended length, and what the spare slot holds, is never read.
    keys[:3, :, attended:], values[:3, :, attended:], keys[3], values[3] = [torch.nan] * 4
    out, none = attend(
        None, query, key, value, mask, scaling=SCALING, keys=keys, values=values, positions=lengths
    )
    assert none is None and out.shape == (3, 1, many, HEAD_DIM)
    for slot, length in enumerate(lengths.tolist()):
        assert torch.equal(keys[slot, :, length], key[slot, :, 0])
        assert torch.equal(values[slot, :, length], value[slot, :, 0])
        assert torch.equal(keys[slot, :, :length], before[0][slot, :, :length])
        known = [
            torch.cat([b[slot, :, :length], new[slot]], 1)
            for b, new in zip(before, (key, value), strict=True)
        ]
        torch.testing.assert_close(out[slot, 0], softmax_attention(query[slot, :, 0], *known))


def test_prompts_attend_to_themselves_and_are_written_to_their_slots() -> None:
    lengths = [3, 5]
    query, key, value = drawn(1, 4, 8, HEAD_DIM), drawn(1, 2, 8, HEAD_DIM), drawn(1, 2, 8, HEAD_DIM) + 1
    keys, values = (
        torch.zeros(4, 2, MAX_LEN, HEAD_DIM).double(),
        torch.zeros(4, 2, MAX_LEN, HEAD_DIM).double(),
    )
    out, _ = attend(
        None, query, key, value, None, scaling=SCALING, keys=keys, values=values, is_causal=True,
        slots=torch.tensor([2, 2, 2, 0, 0, 0, 0, 0]), positions=torch.tensor([0, 1, 2, 0, 1, 2, 3, 4]),
        cu_seq_lens_q=torch.tensor([0, 3, 8], dtype=torch.int32), max_length_q=5,
    )  # fmt: skip
    for slot, start, length in ((2, 0, lengths[0]), (0, 3, lengths[1])):
        own = slice(start, start + length)
        assert torch.equal(keys[slot, :, :length], key[0, :, own])
        assert torch.equal(values[slot, :, :length], value[0, :, own])
        for at in range(start, start + length):
            known = key[0, :, start : at + 1], value[0, :, start : at + 1]
            torch.testing.assert_close(out[0, at], softmax_attention(query[0, :, at], *known))
    assert not keys[[1, 3]].any() and not keys[2, :, 3:].any() and not values[0, :, 5:].any()


@torch.inference_mode()
def test_a_prompt_without_a_slot_leaves_the_others_alone() -> None:
    """As when an interrupted run resumes: what was answered already is prefilled into the spare slot."""
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    encoder = Encoder(load_processor(TINY.base, None))
    samples = [sample(encoder, 64, 96, "R"), sample(encoder, 96, 64, "C"), sample(encoder, 96, 96, "C")]
    tokens = sum(len(one.input_ids) for one in samples)

    def tokens_of(given: list[int], padding: int) -> list[list[int]]:
        row = pack_batch(
            samples,
            [""] * 3,
            merge_size=encoder.merge_size,
            pad_id=encoder.pad_id,
            shape=BatchShape(tokens + padding, 3),
        )
        with slot_attention(model) as packed:
            cache = SlotKVCache(packed, 2, 2 * KV_BUCKET, greedy_on_device=True)
            logits = cache.prefill(row, given)
            cache.append_argmax(given, logits, logits)
            found = []
            for _ in range(6):
                cache.decode_step(2 * KV_BUCKET)
                found.append(cache.last_step_async().wait()[0])
        return [list(one) for one in zip(*found, strict=True)]

    first, second = tokens_of([0, 2, 1], 0), tokens_of([1, 2, 0], 300)
    assert first[0] == second[1] and first[1] == second[0]
    assert first[0] != first[1]


@torch.inference_mode()
def test_fused_norms_change_nothing_but_rounding() -> None:
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    ids = torch.arange(40)[None]
    names = list(model.state_dict())
    expected = model.model.language_model(input_ids=ids).last_hidden_state
    for _ in range(2):  # a second time does nothing
        use_fused_rms_norm(model.model.language_model)
        found = model.model.language_model(input_ids=ids).last_hidden_state
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    kinds = {type(module).__name__ for module in model.model.language_model.modules()}
    assert "RMSNorm" in kinds and "Qwen3VLTextRMSNorm" not in kinds
    assert list(model.state_dict()) == names


def test_a_model_is_as_it_was_when_it_has_answered() -> None:
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    modules, parts = dict(model.named_modules()), (model.config.text_config, model.config.vision_config)
    attention = [part._attn_implementation for part in parts]
    for _ in range(2):
        with slot_attention(model):
            assert dict(model.named_modules()) != modules
        assert dict(model.named_modules()) == modules
        assert [part._attn_implementation for part in parts] == attention

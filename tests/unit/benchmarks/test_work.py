"""The arithmetic of the benchmarks: operations of a prompt and of a sample, the floor of decoding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig

from benchmarks.common.work import flop_of_sample
from benchmarks.generation.work import TimedRequest, floor_seconds, prompt_flop
from schematic_reader.model.device import prepare_device
from schematic_reader.model.load import load_base
from tests.support.sheet_samples import TINY


def test_the_arithmetic_of_a_prompt_is_what_pytorch_counts() -> None:
    config = AutoConfig.from_pretrained(TINY.base)
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    with torch.no_grad(), FlopCounterMode(display=False) as seeing:
        model.model.visual(torch.randn(192, 3 * 2 * 12 * 12), torch.tensor([[1, 12, 16]]))
    with torch.no_grad(), FlopCounterMode(display=False) as reading:
        model.model.language_model(input_ids=torch.ones(1, 100, dtype=torch.int64), use_cache=False)
    masked = 2 * 6 * 100**2 * 6 * 64  # the half of the attention that is causally not there
    head = 2 * config.text_config.vocab_size * config.text_config.hidden_size
    expected = seeing.get_total_flops() + reading.get_total_flops() - masked + head
    assert prompt_flop(config, TimedRequest(100, 0, 192)) == pytest.approx(expected, rel=1e-9)


def test_the_floor_by_hand() -> None:
    """Where memory is slow: the weights once a step for the whole batch, each answer's cache by itself."""
    config = AutoConfig.from_pretrained(TINY.base)
    layer = 384 * (2 * 384 + 2 * 128) + 3 * 384 * 896
    weights = 4 * (6 * layer + 1024 * 384)
    cache = 4 * 2 * 6 * 2 * 64
    sheets = [TimedRequest(100, 10, 192)] * 4
    found = floor_seconds(config, sheets, batch_size=4, flops=1e30, bandwidth=1000.0, bytes_a_value=4)
    assert found == pytest.approx((10 * weights + 4 * 10 * 105 * cache) / 1000)


def test_the_arithmetic_of_a_sample_is_what_pytorch_counts() -> None:
    """Vision tower and decoder by PyTorch's own counter; the gradients of activations take as much again."""
    config = AutoConfig.from_pretrained(TINY.base)
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    grid = torch.tensor([[1, 12, 16]])
    with torch.no_grad(), FlopCounterMode(display=False) as seeing:
        model.model.visual(torch.randn(192, 3 * 2 * 12 * 12), grid)
    with torch.no_grad(), FlopCounterMode(display=False) as reading:
        model.model.language_model(input_ids=torch.ones(1, 100, dtype=torch.int64), use_cache=False)
    # Causal attention is half of the square, with twice as much backward as forward.
    square = 4 * 6 * 100**2 * 6 * 64
    linear = reading.get_total_flops() - square
    head = 2 * 2 * config.text_config.vocab_size * config.text_config.hidden_size * 7
    expected = seeing.get_total_flops() + 2 * linear + 3 * square / 2 + head
    assert flop_of_sample(config, tokens=100, patches=192, answers=7) == pytest.approx(expected, rel=1e-9)

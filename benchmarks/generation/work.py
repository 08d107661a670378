"""How long generation must take at least: the arithmetic and the bytes that it cannot do without."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.common.work import settle
from schematic_reader.model.device import Device


@dataclass(frozen=True)
class TimedRequest:
    """One sheet: tokens of its prompt, the image placeholders included, and of its answer; image patches."""

    prompt: int
    answer: int
    patches: int


def floor_seconds(
    config: Any,
    sheets: list[TimedRequest],
    *,
    batch_size: int,
    flops: float,
    bandwidth: float,
    bytes_a_value: int,
) -> float:
    """The least time for answering all sheets, in full batches whose answers all end together.

    The prompts are bound by arithmetic. Every decode step reads the language model's weights once for its
    batch and each answer's KV cache so far, or computes longer than that.

    Args:
        flops: operations a second; ``bandwidth`` is in bytes a second.
    """
    text = config.text_config
    weights = layer_weights(config) * text.num_hidden_layers + text.vocab_size * text.hidden_size
    cached = 2 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim
    seconds = sum(prompt_flop(config, sheet) for sheet in sheets) / flops
    steps = sum(sheet.answer for sheet in sheets)
    context = sum(sheet.answer * (sheet.prompt + sheet.answer / 2) for sheet in sheets)
    read = (weights * steps / batch_size + cached * context) * bytes_a_value / bandwidth
    heads = text.num_attention_heads * text.head_dim
    computed = (2 * weights * steps + 4 * text.num_hidden_layers * heads * context) / flops
    return seconds + max(read, computed)


def prompt_flop(config: Any, sheet: TimedRequest) -> float:
    """Operations of vision tower and language model over one prompt, forward, with the logits of its end."""
    text, vision = config.text_config, config.vision_config
    heads = text.num_attention_heads * text.head_dim
    linear = 2 * text.num_hidden_layers * layer_weights(config) * sheet.prompt
    attention = text.num_hidden_layers * 2 * sheet.prompt**2 * heads  # causal: half of the square
    head = 2 * text.vocab_size * text.hidden_size
    width, merge = vision.hidden_size, vision.spatial_merge_size**2
    block = 4 * width**2 + 2 * width * vision.intermediate_size
    mergers = 1 + len(vision.deepstack_visual_indexes)
    merger = (width * merge) ** 2 + width * merge * vision.out_hidden_size
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    seeing = 2 * sheet.patches * (patch * width + vision.depth * block)
    seeing += 4 * sheet.patches**2 * vision.depth * width + 2 * sheet.patches / merge * mergers * merger
    return float(linear + attention + head + seeing)


def layer_weights(config: Any) -> int:
    """Weights of the matrices of one decoder layer."""
    text = config.text_config
    heads = text.num_attention_heads * text.head_dim
    keys = text.num_key_value_heads * text.head_dim
    return int(text.hidden_size * (2 * heads + 2 * keys) + 3 * text.hidden_size * text.intermediate_size)


def bandwidth(device: Device) -> float:
    """Bytes a second that a plain copy reads and writes, the median of ten."""
    size = 2**30 if device.name == "cuda" else 2**26
    source = torch.ones(size, dtype=torch.uint8, device=device.torch_device)
    target = torch.empty_like(source)
    rates = []
    for _ in range(13):
        settle(device)
        start = time.perf_counter()
        target.copy_(source)
        settle(device)
        rates.append(2 * size / (time.perf_counter() - start))
    return statistics.median(rates[3:])

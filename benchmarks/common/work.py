"""What a training run did in how much time, how much arithmetic that is, and how fast the device could be."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from schematic_reader.model.device import Device
from schematic_reader.training.examples import Examples


@dataclass(frozen=True)
class TimedStep:
    """An optimizer step: the indexes of its samples among the examples, and its seconds."""

    samples: list[int]
    seconds: float


@dataclass(frozen=True)
class Measured:
    """The timed steps of a run.

    ``waited`` is the part of their seconds that went into waiting for data, ``other`` the seconds before and
    between, as for warm-up; ``padding`` is a share of all tokens.
    """

    steps: list[TimedStep]
    waited: float
    other: float
    padding: float

    @property
    def samples(self) -> list[int]:
        """Of all steps, as indexes of examples."""
        return [index for step in self.steps for index in step.samples]

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(step.seconds for step in self.steps)

    @property
    def steady_rate(self) -> float:
        """Samples a second of the median step: without the short last steps of a small set's epochs."""
        return statistics.median(len(step.samples) / step.seconds for step in self.steps)


def flop_of_samples(config: Any, examples: Examples, samples: Iterable[int]) -> float:
    """Floating-point operations of training on these samples; see ``flop_of_sample``."""
    total = 0.0
    patch = config.vision_config.patch_size * config.vision_config.spatial_merge_size
    for index in samples:
        width, height = examples.sheets.size(examples.rows[index])
        patches = 4 * max(1, round(width / patch)) * max(1, round(height / patch))
        tokens, answers = examples.lengths[index], examples.answer_lengths[index]
        total += flop_of_sample(config, tokens=tokens, patches=patches, answers=answers)
    return total


def flop_of_sample(config: Any, *, tokens: int, patches: int, answers: int) -> float:
    """Floating-point operations that training an adapter on one sample cannot do without.

    Matrix products and attention of the language model forward, and backward as far as activations (the
    weights are frozen); the output projection for answer tokens alone; the vision tower forward. The adapter
    itself, norms and activations are not counted.

    Args:
        config: of the model.
        patches: of the sample's one picture.
    """
    text, vision = config.text_config, config.vision_config
    heads = text.num_attention_heads * text.head_dim
    keys = text.num_key_value_heads * text.head_dim
    layer = text.hidden_size * (2 * heads + 2 * keys) + 3 * text.hidden_size * text.intermediate_size
    linear = 2 * 2 * text.num_hidden_layers * layer * tokens
    attention = 3 * text.num_hidden_layers * 2 * tokens**2 * heads  # causal: half of the square
    head = 2 * 2 * text.vocab_size * text.hidden_size * answers
    width, merged = vision.hidden_size, vision.hidden_size * vision.spatial_merge_size**2
    block = 4 * width**2 + 2 * width * vision.intermediate_size
    mergers = 1 + len(vision.deepstack_visual_indexes)
    merger = merged**2 + merged * vision.out_hidden_size
    seeing = 2 * patches * vision.depth * block + 4 * patches**2 * vision.depth * width
    seeing += 2 * patches * width * vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    seeing += 2 * (patches / vision.spatial_merge_size**2) * mergers * merger
    return float(linear + attention + head + seeing)


def ceiling(device: Device) -> float:
    """Operations a second of a plain square matrix product, the median of ten."""
    side = 8192 if device.name == "cuda" else 1024
    left, right = (torch.randn(side, side, device=device.name, dtype=device.dtype) for _ in range(2))
    rates = []
    for _ in range(13):
        settle(device)
        start = time.perf_counter()
        left @ right
        settle(device)
        rates.append(2 * side**3 / (time.perf_counter() - start))
    return statistics.median(rates[3:])


def settle(device: Device) -> None:
    """Wait until the device has done all that it was asked for."""
    if device.name == "cuda":
        torch.cuda.synchronize()

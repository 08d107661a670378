"""Answers in padded batches by transformers' own ``generate``: on the CPU, and by a beam search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from schematic_reader.generation.asking import Questions, Said
from schematic_reader.model.encode import Encoded, collate


def answer_padded(
    model: Any,
    questions: Questions,
    batches: Sequence[Sequence[int]],
    config: GenerationConfig,
    processors: Callable[[Sequence[int], int], LogitsProcessorList],
) -> Iterator[dict[int, Said]]:
    """What is said about the rows of each batch, by the row's number.

    Args:
        processors: what changes the scores of the rows of a batch, whose prompts have so many tokens, before
            a token is chosen.
    """
    pad_id, on_cuda = questions.encoder.pad_id, model.device.type == "cuda"

    def collated(samples: list[Encoded]) -> dict[str, torch.Tensor]:
        tensors = collate(samples, pad_id, side="left")
        del tensors["labels"]
        return {name: tensor.pin_memory() if on_cuda else tensor for name, tensor in tensors.items()}

    for chosen, coming in questions.ahead(batches, collated):
        batch = coming.result()
        width = batch["input_ids"].shape[1]
        probabilities = _Probabilities()
        first = [probabilities] if config.num_beams == 1 else []
        out = model.generate(
            **{name: tensor.to(model.device, non_blocking=True) for name, tensor in batch.items()},
            generation_config=config,
            logits_processor=LogitsProcessorList([*first, *processors(chosen, width)]),
        )
        said = probabilities.of(out) if first else [[] for _ in out]
        yield dict(zip(chosen, zip(out[:, width:].tolist(), said, strict=True), strict=True))


class _Probabilities(LogitsProcessor):
    """Notes how probable the model held each token that was then chosen; it changes nothing.

    First in the list, it sees the raw logits of a step; which tokens were chosen it sees at the next.
    """

    def __init__(self) -> None:
        self._logs: torch.Tensor | None = None
        self._chosen: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._note(input_ids)
        self._logs = torch.log_softmax(scores, dim=-1)
        return scores

    def of(self, sequences: torch.Tensor) -> list[list[float]]:
        """For each sequence that ``generate`` returned, the probability of each of its new tokens."""
        self._note(sequences)
        rows: list[list[float]] = torch.cat(self._chosen, dim=1).exp().tolist()
        return rows

    def _note(self, ids: torch.Tensor) -> None:
        if self._logs is not None:
            self._chosen.append(self._logs.gather(1, ids[:, -1:]))

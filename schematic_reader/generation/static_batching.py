"""Static batching by transformers' ``generate`` over left-padded prompts: on a CPU, and for a beam search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteriaList

from schematic_reader.generation.prompts import PromptBatch
from schematic_reader.generation.settings import Decoding, GeneratedTokens
from schematic_reader.generation.symbols_watch import StopWhereWatched
from schematic_reader.model.encode import Encoded, collate


def generate_in_static_batches(
    model: Any, prompts: PromptBatch, batches: Sequence[Sequence[int]], decoding: Decoding
) -> Iterator[dict[int, GeneratedTokens]]:
    """The answers to each batch of row numbers, by row number."""
    settings, on_cuda = decoding.settings, model.device.type == "cuda"
    config = GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        num_beams=settings.num_beams,
        do_sample=False,
        repetition_penalty=1.0,  # its processor would count the prompt; see Decoding.logits_processors
        eos_token_id=decoding.stop_ids,
        pad_token_id=decoding.pad_id,
    )

    def left_padded(samples: list[Encoded]) -> dict[str, torch.Tensor]:
        tensors = collate(samples, decoding.pad_id, padding_side="left")
        del tensors["labels"]
        return {name: tensor.pin_memory() if on_cuda else tensor for name, tensor in tensors.items()}

    for numbers, collated in prompts.encode_ahead(batches, left_padded, model.dtype):
        batch = collated.result()
        width = batch["input_ids"].shape[1]  # of the padded prompts, (batch, width)
        recorder = _ProbabilityRecorder()
        first = [recorder] if settings.num_beams == 1 else []
        # Beams change places from step to step: their answers are generated to the end.
        watch = decoding.watch if settings.num_beams == 1 else None
        watched = [StopWhereWatched([watch() for _ in numbers])] if watch else []
        sequences = model.generate(  # (batch, width + new tokens), padded behind shorter answers
            **{name: tensor.to(model.device, non_blocking=True) for name, tensor in batch.items()},
            generation_config=config,
            logits_processor=LogitsProcessorList([*first, *decoding.logits_processors(len(numbers), width)]),
            stopping_criteria=StoppingCriteriaList(watched),
        )
        probs = recorder.probabilities(sequences) if first else [[] for _ in sequences]
        ids = sequences[:, width:].tolist()
        yield dict(zip(numbers, map(GeneratedTokens, ids, probs), strict=True))


class _ProbabilityRecorder(LogitsProcessor):
    """Records the model's own probability of each token that was selected; changes no score.

    First in the list, it sees the raw logits of a step; which tokens were selected it sees at the next.
    """

    def __init__(self) -> None:
        self._logprobs: torch.Tensor | None = None  # of the step under way, (batch, vocabulary)
        self._selected: list[torch.Tensor] = []  # of each step before, (batch, 1)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._record(input_ids)
        self._logprobs = torch.log_softmax(scores, dim=-1)
        return scores

    def probabilities(self, sequences: torch.Tensor) -> list[list[float]]:
        """For each sequence that ``generate`` returned, the probability of each of its new tokens."""
        self._record(sequences)
        probs: list[list[float]] = torch.cat(self._selected, dim=1).exp().tolist()  # (batch, new tokens)
        return probs

    def _record(self, ids: torch.Tensor) -> None:
        if self._logprobs is not None:
            self._selected.append(self._logprobs.gather(1, ids[:, -1:]))

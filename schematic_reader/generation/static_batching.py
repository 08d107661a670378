"""Static batching by transformers' ``generate`` over left-padded prompts, for a beam search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig

from schematic_reader.generation.prompts import PromptBatch
from schematic_reader.generation.settings import Decoding, GeneratedTokens
from schematic_reader.model.encode import Encoded, collate


def generate_in_static_batches(
    model: Any, prompts: PromptBatch, batches: Sequence[Sequence[int]], decoding: Decoding
) -> Iterator[dict[int, GeneratedTokens]]:
    """The answers to each batch of row numbers, by row number, without probabilities.

    Beams change places from step to step, so that ``decoding.watch`` ends none: all are generated to the end.
    """
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
        sequences = model.generate(  # (batch, width + new tokens), padded behind shorter answers
            **{name: tensor.to(model.device, non_blocking=True) for name, tensor in batch.items()},
            generation_config=config,
            logits_processor=decoding.logits_processors(len(numbers), width),
        )
        answers = (GeneratedTokens(ids, []) for ids in sequences[:, width:].tolist())
        yield dict(zip(numbers, answers, strict=True))

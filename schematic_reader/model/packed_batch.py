"""Several samples packed end to end into one sequence, with all that keeps their attention apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from schematic_reader.model.encode import IGNORE_INDEX, Encoded


@dataclass(frozen=True)
class BatchShape:
    """What every packed batch of a run is padded to, so that compiled code sees one shape.

    Args:
        tokens: length of the sequence, padding included.
        samples: the most samples in a batch, the padding not counted.
    """

    tokens: int
    samples: int


@dataclass(frozen=True)
class PackedBatch:
    """Samples of one forward pass. Integers are int64 unless said otherwise.

    Shapes: T tokens, S samples, P image placeholders, A answer tokens, I images, N patches of all images.

    Args:
        sheet_ids: of the samples in order.
        input_ids: ``(1, T)``.
        position_ids: ``(4, 1, T)``: text, temporal, height and width, each starting at 0 with every sample.
        cu_seqlens: int32 ``(S + 1,)``, where each sample starts, then T.
        max_seqlen: at least the tokens of the longest sample.
        image_positions: ``(P,)``, where image placeholders are in the sequence.
        answer_positions: ``(A,)``, from which of them an answer token is predicted.
        answer_ids: ``(A,)``, those tokens.
        pixel_values: ``(N, channels * frames * patch * patch)``; empty where there are ``image_features``.
        image_grid_thw: ``(I, 3)``.
        image_cu_seqlens: int32 ``(I + 1,)``, where each image's patches start, then N.
        patches_per_image: I numbers, on the host.
        image_features: cached output of the vision tower, ``(levels, P, width)``.
        cache_features: whether the vision tower's output for this batch is to be cached.
        vision_inputs: what the vision tower would work out from the grids, where that is done ahead.
    """

    sheet_ids: tuple[str, ...]
    input_ids: torch.Tensor
    position_ids: torch.Tensor
    cu_seqlens: torch.Tensor
    max_seqlen: int
    image_positions: torch.Tensor
    answer_positions: torch.Tensor
    answer_ids: torch.Tensor
    pixel_values: torch.Tensor
    image_grid_thw: torch.Tensor
    image_cu_seqlens: torch.Tensor
    patches_per_image: tuple[int, ...]
    image_features: torch.Tensor | None = None
    cache_features: bool = False
    vision_inputs: dict[str, torch.Tensor] = field(default_factory=dict)

    def to(self, device: torch.device | str, *, non_blocking: bool = True) -> PackedBatch:
        """The batch on ``device``; the copy is asynchronous if the batch is in pinned memory."""
        return self._map_tensors(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> PackedBatch:
        """The batch in pinned memory; PyTorch's data loader calls this by name."""
        return self._map_tensors(torch.Tensor.pin_memory)

    def _map_tensors(self, function: Callable[[torch.Tensor], torch.Tensor]) -> PackedBatch:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                values[name] = function(value)
            elif isinstance(value, dict):
                values[name] = {key: function(tensor) for key, tensor in value.items()}
        return PackedBatch(**values)


def pack_batch(
    samples: Sequence[Encoded],
    sheet_ids: Sequence[str],
    *,
    merge_size: int,
    pad_id: int,
    shape: BatchShape | None = None,
    image_features: torch.Tensor | None = None,
) -> PackedBatch:
    """Pack samples into one sequence.

    Args:
        merge_size: side of the square of patches behind one image placeholder.
        shape: pad to it; the padding is a sample of its own without images and answer.
        image_features: cached output of the vision tower for all images, ``(levels, P, width)``.
    """
    # 1) Concatenate the samples: each is (tokens,), together (T,).
    input_ids = torch.cat([sample.input_ids for sample in samples])
    labels = torch.cat([sample.labels for sample in samples])
    token_types = torch.cat([sample.mm_token_type_ids for sample in samples])
    position_ids = [  # each (4, tokens)
        mrope_position_ids(sample.mm_token_type_ids, sample.image_grid_thw, merge_size=merge_size)
        for sample in samples
    ]
    lengths = [len(sample.input_ids) for sample in samples]
    cu_seqlens = _cumulative(lengths)  # (S + 1,)
    max_seqlen = max(lengths)
    # 2) Images: their patches are one sequence of their own.
    grids = torch.cat([sample.image_grid_thw for sample in samples])  # (I, 3)
    patches = grids.prod(1).tolist()
    # 3) Answer tokens are predicted from the position before. The first token of a sample has no label, so
    # none is predicted across a boundary.
    answer_positions = torch.nonzero(labels[1:] != IGNORE_INDEX).flatten()  # (A,)
    answer_ids = labels[1:][answer_positions]
    # 4) Pad to the shape.
    if shape is not None:
        padding = shape.tokens - len(input_ids)
        input_ids = torch.cat([input_ids, torch.full((padding,), pad_id)])
        position_ids.append(torch.arange(padding).expand(4, padding))
        # The padding ends at shape.tokens; further boundaries there stand for samples of no tokens.
        boundaries = cu_seqlens.new_full((shape.samples + 1 - len(samples),), shape.tokens)
        cu_seqlens = torch.cat([cu_seqlens, boundaries])
        max_seqlen = shape.tokens
    return PackedBatch(
        sheet_ids=tuple(sheet_ids),
        input_ids=input_ids[None],
        position_ids=torch.cat(position_ids, 1)[:, None],
        cu_seqlens=cu_seqlens,
        max_seqlen=max_seqlen,
        image_positions=torch.nonzero(token_types).flatten(),
        answer_positions=answer_positions,
        answer_ids=answer_ids,
        pixel_values=torch.cat([sample.pixel_values for sample in samples]),
        image_grid_thw=grids,
        image_cu_seqlens=_cumulative(patches),
        patches_per_image=tuple(patches),
        image_features=image_features,
    )


def mrope_position_ids(token_types: torch.Tensor, grids: torch.Tensor, *, merge_size: int) -> torch.Tensor:
    """Position ids of one sample, int64 of shape ``(4, tokens)``: text, temporal, height, width.

    Qwen3-VL's interleaved M-RoPE: a text token advances temporal, height and width by one. The tokens of an
    image share the temporal position at which it starts and add to it their row and column; what follows
    resumes after the larger of the two.

    Args:
        token_types: 1 for image placeholders, else 0, ``(tokens,)``.
        grids: (temporal, height, width) of each image in patches, ``(images, 3)``; temporal is 1.
    """
    parts = []  # each (3, tokens of a stretch)
    index = position = 0  # the next token, and its temporal position
    for frames, height, width in grids.tolist():
        rows, columns = height // merge_size, width // merge_size
        # 1) The text before the image.
        first = index + int(torch.nonzero(token_types[index:])[0])
        parts.append(torch.arange(position, position + first - index).expand(3, -1))
        position += first - index
        # 2) The image's tokens, row by row.
        row = torch.arange(rows).repeat_interleave(columns)
        column = torch.arange(columns).repeat(rows)
        parts.append(position + torch.stack([torch.zeros_like(row), row, column]))
        position += max(rows, columns)
        index = first + frames * rows * columns
    # 3) The text after the last image.
    parts.append(torch.arange(position, position + len(token_types) - index).expand(3, -1))
    return torch.cat([torch.arange(len(token_types))[None], torch.cat(parts, 1)])


def _cumulative(lengths: list[int]) -> torch.Tensor:
    """``cu_seqlens`` of sequences of these lengths: 0, then running sums, int32."""
    return torch.tensor([0, *lengths], dtype=torch.int64).cumsum(0).to(torch.int32)

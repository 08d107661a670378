"""Several samples laid end to end in one row, with all that the model needs to keep them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from schematic_reader.model.encode import IGNORED, Encoded


@dataclass(frozen=True)
class Shape:
    """What every row of a run has in common, so that compiled code sees one shape.

    Args:
        tokens: length of a row, padding included.
        samples: the most samples in a row, the padding not counted.
    """

    tokens: int
    samples: int


@dataclass(frozen=True)
class Row:
    """Samples of one forward pass; all integers are int64 unless said otherwise.

    ``input_ids`` has shape ``(1, tokens)``. ``position_ids`` has shape ``(4, 1, tokens)``: text, temporal,
    height and width, each starting at 0 with every sample. ``starts`` is int32 and holds where each sample
    starts, then the number of tokens. ``picture_at`` are the positions of image placeholders, ``answer_at``
    those whose next token, in ``answers``, is asked for. ``pixel_values`` and ``image_grid_thw`` are those of
    all pictures in order, ``picture_starts`` (int32) where each picture's patches start, then their number;
    ``pictures`` are the patches of each, known to the host.
    ``features``, if the vision tower has seen all pictures before, is what it gave, of shape
    ``(levels, placeholders, width)``; then ``pixel_values`` is empty. ``keep`` asks to keep what it gives.
    """

    ids: tuple[str, ...]
    input_ids: torch.Tensor
    position_ids: torch.Tensor
    starts: torch.Tensor
    longest: int
    picture_at: torch.Tensor
    answer_at: torch.Tensor
    answers: torch.Tensor
    pixel_values: torch.Tensor
    image_grid_thw: torch.Tensor
    picture_starts: torch.Tensor
    pictures: tuple[int, ...]
    features: torch.Tensor | None = None
    keep: bool = False

    def to(self, device: torch.device | str, *, non_blocking: bool = True) -> Row:
        """The row on ``device``, copied while that goes on computing if the row is in page-locked memory."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Row:
        """The row in page-locked memory; PyTorch's data loader calls this by name."""
        return self._each(torch.Tensor.pin_memory)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Row:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                values[name] = change(value)
        return Row(**values)


def lay_out(
    samples: Sequence[Encoded],
    ids: Sequence[str],
    *,
    merge: int,
    pad_id: int,
    shape: Shape | None = None,
    features: torch.Tensor | None = None,
) -> Row:
    """Put samples into one row.

    Args:
        merge: side of the square of patches that becomes one token.
        shape: pad to it; the padding is a sample of its own without pictures and answer.
    """
    tokens = torch.cat([sample.input_ids for sample in samples])
    labels = torch.cat([sample.labels for sample in samples])
    kinds = torch.cat([sample.mm_token_type_ids for sample in samples])
    positions = [
        positions_of(sample.mm_token_type_ids, sample.image_grid_thw, merge=merge) for sample in samples
    ]
    lengths = [len(sample.input_ids) for sample in samples]
    starts = _starts(lengths)
    longest = max(lengths)
    grids = torch.cat([sample.image_grid_thw for sample in samples])
    patches = grids.prod(1).tolist()
    # The first token of a sample has no label, so that no answer is asked for across a border.
    answer_at = torch.nonzero(labels[1:] != IGNORED).flatten()
    answers = labels[1:][answer_at]
    if shape is not None:
        rest = shape.tokens - len(tokens)
        tokens = torch.cat([tokens, torch.full((rest,), pad_id)])
        positions.append(torch.arange(rest).expand(4, rest))
        # Borders after the last are empty samples.
        starts = torch.cat([starts, starts.new_full((shape.samples + 1 - len(samples),), shape.tokens)])
        longest = shape.tokens
    return Row(
        tuple(ids),
        tokens[None],
        torch.cat(positions, 1)[:, None],
        starts,
        longest,
        torch.nonzero(kinds).flatten(),
        answer_at,
        answers,
        torch.cat([sample.pixel_values for sample in samples]),
        grids,
        _starts(patches),
        tuple(patches),
        features,
    )


def positions_of(kinds: torch.Tensor, grids: torch.Tensor, *, merge: int) -> torch.Tensor:
    """Position ids of one sample, int64 of shape ``(4, tokens)``: text, temporal, height, width.

    Qwen3-VL's rule: a text token advances all of the last three by one; the tokens of a picture share the
    temporal position at which it starts, add to it their row and column, and what follows goes on after the
    larger of the two.

    Args:
        kinds: 1 where the token stands for a part of a picture, else 0.
        grids: (temporal, height, width) of each picture in patches; temporal is 1.
    """
    parts = []
    at = start = 0
    for frames, height, width in grids.tolist():
        rows, columns = height // merge, width // merge
        first = at + int(torch.nonzero(kinds[at:])[0])
        parts.append(torch.arange(start, start + first - at).expand(3, -1))
        start += first - at
        row = torch.arange(rows).repeat_interleave(columns)
        column = torch.arange(columns).repeat(rows)
        parts.append(start + torch.stack([torch.zeros_like(row), row, column]))
        start += max(rows, columns)
        at = first + frames * rows * columns
    parts.append(torch.arange(start, start + len(kinds) - at).expand(3, -1))
    return torch.cat([torch.arange(len(kinds))[None], torch.cat(parts, 1)])


def _starts(lengths: list[int]) -> torch.Tensor:
    return torch.tensor([0, *lengths], dtype=torch.int64).cumsum(0).to(torch.int32)

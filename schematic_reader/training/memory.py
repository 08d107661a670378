"""Running out of memory, told in one line with the row length that would fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from schematic_reader.cli import UserError
from schematic_reader.model.reader import Reader
from schematic_reader.model.row import Row
from schematic_reader.training.pack import GRAIN

_GIB = 2**30
_SPARE = 0.9  # of the memory beside the weights, so that fragments of it may stay unused


@contextmanager
def explaining_lack_of_memory(reader: Reader, row: Row) -> Iterator[None]:
    """Turn an allocation that fails while ``row`` is trained into one line that names the fix.

    Raises:
        UserError: in place of PyTorch's error.
    """
    resting = torch.cuda.memory_allocated() if row.input_ids.is_cuda else 0
    try:
        yield
    except torch.OutOfMemoryError as error:
        tokens = row.input_ids.shape[1]
        held = torch.cuda.memory_allocated() if row.input_ids.is_cuda else 0
        total = torch.cuda.mem_get_info()[1] if row.input_ids.is_cuda else 0
        fits = fitting_tokens(
            tokens, reader.layers_done, reader.layers, held=held - resting, free=total - resting
        )
        asked = re.search(r"[Tt]ried to allocate [\d.]+ \w+", str(error))
        raise UserError(
            f"out of memory in a row of {tokens} tokens ({len(row.ids)} sheets): "
            f"{asked[0] if asked else 'no more could be allocated'}, with {held / _GIB:.1f} of "
            f"{total / _GIB:.1f} GiB in use, {resting / _GIB:.1f} GiB of them by weights and optimizer. "
            f"Set the profile's train.packed_length to {fits}, or train.gradient_checkpointing to full"
        ) from None


def fitting_tokens(tokens: int, layers_done: int, layers: int, *, held: int, free: int) -> int:
    """The length of row that would have fitted, judged by how far this one came.

    What a row holds grows with its tokens and, until the last layer is done, with the layers.

    Args:
        held: bytes that the row held when memory ran out.
        free: bytes beside the weights.
    """
    if layers_done == 0 or held <= 0:  # in the vision tower already
        fits = tokens // 2
    else:
        needed = held * layers / layers_done
        fits = int(tokens * min(_SPARE * free / needed, _SPARE))
    return fits // GRAIN * GRAIN or fits

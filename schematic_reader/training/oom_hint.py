"""Out of memory in training, reported in one line with the packed length that would fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from schematic_reader.cli import UserError
from schematic_reader.model.packed_batch import PackedBatch
from schematic_reader.model.packed_model import PackedModel
from schematic_reader.training.packing import LENGTH_MULTIPLE

_GIB = 2**30
_USABLE = 0.9  # of the memory beside the weights; fragmentation may take the rest


@contextmanager
def oom_hint(model: PackedModel, batch: PackedBatch) -> Iterator[None]:
    """Turn an allocation that fails while ``batch`` is trained into one line that names the fix.

    Raises:
        UserError: in place of PyTorch's error.
    """
    on_cuda = batch.input_ids.is_cuda
    before = torch.cuda.memory_allocated() if on_cuda else 0
    try:
        yield
    except torch.OutOfMemoryError as error:
        tokens = batch.input_ids.shape[1]
        allocated = torch.cuda.memory_allocated() if on_cuda else 0
        total = torch.cuda.mem_get_info()[1] if on_cuda else 0
        fits = fitting_length(
            tokens, model.layers_done, model.num_layers, used=allocated - before, available=total - before
        )
        failed = re.search(r"[Tt]ried to allocate [\d.]+ \w+", str(error))
        raise UserError(
            f"out of memory in a packed batch of {tokens} tokens ({len(batch.sheet_ids)} sheets): "
            f"{failed[0] if failed else 'an allocation failed'}, with {allocated / _GIB:.1f} of "
            f"{total / _GIB:.1f} GiB in use, {before / _GIB:.1f} GiB of them by weights and optimizer. "
            f"Set the profile's train.packed_length to {fits}, or train.gradient_checkpointing to full"
        ) from None


def fitting_length(tokens: int, layers_done: int, num_layers: int, *, used: int, available: int) -> int:
    """Estimate of the packed length that would have fitted, from how far a batch of ``tokens`` came.

    Activations grow linearly with tokens and, until the last layer is done, with layers.

    Args:
        used: bytes of the batch's activations when memory ran out.
        available: bytes beside weights and optimizer.
    """
    if layers_done == 0 or used <= 0:  # in the vision tower already
        fits = tokens // 2
    else:
        # Activations of all layers, from those of the layers that ran.
        needed = used * num_layers / layers_done
        fits = int(tokens * min(_USABLE * available / needed, _USABLE))
    return fits // LENGTH_MULTIPLE * LENGTH_MULTIPLE or fits

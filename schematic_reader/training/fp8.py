"""Matrix products of the frozen base in 8-bit floating point, twice as fast as bfloat16 on Hopper.

Weights, inputs and gradients are float8_e4m3fn with one float32 scale for each row of the contraction, the
largest magnitude of the row over the format's largest number. The adapter, norms, attention and the output
projection stay as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from schematic_reader.cli import UserError
from schematic_reader.model.device import Device

log = logging.getLogger(__name__)

TYPE = torch.float8_e4m3fn
TOLERANCE = 0.02
"""The largest relative change of the validation loss, before any training, with which training may go on."""

_LARGEST = torch.finfo(TYPE).max
_SIDES = 16  # what the hardware's product needs the sides of a weight to be a multiple of


class Scaled(NamedTuple):
    """A matrix as ``values * scale``: float8 of shape ``(rows, columns)``, float32 of shape ``(rows, 1)``."""

    values: torch.Tensor
    scale: torch.Tensor


def quantized(matrix: torch.Tensor) -> Scaled:
    """The nearest matrix in float8 with a scale for each row."""
    exact = matrix.float()
    scale = exact.abs().amax(-1, keepdim=True).clamp(min=1e-12) / _LARGEST
    return Scaled((exact / scale).to(TYPE, memory_format=torch.contiguous_format), scale)


class _Product(torch.autograd.Function):
    """``inputs @ weight.T``, and for backward ``gradient @ weight``; the weight gets no gradient."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        """``weights`` are values and scale of the weight, then those of its transpose."""
        ctx.save_for_backward(*weights[2:])
        ctx.dtype = inputs.dtype
        return _scaled_product(inputs, Scaled(*weights[:2]))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        found = _scaled_product(gradient, Scaled(*ctx.saved_tensors))
        return found.to(ctx.dtype), None, None, None, None


def _scaled_product(left: torch.Tensor, right: Scaled) -> torch.Tensor:
    """``left @ right.T`` with ``left`` of shape ``(..., columns)``, in bfloat16 as under autocast."""
    rows = quantized(left.flatten(0, -2))
    out: torch.Tensor = torch._scaled_mm(
        rows.values,
        right.values.T,
        scale_a=rows.scale,
        scale_b=right.scale.T,
        out_dtype=torch.bfloat16,
        use_fast_accum=True,
    )
    return out.unflatten(0, left.shape[:-1])


class Fp8Linear(nn.Module):
    """A frozen linear layer. Its weight is kept twice, once for each direction, in the bytes of bfloat16."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        # No buffers: those would be sent from process to process in every step.
        self._weight, self._transposed = quantized(weight), quantized(weight.T)
        self.bias = linear.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the linear layer gives, nearly."""
        out: torch.Tensor = _Product.apply(inputs, *self._weight, *self._transposed)
        return out if self.bias is None else out + self.bias


def check_fp8(device: Device) -> None:
    """Check that the hardware has such products.

    Raises:
        UserError: it has none.
    """
    if device.name != "cuda" or torch.cuda.get_device_capability(device.number) < (8, 9):
        raise UserError("train.fp8 needs a GPU of the generation Ada, Hopper or newer: set it to false")


def use_fp8(model: Any, loss: Callable[[], float]) -> None:
    """Put ``Fp8Linear`` in the place of the frozen linear layers of the decoder and of the vision blocks.

    Args:
        model: PEFT's wrapper.
        loss: measures the model; asked before and after.

    Raises:
        UserError: the loss changes by more than ``TOLERANCE``.
    """
    before = loss()
    base = model.get_base_model().model
    for part in (base.language_model.layers, base.visual.blocks):
        found = [
            (name, layer)
            for name, layer in part.named_modules()
            if isinstance(layer, nn.Linear)
            and not layer.weight.requires_grad
            and not any(side % _SIDES for side in layer.weight.shape)
        ]
        for name, layer in found:
            parent, own = name.rpartition(".")[::2]
            setattr(part.get_submodule(parent), own, Fp8Linear(layer))
    after = loss()
    change = abs(after - before) / before
    log.info("fp8: validation loss %.4f, in the model's own precision %.4f", after, before)
    if not change <= TOLERANCE:
        raise UserError(
            f"fp8 changes the validation loss from {before:.4f} to {after:.4f}, by {100 * change:.1f} %, and "
            f"{100 * TOLERANCE:.0f} % is allowed: set the profile's train.fp8 to false"
        )

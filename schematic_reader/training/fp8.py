"""FP8 matmuls in the frozen base: twice as fast as bfloat16 on Hopper.

Weights, inputs and gradients are quantized to float8_e4m3fn with one float32 scale per row of the
contraction: the row's largest magnitude over the format's largest number. Adapter, norms, attention and
output projection keep their precision.
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

FP8_DTYPE = torch.float8_e4m3fn
MAX_LOSS_CHANGE = 0.02
"""The largest relative change of the validation loss, before any training, with which training may start."""

_FP8_MAX = torch.finfo(FP8_DTYPE).max
_ALIGNMENT = 16  # the hardware's matmul needs the sides of a weight to be multiples of it


class ScaledMatrix(NamedTuple):
    """A matrix as ``values * scale``: float8 of shape ``(rows, columns)``, float32 of shape ``(rows, 1)``."""

    values: torch.Tensor
    scale: torch.Tensor


def quantize_rowwise(matrix: torch.Tensor) -> ScaledMatrix:
    """The nearest float8 matrix with one scale per row, for ``matrix`` of shape ``(rows, columns)``."""
    exact = matrix.float()
    scale = exact.abs().amax(-1, keepdim=True).clamp(min=1e-12) / _FP8_MAX  # (rows, 1)
    return ScaledMatrix((exact / scale).to(FP8_DTYPE, memory_format=torch.contiguous_format), scale)


class _Fp8Matmul(torch.autograd.Function):
    """``inputs @ weight.T``, and in backward ``gradient @ weight``; the weight gets no gradient."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        """``weights`` are values and scale of the weight, then those of its transpose."""
        ctx.save_for_backward(*weights[2:])
        ctx.dtype = inputs.dtype
        return _scaled_matmul(inputs, ScaledMatrix(*weights[:2]))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs_gradient = _scaled_matmul(gradient, ScaledMatrix(*ctx.saved_tensors))
        return inputs_gradient.to(ctx.dtype), None, None, None, None


def _scaled_matmul(left: torch.Tensor, right: ScaledMatrix) -> torch.Tensor:
    """``left @ right.T`` with ``left`` of shape ``(..., columns)``, in bfloat16 as under autocast."""
    quantized = quantize_rowwise(left.flatten(0, -2))  # (..., K) -> (M, K)
    out: torch.Tensor = torch._scaled_mm(  # (M, K) @ (K, N) -> (M, N)
        quantized.values,
        right.values.T,
        scale_a=quantized.scale,  # (M, 1)
        scale_b=right.scale.T,  # (1, N)
        out_dtype=torch.bfloat16,
        use_fast_accum=True,
    )
    return out.unflatten(0, left.shape[:-1])


class Fp8Linear(nn.Module):
    """A frozen linear layer. It stores its weight twice, once per direction, in the bytes of bfloat16."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        # Not buffers: DDP would broadcast those in every step.
        # Each direction contracts over another side, so each has scales of its own.
        self._weight, self._transposed = quantize_rowwise(weight), quantize_rowwise(weight.T)
        self.bias = linear.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The linear layer's output, up to quantization: ``(..., in)`` to ``(..., out)``."""
        out: torch.Tensor = _Fp8Matmul.apply(inputs, *self._weight, *self._transposed)
        return out if self.bias is None else out + self.bias


def check_fp8(device: Device) -> None:
    """Check that the hardware has FP8 matmuls.

    Raises:
        UserError: it has none.
    """
    if device.name != "cuda" or torch.cuda.get_device_capability(device.index) < (8, 9):
        raise UserError("train.fp8 needs a GPU of the generation Ada, Hopper or newer: set it to false")


def convert_to_fp8(model: Any, measure_loss: Callable[[], float]) -> None:
    """Replace the frozen linear layers of decoder layers and vision blocks by ``Fp8Linear``.

    Args:
        model: PEFT's wrapper.
        measure_loss: the validation loss of the model, called before and after.

    Raises:
        UserError: the loss changes by more than ``MAX_LOSS_CHANGE``.
    """
    before = measure_loss()
    base = model.get_base_model().model
    for blocks in (base.language_model.layers, base.visual.blocks):
        # Trained layers, and sides that are no multiple of the alignment, keep their precision.
        replaced = [
            (name, layer)
            for name, layer in blocks.named_modules()
            if isinstance(layer, nn.Linear)
            and not layer.weight.requires_grad
            and not any(side % _ALIGNMENT for side in layer.weight.shape)
        ]
        for name, layer in replaced:
            parent, own = name.rpartition(".")[::2]
            setattr(blocks.get_submodule(parent), own, Fp8Linear(layer))
    after = measure_loss()
    change = abs(after - before) / before
    log.info("fp8: validation loss %.4f, in the model's own precision %.4f", after, before)
    if not change <= MAX_LOSS_CHANGE:
        raise UserError(
            f"fp8 changes the validation loss from {before:.4f} to {after:.4f}, by {100 * change:.1f} %, and "
            f"{100 * MAX_LOSS_CHANGE:.0f} % is allowed: set the profile's train.fp8 to false"
        )

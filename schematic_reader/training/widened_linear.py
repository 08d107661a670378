"""LoRA layers whose first half is computed inside the frozen base's matmul.

A LoRA layer is ``x @ W.T + scaling * (x @ A.T) @ B.T`` with a frozen ``W``. The rows of ``A`` are kept below
those of ``W`` in one matrix, so that one matmul reads ``x`` once for both, and in backward one matmul gives
the whole gradient of ``x`` without a sum of two. LoRA: Hu et al., arXiv 2106.09685.

Shapes below: T tokens, a layer's inputs and outputs I and O, the adapter's rank R.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import nn

_ALIGNMENT = 8  # bfloat16 rows of so many elements are 16 bytes, the alignment of the hardware's fast loads


class _WidenedMatmul(torch.autograd.Function):
    """``inputs @ W.T + scaling * (inputs @ A.T) @ B.T`` for ``widened``, the rows of W and then those of A.

    ``a`` only gets the gradient of the rows of A, which are a copy of it in the precision of W.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,  # (T, I)
        widened: torch.Tensor,  # (O + R, I)
        a: torch.Tensor,  # (R, I)
        b: torch.Tensor,  # (O, R)
        scaling: float,
    ) -> torch.Tensor:
        both = inputs @ widened.T  # (T, O + R)
        base, low = both.split(list(b.shape), 1)  # (T, O), (T, R)
        low = low.clone(memory_format=torch.contiguous_format)  # a view would keep all of ``both``
        ctx.save_for_backward(inputs, low, widened, b)
        ctx.scaling, ctx.dtype = scaling, a.dtype
        return base + low @ b.T * scaling

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, low, widened, b = ctx.saved_tensors
        low_gradient = gradient @ b * ctx.scaling  # (T, R)
        a_gradient = (low_gradient.T @ inputs).to(ctx.dtype)  # (R, I)
        b_gradient = gradient.T @ low * ctx.scaling  # (O, R)
        inputs_gradient = None
        if ctx.needs_input_grad[0]:  # not for the input of the first decoder layer
            inputs_gradient = torch.cat([gradient, low_gradient], 1) @ widened  # (T, O + R) @ (O + R, I)
        return inputs_gradient, None, a_gradient, b_gradient, None


class WidenedLinear(Linear):
    """PEFT's LoRA layer with one adapter, whose base weight is the first rows of ``widened``.

    Made by ``widen_layer`` from a layer that is there, so that its parameters keep their names. It must stay
    on its device.
    """

    widened: torch.Tensor  # (O + R, I); not a buffer: DDP would broadcast those in every step
    adapter: str

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The layer's output, ``(..., I)`` to ``(..., O)``, with the A of the last ``refresh_adapter``."""
        if self.disable_adapters or self.merged or args or kwargs:
            out: torch.Tensor = super().forward(x, *args, **kwargs)
            return out
        a, b = self.lora_A[self.adapter].weight, self.lora_B[self.adapter].weight
        inputs = x.to(self.widened.dtype).flatten(0, -2)  # (T, I)
        out = _WidenedMatmul.apply(
            inputs, self.widened, a, b.to(self.widened.dtype), self.scaling[self.adapter]
        )
        return out.unflatten(0, x.shape[:-1])


def widen_layers(language: nn.Module) -> list[WidenedLinear]:
    """Widen the LoRA layers of the language model for which that pays and gives the same, in place.

    These are layers with a frozen bfloat16 weight on a GPU, neither quantized nor sharded, and a plain
    adapter without dropout. The others stay as they are.
    """
    layers: list[Any] = [layer for layer in language.modules() if can_widen(layer)]
    widened = [widen_layer(layer) for layer in layers if _on_gpu_in_bfloat16(layer.base_layer.weight)]
    if widened:
        torch.cuda.empty_cache()  # no new weight fits into the place of an old one
    return widened


def _on_gpu_in_bfloat16(weight: torch.Tensor) -> bool:
    return weight.is_cuda and weight.dtype == torch.bfloat16


def can_widen(layer: Any) -> bool:
    """Whether ``layer`` is a LoRA layer that ``WidenedLinear`` computes: no dropout, DoRA, bias or FP8."""
    if type(layer) is not Linear or type(layer.base_layer) is not nn.Linear:
        return False
    base = layer.base_layer
    if len(layer.active_adapters) != 1 or len(layer.lora_A) != 1 or layer.merged or layer.lora_variant:
        return False
    name = layer.active_adapters[0]
    a, b = layer.lora_A[name], layer.lora_B[name]
    return (
        type(base.weight) is nn.Parameter  # a sharded or quantized weight has a type of its own
        and not base.weight.requires_grad
        and base.bias is None
        and a.bias is None
        and b.bias is None
        and not layer.fan_in_fan_out
        and isinstance(layer.lora_dropout[name], nn.Identity)
        and (base.out_features + layer.r[name]) % _ALIGNMENT == 0
    )


@torch.no_grad()
def widen_layer(layer: Any) -> WidenedLinear:
    """Turn a layer that ``can_widen`` into a ``WidenedLinear``, in place, and return it.

    Its base weight moves: memory grows by the rows of A alone.
    """
    base, name = layer.base_layer, layer.active_adapters[0]
    weight, a = base.weight, layer.lora_A[name].weight
    widened = weight.new_empty(base.out_features + len(a), base.in_features)
    widened[: base.out_features] = weight
    base.weight = nn.Parameter(widened[: base.out_features], requires_grad=False)
    layer.__class__ = WidenedLinear
    layer.widened, layer.adapter = widened.detach(), name
    refresh_adapter([layer])
    return layer


@torch.no_grad()
def refresh_adapter(layers: Sequence[WidenedLinear]) -> None:
    """Copy the adapter's A, which an optimizer step has changed, below the weights of the base."""
    if layers:
        weights: list[Any] = [layer.lora_A[layer.adapter].weight for layer in layers]
        rows = [layer.widened[-len(weight) :] for layer, weight in zip(layers, weights, strict=True)]
        torch._foreach_copy_(rows, weights)  # a few kernels for all layers

"""Parts of Qwen3-VL computed by one operation each, with the same result but for rounding."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class _PatchProduct:
    """What the patch embedding computes.

    Args:
        convolution: its kernel covers the whole patch, ``(width, channels, frames, patch, patch)``.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        self._convolution = convolution

    def __call__(self, pixel_values: torch.Tensor) -> torch.Tensor:
        weight, bias = self._convolution.weight, self._convolution.bias
        return functional.linear(pixel_values.to(weight.dtype), weight.flatten(1), bias)


def use_patch_product(visual: Any) -> None:
    """Compute patches by a matrix product, which is faster everywhere than a convolution of one step."""
    _replace_once(visual.patch_embed, _PatchProduct(visual.patch_embed.proj))


def use_fused_norms(language: Any) -> None:
    """Compute root mean square norms by PyTorch's own function, one pass over the memory instead of six."""
    for module in language.modules():
        if type(module).__name__.endswith("RMSNorm"):
            _replace_once(module, _Norm(module))


class _Norm:
    def __init__(self, module: Any) -> None:
        self._module = module

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        weight = self._module.weight
        return functional.rms_norm(hidden, weight.shape, weight, self._module.variance_epsilon)


def _replace_once(module: Any, forward: Any) -> None:
    """What has been compiled around a replacement holds on to that very object, so it stays."""
    if "forward" not in vars(module):
        module.forward = forward

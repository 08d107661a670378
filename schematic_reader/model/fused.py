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
    embedding = visual.patch_embed
    # What has been compiled around a replacement holds on to that very object, so it stays.
    if "forward" not in vars(embedding):
        embedding.forward = _PatchProduct(embedding.proj)


def use_fused_norms(language: Any) -> None:
    """Compute root mean square norms by PyTorch's own module, one pass over the memory instead of six."""
    for parent in list(language.modules()):
        for name, module in parent.named_children():
            if type(module).__name__ == "Qwen3VLTextRMSNorm":
                norm = nn.RMSNorm(module.weight.shape, eps=module.variance_epsilon, device="meta")
                norm.weight = module.weight
                setattr(parent, name, norm.train(module.training))

"""Attention over samples laid end to end: each attends to itself alone, in one call for the whole row.

The function is what transformers calls in place of its own, in the language model and in the vision tower.
Its name holds "flash", which makes Qwen3-VL's vision tower hand over all pictures in one call instead of
looping over them in every layer.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel
from transformers.utils import is_flash_attn_2_available

NAME = "flash_packed"


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001, always None: the borders say it all
    *,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    is_causal: bool | None = None,
    lengths: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each sample, causally where the module does.

    Args:
        query: of shape ``(1, heads, tokens, head_dim)``; key and value may have fewer heads.
        cu_seq_lens_q: int32, where each sample starts, then the number of tokens.
        max_length_q: at least the length of the longest sample.
        lengths: of the samples, int64 on the CPU, where the host knows them.

    Returns:
        ``(1, tokens, heads, head_dim)``, and no weights.
    """
    causal = module.is_causal if is_causal is None else is_causal
    if lengths is not None and not causal and not torch.is_grad_enabled():
        return _one_by_one(query, key, value, lengths, scaling), None
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16):
        rows = [tensor[0].transpose(0, 1) for tensor in (query, key, value)]
        return _by_kernel(rows, cu_seq_lens_q, max_length_q, causal, scaling)[None], None
    return _by_sample(query, key, value, cu_seq_lens_q, causal, scaling), None


def _kernel() -> Callable[..., torch.Tensor]:
    """One call over all samples on the GPU: flash-attn's where it is installed, else PyTorch's own."""
    if is_flash_attn_2_available():
        from flash_attn import flash_attn_varlen_func  # type: ignore[import-not-found]

        def flash(
            rows: list[torch.Tensor], starts: torch.Tensor, longest: int, causal: bool, scaling: float
        ) -> torch.Tensor:
            out: torch.Tensor = flash_attn_varlen_func(
                *rows, starts, starts, longest, longest, causal=causal, softmax_scale=scaling
            )
            return out

        return flash
    from torch.nn.attention import varlen

    attn: Any = varlen.varlen_attn
    # Torch 2.11 takes fewer key heads as they are; later ones want to be told.
    grouped = {"enable_gqa": True} if "enable_gqa" in signature(attn).parameters else {}

    def own(
        rows: list[torch.Tensor], starts: torch.Tensor, longest: int, causal: bool, scaling: float
    ) -> torch.Tensor:
        window = (-1, 0) if causal else (-1, -1)
        out: torch.Tensor = attn(
            *rows, starts, starts, longest, longest, scale=scaling, window_size=window, **grouped
        )
        return out

    return own


_by_kernel = _kernel()


@torch.compiler.disable  # the lengths differ in every row, which would be compiled anew each time
def _by_sample(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    starts: torch.Tensor,
    causal: bool,
    scaling: float,
) -> torch.Tensor:
    """PyTorch's own attention, sample by sample: on a CPU ten times as fast as one call with a block mask."""
    lengths = [length for length in starts.diff().tolist() if length]
    grouped = query.shape[1] != key.shape[1]
    parts = zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True)
    outs = [
        functional.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scaling, enable_gqa=grouped)
        for q, k, v in parts
    ]
    return torch.cat(outs, dim=2).transpose(1, 2)


@torch.library.custom_op("schematic_reader::attend_one_by_one", mutates_args=())
def _one_by_one(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor, scaling: float
) -> torch.Tensor:
    """Attention of each sample to all of itself, by what PyTorch has fastest for a sample of its length.

    For pictures of 3,000 patches that is cuDNN's on a Hopper GPU, a third faster than one call for all. An
    operation of its own, so that it is compiled once for any number of pictures.
    """
    parts = zip(*(tensor.split(lengths.tolist(), dim=2) for tensor in (query, key, value)), strict=True)
    outs = [functional.scaled_dot_product_attention(q, k, v, scale=scaling) for q, k, v in parts]
    return torch.cat([out.transpose(1, 2) for out in outs], dim=1)


@_one_by_one.register_fake
def _(query: torch.Tensor, *_: Any) -> torch.Tensor:
    return query.new_empty(query.shape[0], query.shape[2], query.shape[1], query.shape[3])


def use_packed_vision(model: PreTrainedModel) -> None:
    """Make the vision tower of ``model`` attend picture by picture.

    Set on the built model's configuration: given to ``from_pretrained``, a name with "flash" in it would be
    looked up as a kernel to download.
    """
    AttentionInterface.register(NAME, attend)
    model.config.vision_config._attn_implementation = NAME


def use_packed_attention(model: PreTrainedModel) -> None:
    """Make both parts of ``model`` attend sample by sample."""
    use_packed_vision(model)
    model.config.text_config._attn_implementation = NAME

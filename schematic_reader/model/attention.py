"""Attention over packed sequences: each sample attends to itself alone, in one call for the whole batch.

transformers calls ``packed_attention`` in place of its own functions, in the language model and in the vision
tower. Its registered name holds "flash", which makes Qwen3-VL's vision tower pass all images in one call
instead of looping over them in every layer.
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


def packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001, always None: cu_seq_lens_q says it all
    *,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each sample, causally where the module does.

    Args:
        query: of shape ``(1, heads, T, head_dim)``; key and value may have fewer heads (GQA).
        cu_seq_lens_q: int32 ``(samples + 1,)``, where each sample starts, then T.
        max_length_q: at least the length of the longest sample.
        kwargs: ``is_causal``, by default the module's; ``lengths`` of the samples, int64 on the CPU, where
            the host knows them; others of transformers are ignored.

    Returns:
        ``(1, T, heads, head_dim)``, and no weights.
    """
    lengths: torch.Tensor | None = kwargs.get("lengths")
    is_causal: bool | None = kwargs.get("is_causal")
    causal = module.is_causal if is_causal is None else is_causal
    if lengths is not None and not causal and not torch.is_grad_enabled():
        return _sdpa_per_image(query, key, value, lengths, scaling), None
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16):
        # (1, heads, T, head_dim) -> (T, heads, head_dim), the layout of variable-length kernels
        qkv = [tensor[0].transpose(0, 1) for tensor in (query, key, value)]
        return _varlen_kernel(qkv, cu_seq_lens_q, max_length_q, causal, scaling)[None], None
    return _sdpa_per_sample(query, key, value, cu_seq_lens_q, causal, scaling), None


def _choose_varlen_kernel() -> Callable[..., torch.Tensor]:
    """The variable-length kernel for GPUs: flash-attn's where it is installed, else PyTorch's own.

    It takes query, key and value of shape ``(T, heads, head_dim)`` and returns the query's shape.
    """
    if is_flash_attn_2_available():
        from flash_attn import flash_attn_varlen_func  # type: ignore[import-not-found]

        def flash(
            qkv: list[torch.Tensor], cu_seqlens: torch.Tensor, max_seqlen: int, causal: bool, scaling: float
        ) -> torch.Tensor:
            out: torch.Tensor = flash_attn_varlen_func(
                *qkv, cu_seqlens, cu_seqlens, max_seqlen, max_seqlen, causal=causal, softmax_scale=scaling
            )
            return out

        return flash
    from torch.nn.attention import varlen

    attn: Any = varlen.varlen_attn
    # Torch 2.11 takes fewer key heads without a flag; later versions need it.
    gqa = {"enable_gqa": True} if "enable_gqa" in signature(attn).parameters else {}

    def torch_varlen(
        qkv: list[torch.Tensor], cu_seqlens: torch.Tensor, max_seqlen: int, causal: bool, scaling: float
    ) -> torch.Tensor:
        window = (-1, 0) if causal else (-1, -1)
        out: torch.Tensor = attn(
            *qkv,
            cu_seqlens,
            cu_seqlens,
            max_seqlen,
            max_seqlen,
            scale=scaling,
            window_size=window,
            **gqa,
        )
        return out

    return torch_varlen


_varlen_kernel = _choose_varlen_kernel()


@torch.compiler.disable  # lengths differ in every batch: each would be a new graph
def _sdpa_per_sample(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    causal: bool,
    scaling: float,
) -> torch.Tensor:
    """Sample by sample: on a CPU ten times as fast as one call of SDPA with a block-diagonal mask."""
    lengths = [length for length in cu_seqlens.diff().tolist() if length]
    # (1, heads, T, head_dim) -> one (1, heads, length, head_dim) per sample
    samples = zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True)
    outs = [_attend(q, k, v, causal, scaling) for q, k, v in samples]
    return torch.cat(outs, dim=2).transpose(1, 2)  # (1, T, heads, head_dim)


@torch.library.custom_op("schematic_reader::sdpa_per_image", mutates_args=())
def _sdpa_per_image(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor, scaling: float
) -> torch.Tensor:
    """SDPA of each image over all of its patches, by the backend that is fastest for its length.

    For images of 3,000 patches that is cuDNN's on a Hopper GPU, a third faster than one variable-length call.
    A custom operator, so that compiled code has one graph for any number of images.
    """
    images = zip(*(tensor.split(lengths.tolist(), dim=2) for tensor in (query, key, value)), strict=True)
    outs = [_attend(q, k, v, False, scaling) for q, k, v in images]
    return torch.cat([out.transpose(1, 2) for out in outs], dim=1)  # (1, T, heads, head_dim)


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool, scaling: float
) -> torch.Tensor:
    """Attention of one sample or image, ``(1, heads, length, head_dim)``.

    By SDPA; under autocast on a CPU, where SDPA's backward takes twice as long, by products of whole matrices
    that are as large as one key head's scores.
    """
    if query.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        gqa = query.shape[1] != key.shape[1]
        return functional.scaled_dot_product_attention(
            query, key, value, is_causal=causal, scale=scaling, enable_gqa=gqa
        )
    queries = (query[0] * scaling).split(query.shape[1] // key.shape[1])  # of each key head, (group, L, D)
    outs = []
    for q, k, v in zip(queries, key[0], value[0], strict=True):
        scores = (q.flatten(0, 1) @ k.T).unflatten(0, q.shape[:2])  # (group, L, L)
        if causal:
            scores = scores + scores.new_full(scores.shape[1:], -torch.inf).triu(1)
        outs.append((scores.softmax(-1).flatten(0, 1) @ v).unflatten(0, q.shape[:2]))
    return torch.cat(outs)[None]


@_sdpa_per_image.register_fake
def _(query: torch.Tensor, *_: Any) -> torch.Tensor:
    return query.new_empty(query.shape[0], query.shape[2], query.shape[1], query.shape[3])


def use_packed_vision_attention(model: PreTrainedModel) -> None:
    """Make the vision tower of ``model`` attend image by image.

    Set on the built model's configuration: given to ``from_pretrained``, a name with "flash" in it would be
    looked up as a kernel to download.
    """
    AttentionInterface.register(NAME, packed_attention)
    model.config.vision_config._attn_implementation = NAME


def use_packed_attention(model: PreTrainedModel) -> None:
    """Make the vision tower and the language model of ``model`` attend sample by sample."""
    use_packed_vision_attention(model)
    model.config.text_config._attn_implementation = NAME

"""Attention for decoding with a cache of fixed size: keys and values are read once, as they lie.

What transformers does with a mask and fewer key heads than query heads is to write every key and value out
once for each query head first: at 48 sheets through Qwen3-VL-8B, four fifths of a decoding step. Here the
query heads that share a key head are handed over as if they were one head's queries.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from stages.vlm import attention

NAME = "grouped"  # no "flash" in it: transformers would not compile the decoding step


def attend_cached(
    module: Any,  # noqa: ARG001
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend from the whole prompts to themselves, or from one new token each to what the cache has.

    Args:
        query: of shape ``(batch, heads, tokens, head_dim)``; key and value have as many tokens as the cache
            and may have fewer heads.
        attention_mask: bool of shape ``(batch, 1, tokens, tokens of the cache)``; None where the prompts are
            all of one length.

    Returns:
        ``(batch, tokens, heads, head_dim)``, and no weights.
    """
    batch, heads, tokens, width = query.shape
    if tokens > 1:
        return _prompts(query, key[:, :, :tokens], value[:, :, :tokens], attention_mask, scaling), None
    grouped = query.reshape(batch, key.shape[1], -1, width)
    out = functional.scaled_dot_product_attention(
        grouped, key, value, attn_mask=attention_mask, scale=scaling
    )
    return out.reshape(batch, 1, heads, width), None


def _prompts(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
) -> torch.Tensor:
    """Prompts padded on the left; what comes out at the padding has no meaning.

    Laid end to end, each prompt and each padding is a sample of its own.
    """
    batch, _, tokens, _ = query.shape
    starts = torch.arange(batch + 1, device=query.device, dtype=torch.int32) * tokens
    if mask is not None:
        padding = tokens - mask[:, 0, -1, :tokens].sum(-1)  # the last token sees all of its prompt
        starts = torch.stack([starts[:-1], starts[:-1] + padding.to(torch.int32)], 1).flatten()
        starts = torch.cat([starts, starts.new_tensor([batch * tokens])])
    query, key, value = (
        tensor.transpose(1, 2).flatten(0, 1).transpose(0, 1)[None] for tensor in (query, key, value)
    )
    out, _ = attention.attend(
        None,
        query,
        key,
        value,
        None,
        scaling=scaling,
        cu_seq_lens_q=starts,
        max_length_q=tokens,
        is_causal=True,
    )
    return out.unflatten(1, (batch, tokens))[0]


@contextmanager
def cached_attention(model: Any) -> Iterator[None]:
    """The language model attends so, and the vision tower to all pictures in one call, until the end."""
    AttentionInterface.register(NAME, attend_cached)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    text, vision = model.config.text_config, model.config.vision_config
    before = text._attn_implementation, vision._attn_implementation
    attention.use_packed_vision(model)
    text._attn_implementation = NAME
    try:
        yield
    finally:
        text._attn_implementation, vision._attn_implementation = before

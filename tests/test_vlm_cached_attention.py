"""Attention with a cache of fixed size, against a softmax written out in float64."""

from __future__ import annotations

import pytest
import torch

from stages.vlm.cached_attention import attend_cached

CACHE, WIDTH, SCALING = 12, 8, 0.3


def tensors(batch: int, heads: tuple[int, int], tokens: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(batch + tokens)
    shapes = [(batch, heads[0], tokens, WIDTH), *[(batch, heads[1], CACHE, WIDTH)] * 2]
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def written_out(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    each = query.shape[1] // key.shape[1]
    scores = query @ key.repeat_interleave(each, 1).mT * SCALING
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return (weights @ value.repeat_interleave(each, 1)).transpose(1, 2)


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (6, 1)])
def test_one_new_token_sees_what_the_mask_shows_of_the_cache(heads: tuple[int, int]) -> None:
    query, key, value = tensors(3, heads, 1)
    at = torch.arange(CACHE)
    mask = torch.stack([(at >= first) & (at <= 9) for first in (0, 4, 8)])[:, None, None]
    out, none = attend_cached(None, query, key, value, mask, scaling=SCALING)
    assert none is None and out.shape == (3, 1, heads[0], WIDTH)
    torch.testing.assert_close(out, written_out(query, key, value, mask))


@pytest.mark.parametrize("heads", [(4, 4), (4, 2)])
@pytest.mark.parametrize("padding", [(0, 3, 7), (0, 0, 0)])
def test_prompts_see_themselves_and_none_of_their_padding_or_of_the_empty_cache(
    heads: tuple[int, int], padding: tuple[int, ...]
) -> None:
    tokens = 9
    query, key, value = tensors(3, heads, tokens)
    at, from_ = torch.arange(CACHE), torch.arange(tokens)[:, None]
    mask = torch.stack([(at >= first) & (at <= from_) for first in padding])[:, None]
    # Nothing that the cache holds behind the prompts may be read.
    key[:, :, tokens:], value[:, :, tokens:] = torch.nan, torch.nan
    found, _ = attend_cached(None, query, key, value, mask, scaling=SCALING)
    unpadded, _ = attend_cached(None, query, key, value, None, scaling=SCALING)
    expected = written_out(query, key[:, :, :tokens], value[:, :, :tokens], mask[..., :tokens])
    for row, first in enumerate(padding):
        torch.testing.assert_close(found[row, first:], expected[row, first:])
        if first == 0:
            torch.testing.assert_close(unpadded[row], expected[row])

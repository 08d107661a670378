"""The model's forward pass for many pictures of one size, on the weights of the transformers class.

The class computes positions picture by picture and attends picture by picture. Here every picture of a
batch has the same size, so positions are constants, attention runs once over ``(batch, heads, patches,
width)``, and all shapes are static, as ``torch.compile`` likes them. Numbers are the class' own up to
rounding; a test compares them.

Several questions share one picture: behind the picture's tokens stand slots of fixed length, each with one
question and its answer. A slot sees the picture and itself, at the positions it would have alone, so each one
computes exactly what a chat of that question would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import Qwen3VLForConditionalGeneration

from pretraining.tokens import CELL, IMAGE, MERGE, PATCH


@dataclass(frozen=True)
class Grid:
    """Patches of a picture: ``rows`` by ``columns``, both multiples of ``MERGE``."""

    rows: int
    columns: int

    @classmethod
    def of(cls, width: int, height: int) -> Grid:
        """The grid of a picture of that many pixels.

        Raises:
            ValueError: a side is no multiple of ``CELL``.
        """
        if width % CELL or height % CELL:
            raise ValueError(f"a picture's sides must be multiples of {CELL} px: got {width} x {height}")
        return cls(height // PATCH, width // PATCH)

    @property
    def tokens(self) -> int:
        return self.rows * self.columns // MERGE**2


class FixedSizeModel(nn.Module):
    """Vision tower and language model over pictures of one size and a row of slots.

    Args:
        model: the weights; they are used in place.
        grid: of every picture.
        prefix: ids of int64 ``(tokens,)`` up to the end of the picture, with ``grid.tokens`` placeholders.
        slots: length of each slot in tokens.
    """

    prefix: torch.Tensor
    taps: torch.Tensor  # (patches, 4)
    tap_weights: torch.Tensor  # (patches, 4)
    vision_cos: torch.Tensor  # (patches, head_dim)
    vision_sin: torch.Tensor
    cos: torch.Tensor  # (1, tokens, head_dim)
    sin: torch.Tensor
    mask: torch.Tensor  # (1, 1, tokens, tokens): what each token sees

    def __init__(
        self, model: Qwen3VLForConditionalGeneration, grid: Grid, prefix: torch.Tensor, slots: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.model: Any = model
        self.grid = grid
        visual, language = model.model.visual, model.model.language_model
        places = torch.nonzero(prefix == IMAGE).flatten()
        self.first = int(places[0])
        self.image = slice(self.first, self.first + grid.tokens)
        self.prefix_length = len(prefix)
        self.register_buffer("prefix", prefix, persistent=False)

        row, column = _block_order(grid)
        taps, weights = _interpolation(grid, row, column, visual.num_grid_per_side)
        self.register_buffer("taps", taps, persistent=False)
        self.register_buffer("tap_weights", weights, persistent=False)
        half = visual.config.hidden_size // visual.config.num_heads // 2
        theta = visual.config.rope_parameters["rope_theta"]
        frequency = theta ** -(torch.arange(0, half, 2).float() / half)
        angle = torch.cat([row[:, None] * frequency, column[:, None] * frequency], -1)
        self.register_buffer("vision_cos", torch.cat([angle, angle], -1).cos(), persistent=False)
        self.register_buffer("vision_sin", torch.cat([angle, angle], -1).sin(), persistent=False)

        positions, owner = _layout(prefix, grid, self.first, slots)
        with torch.no_grad():
            cos, sin = language.rotary_emb(torch.zeros(1), positions[:, None].to(language.device))
        self.register_buffer("cos", cos.cpu(), persistent=False)
        self.register_buffer("sin", sin.cpu(), persistent=False)
        order = torch.arange(len(owner))
        seen = (owner[None] == 0) | (owner[:, None] == owner[None])
        mask = seen & (order[:, None] >= order[None])
        self.register_buffer("mask", mask[None, None], persistent=False)
        self._compile = False

    def see(self, pictures: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Merged tokens and deepstack features, each ``(batch, grid.tokens, width)``.

        Args:
            pictures: normalised to -1..1, ``(batch, height, width, 3)``.
        """
        visual = self.model.model.visual
        vision_block = self._maybe_compiled(_vision_block)
        batch = len(pictures)
        rows, columns = self.grid.rows // MERGE, self.grid.columns // MERGE
        # The order of the processor: blocks of merged patches, then patches in a block, then channel, y, x.
        patches = pictures.view(batch, rows, MERGE, PATCH, columns, MERGE, PATCH, 3)
        patches = patches.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(batch, rows * columns * MERGE**2, -1)
        # A still picture fills both frames of a patch, so the two halves of the kernel add up.
        kernel = visual.patch_embed.proj.weight.sum(2).flatten(1)
        x = functional.linear(patches, kernel, visual.patch_embed.proj.bias)
        x = x + (visual.pos_embed(self.taps) * self.tap_weights[..., None]).sum(1).to(x.dtype)
        deep = []
        for index, block in enumerate(visual.blocks):
            x = vision_block(block, x, self.vision_cos, self.vision_sin)
            if index in visual.deepstack_visual_indexes:
                merger = visual.deepstack_merger_list[visual.deepstack_visual_indexes.index(index)]
                deep.append(merger(x).view(batch, self.grid.tokens, -1))
        return visual.merger(x).view(batch, self.grid.tokens, -1), deep

    def answer(self, seen: torch.Tensor, deep: list[torch.Tensor], ids: torch.Tensor) -> torch.Tensor:
        """Hidden states of the slots, ``(batch, sum of slots, width)``, for slot tokens ``ids``."""
        language = self.model.model.language_model
        text_layer = self._maybe_compiled(_text_layer)
        before = language.embed_tokens(self.prefix).to(seen.dtype).expand(len(ids), -1, -1)
        after = language.embed_tokens(ids).to(seen.dtype)
        x = torch.cat([before[:, : self.first], seen, before[:, self.image.stop :], after], 1)
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        for index, layer in enumerate(language.layers):
            x = text_layer(layer, x, cos, sin, self.mask)
            if index < len(deep):
                stop = x.shape[1] - self.image.stop
                x = x + functional.pad(deep[index], (0, 0, self.first, stop))
        return language.norm(x[:, self.prefix_length :])

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.model.lm_head(hidden)

    def compile(self) -> None:
        """Compile one block of each tower for training; all blocks share what is compiled."""
        self._compile = True

    def _maybe_compiled(self, function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        return _compiled(function) if self._compile and torch.is_grad_enabled() else function


def _vision_block(block: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """A block of the vision tower on ``(batch, patches, width)``."""
    attention = block.attn
    batch, count, _ = x.shape
    qkv = attention.qkv(block.norm1(x)).view(batch, count, 3, attention.num_heads, attention.head_dim)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (batch, heads, patches, head_dim) each
    q, k = (_rotate(t, cos, sin) for t in (q, k))
    y = functional.scaled_dot_product_attention(q, k, v)
    x = x + attention.proj(y.transpose(1, 2).reshape(batch, count, -1))
    return x + block.mlp(block.norm2(x))


def _text_layer(
    layer: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """A layer of the language model on ``(batch, tokens, width)``."""
    attention, normed = layer.self_attn, layer.input_layernorm(x)
    batch, count, _ = x.shape
    shape = (batch, count, -1, attention.head_dim)
    q = attention.q_norm(attention.q_proj(normed).view(shape)).transpose(1, 2)
    k = attention.k_norm(attention.k_proj(normed).view(shape)).transpose(1, 2)
    v = attention.v_proj(normed).view(shape).transpose(1, 2)
    q, k = _rotate(q, cos, sin).to(v.dtype), _rotate(k, cos, sin).to(v.dtype)
    groups = attention.num_key_value_groups
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    x = x + attention.o_proj(y.transpose(1, 2).reshape(batch, count, -1))
    return x + layer.mlp(layer.post_attention_layernorm(x))


@cache
def _compiled(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Compiled once, when it is first needed, for all models and layers."""
    return torch.compile(function, dynamic=False)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.float().chunk(2, -1)
    return (x * cos + torch.cat([-second, first], -1) * sin).to(x.dtype)


def _block_order(grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column of each patch, in the order of merged blocks; float32 ``(patches,)``."""
    shape = (grid.rows // MERGE, MERGE, grid.columns // MERGE, MERGE)
    row = torch.arange(grid.rows)[:, None].expand(grid.rows, grid.columns)
    column = torch.arange(grid.columns)[None].expand(grid.rows, grid.columns)
    order = (t.reshape(shape).transpose(1, 2).flatten().float() for t in (row, column))
    return next(order), next(order)


def _interpolation(
    grid: Grid, row: torch.Tensor, column: torch.Tensor, side: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Four entries of the square position table and their weights for each patch, ``(patches, 4)`` both."""
    taps, weights = [], []
    y, x = row * (side - 1) / (grid.rows - 1), column * (side - 1) / (grid.columns - 1)
    for dy in (0, 1):
        for dx in (0, 1):
            ty, tx = (y.floor() + dy).clamp(max=side - 1), (x.floor() + dx).clamp(max=side - 1)
            taps.append((ty * side + tx).long())
            weights.append((1 - (y - y.floor() - dy).abs()) * (1 - (x - x.floor() - dx).abs()))
    return torch.stack(taps, 1), torch.stack(weights, 1)


def _layout(
    prefix: torch.Tensor, grid: Grid, first: int, slots: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions ``(3, tokens)`` of prefix and slots, and the slot of each token, 0 for the prefix."""
    rows, columns = grid.rows // MERGE, grid.columns // MERGE
    text = torch.arange(first).expand(3, -1)
    row = torch.arange(rows).repeat_interleave(columns)
    column = torch.arange(columns).repeat(rows)
    image = torch.stack([torch.zeros_like(row), row, column]) + first
    start = first + max(rows, columns)
    tail = len(prefix) - first - grid.tokens
    parts = [text, image, torch.arange(start, start + tail).expand(3, -1)]
    parts += [torch.arange(start + tail, start + tail + length).expand(3, -1) for length in slots]
    owner = [torch.full((n,), i + 1) for i, n in enumerate(slots)]
    return torch.cat(parts, 1), torch.cat([torch.zeros(len(prefix), dtype=torch.int64), *owner])

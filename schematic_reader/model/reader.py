"""The model over a row of several samples, its pictures and its text in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from schematic_reader.model.attention import use_packed_attention
from schematic_reader.model.fused import use_patch_product
from schematic_reader.model.row import Row


class Reader:
    """Maps a row to its last hidden states, with a base model that may have an adapter in it.

    Args:
        model: a ``Qwen3VLForConditionalGeneration`` or PEFT's wrapper of one. Its attention and its patch
            embedding are changed in place.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
        base = self.base
        use_packed_attention(base)
        visual = base.model.visual
        use_patch_product(visual)
        self._parts = (visual, base.model.language_model)
        self._frozen_vision = not any(weight.requires_grad for weight in visual.parameters())
        self.layers = len(base.model.language_model.layers)
        self.layers_done = 0  # of the last forward pass: how far one came that ran out of memory

    def compile_layers(self, *, dynamic: bool = False) -> None:
        """Compile each decoder layer for the one shape that padded rows have, each vision layer for any.

        Args:
            dynamic: compile decoder layers for any shape, too.
        """
        visual, language = self._parts
        for layer in language.layers:
            layer.compile(dynamic=dynamic)
        for block in visual.blocks:
            block.compile(dynamic=True)

    def hidden_states(self, row: Row, more: Sequence[Mapping[str, torch.Tensor]] = ()) -> torch.Tensor:
        """Normalised last hidden states, ``(1, tokens, width)``.

        Args:
            more: for each layer, what its attention function is told beside the row's borders.
        """
        language = self._parts[1]
        embedded = language.embed_tokens(row.input_ids)
        seen, *deep = [
            torch.zeros_like(embedded).index_copy(1, row.picture_at, features[None].to(embedded.dtype))
            for features in self._see(row)
        ]
        is_picture = torch.zeros_like(row.input_ids, dtype=torch.bool).index_fill(1, row.picture_at, True)
        hidden = torch.where(is_picture[..., None], seen, embedded)
        turns = language.rotary_emb(hidden, row.position_ids[1:])
        self.layers_done = 0
        for index, layer in enumerate(language.layers):
            arguments: dict[str, Any] = {
                "position_embeddings": turns,
                "attention_mask": None,
                "cu_seq_lens_q": row.starts,
                "max_length_q": row.longest,
                **(more[index] if more else {}),
            }
            hidden = self._layer(index, layer, hidden, arguments)
            if index < len(deep):  # deepstack: deeper vision layers join the first decoder layers
                hidden = hidden + deep[index]
            self.layers_done = index + 1
        normalised: torch.Tensor = language.norm(hidden)
        return normalised

    def next_states(
        self,
        hidden: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor,
        more: Sequence[Mapping[str, torch.Tensor]],
    ) -> torch.Tensor:
        """Normalised last hidden states of one text token of each of several texts, ``(texts, 1, width)``.

        Args:
            hidden: the tokens' embeddings, of the same shape.
            positions: int64, ``(3, texts, 1)``.
            mask: what the attention function takes as such.
            more: for each layer, what its attention function is told beside.
        """
        language = self._parts[1]
        turns = language.rotary_emb(hidden, positions)
        for layer, told in zip(language.layers, more, strict=True):
            hidden = layer(hidden, position_embeddings=turns, attention_mask=mask, **told)
        normalised: torch.Tensor = language.norm(hidden)
        return normalised

    def _see(self, row: Row) -> list[torch.Tensor]:
        """Features of all image placeholders, then those for each of the first decoder layers."""
        if row.features is not None:
            return list(row.features)
        visual = self._parts[0]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen_vision):
            out = visual(
                row.pixel_values,
                row.image_grid_thw,
                cu_seqlens=row.picture_starts,
                max_seqlen=max(row.pictures),
                lengths=torch.tensor(row.pictures),
            )
        return [out.pooler_output, *out.deepstack_features]

    def _layer(
        self,
        index: int,  # noqa: ARG002
        layer: nn.Module,
        hidden: torch.Tensor,
        arguments: dict[str, Any],
    ) -> torch.Tensor:
        """The states after decoder layer number ``index``, of the shape of those before."""
        out: torch.Tensor = layer(hidden, **arguments)
        return out

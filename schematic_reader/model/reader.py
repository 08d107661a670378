"""The model over a row of several samples: pictures seen once, logits for answers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from schematic_reader.model.attention import use_packed_attention
from schematic_reader.model.fused import use_patch_product
from schematic_reader.model.row import Row
from schematic_reader.training.answer_loss import answer_loss
from schematic_reader.training.dropout import Draws, use_hashed_dropout
from schematic_reader.training.features import FeatureCache

Recompute = Literal["none", "selective", "full"]


class Reader:
    """Maps a row to the summed loss of its answers, with a base model that may have an adapter in it.

    Args:
        model: a ``Qwen3VLForConditionalGeneration`` or PEFT's wrapper of one. Its attention and its patch
            embedding are changed in place.
        recompute: the decoder layers whose activations are computed again in backward instead of kept: none,
            every second one, or all.
        seen: keeps what the vision tower gives for rows that ask for it.
    """

    def __init__(
        self, model: Any, *, recompute: Recompute = "none", seen: FeatureCache | None = None
    ) -> None:
        self.model, self._seen = model, seen
        self.base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
        base = self.base
        use_packed_attention(base)
        visual = base.model.visual
        use_patch_product(visual)
        self._parts = (visual, base.model.language_model, base.lm_head)
        self._recomputed_every = {"none": 0, "selective": 2, "full": 1}[recompute]
        self._frozen_vision = not any(weight.requires_grad for weight in visual.parameters())
        self.layers = len(base.model.language_model.layers)
        self.layers_done = 0  # of the last forward pass: how far one came that ran out of memory
        self._draws: Draws | None = None

    def take_over(self) -> None:
        """Make the base model's ``forward`` read rows, so that whatever wraps the model passes them on."""
        self.base.forward = self.__call__

    def compile_layers(self, *, dynamic: bool = False) -> None:
        """Compile each decoder layer for the one shape that padded rows have, each vision layer for any.

        Args:
            dynamic: compile decoder layers for any shape, too.
        """
        visual, language, _ = self._parts
        for layer in language.layers:
            layer.compile(dynamic=dynamic)
        for block in visual.blocks:
            block.compile(dynamic=True)

    def hash_dropout(self) -> None:
        """Let dropout compute its masks instead of keeping them, which pays in compiled layers."""
        self._draws = use_hashed_dropout(self.model)

    def __call__(self, row: Row, **_: Any) -> torch.Tensor:
        """Summed negative log-likelihood of the row's answer tokens, a float32 scalar."""
        if self._draws is not None and self.model.training:
            self._draws.draw(row.input_ids.shape[1], row.input_ids.device)
        hidden = self.hidden_states(row)
        return answer_loss(hidden[0, row.answer_at], self._parts[2].weight, row.answers)

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
            hidden = self._layer(index, layer, hidden, turns, row, more[index] if more else {})
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
        levels = [out.pooler_output, *out.deepstack_features]
        if row.keep and self._seen is not None:
            self._seen.write(row, torch.stack(levels))
        return levels

    def _layer(
        self,
        index: int,
        layer: nn.Module,
        hidden: torch.Tensor,
        turns: tuple[torch.Tensor, ...],
        row: Row,
        more: Mapping[str, torch.Tensor],
    ) -> torch.Tensor:
        arguments: dict[str, Any] = {
            "position_embeddings": turns,
            "attention_mask": None,
            "cu_seq_lens_q": row.starts,
            "max_length_q": row.longest,
            **more,
        }
        every = self._recomputed_every
        if every and index % every == 0 and torch.is_grad_enabled():
            again: torch.Tensor = checkpoint(partial(layer, **arguments), hidden, use_reentrant=False)
            return again
        out: torch.Tensor = layer(hidden, **arguments)
        return out

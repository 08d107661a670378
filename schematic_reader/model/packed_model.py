"""The model over a packed batch: images and text of several samples in one forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from schematic_reader.model.attention import use_packed_attention
from schematic_reader.model.fused import patch_embed_as_linear
from schematic_reader.model.packed_batch import PackedBatch


class PackedModel:
    """Maps a packed batch to its last hidden states, with a base model that may have an adapter in it.

    Shapes below: T tokens of a batch, P image placeholders among them, H the decoder's width.

    Args:
        model: a ``Qwen3VLForConditionalGeneration`` or PEFT's wrapper of one. Its attention and its patch
            embedding are changed in place.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._visual, self._language = self.base.model.visual, self.base.model.language_model
        use_packed_attention(self.base)
        patch_embed_as_linear(self._visual)
        self._frozen_vision = not any(weight.requires_grad for weight in self._visual.parameters())
        self.num_layers = len(self._language.layers)
        self.layers_done = 0  # decoder layers of the last forward pass that ran before memory ran out

    def compile_layers(self, *, dynamic: bool = False) -> None:
        """Compile each decoder layer for the one shape of padded batches, each vision block for any shape.

        Args:
            dynamic: compile decoder layers for any shape, too.
        """
        # A float such as the adapter's scaling would be an input of a graph for any shape: a tensor on the
        # CPU, with a kernel in C++ to compile and a copy to the device for each use.
        torch._dynamo.config.specialize_float = True
        for layer in self._language.layers:
            layer.compile(dynamic=dynamic)
        for block in self._visual.blocks:
            block.compile(dynamic=True)

    def hidden_states(
        self, batch: PackedBatch, layer_kwargs: Sequence[Mapping[str, torch.Tensor]] = ()
    ) -> torch.Tensor:
        """Normalised last hidden states, ``(1, T, H)``.

        Args:
            layer_kwargs: for each layer, further keyword arguments of its attention function.
        """
        language = self._language
        # 1) Embed the tokens; image features take the place of their placeholders.
        embedded = language.embed_tokens(batch.input_ids)  # (1, T, H)
        images, *deepstack = [  # each (P, H) scattered to (1, T, H), zero where there is no image
            torch.zeros_like(embedded).index_copy(1, batch.image_positions, features[None].to(embedded.dtype))
            for features in self._encode_images(batch)
        ]
        is_image = torch.zeros_like(batch.input_ids, dtype=torch.bool)  # (1, T)
        is_image = is_image.index_fill(1, batch.image_positions, True)
        hidden = torch.where(is_image[..., None], images, embedded)  # (1, T, H)
        # 2) Rotary embeddings of temporal, height and width positions, starting at 0 in every sample.
        rope = language.rotary_emb(hidden, batch.position_ids[1:])  # cos, sin: (1, T, head_dim)
        # 3) Decoder layers. cu_seqlens keeps each sample's attention to itself.
        self.layers_done = 0
        for index, layer in enumerate(language.layers):
            kwargs: dict[str, Any] = {
                "position_embeddings": rope,
                "attention_mask": None,
                "cu_seq_lens_q": batch.cu_seqlens,
                "max_length_q": batch.max_seqlen,
                **(layer_kwargs[index] if layer_kwargs else {}),
            }
            hidden = self._run_layer(index, layer, hidden, kwargs)  # (1, T, H)
            if index < len(deepstack):  # features of deeper vision blocks join the first decoder layers
                hidden = hidden + deepstack[index]
            self.layers_done = index + 1
        normalised: torch.Tensor = language.norm(hidden)
        return normalised

    def decode_hidden_states(
        self,
        hidden: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor,
        layer_kwargs: Sequence[Mapping[str, torch.Tensor]],
    ) -> torch.Tensor:
        """Normalised last hidden states of one new token of each of B sequences, ``(B, 1, H)``.

        Args:
            hidden: the tokens' embeddings, ``(B, 1, H)``.
            positions: temporal, height and width positions, int64 of shape ``(3, B, 1)``.
            mask: ``attention_mask`` of the attention function.
            layer_kwargs: for each layer, further keyword arguments of its attention function.
        """
        rope = self._language.rotary_emb(hidden, positions)  # cos, sin: (B, 1, head_dim)
        for layer, kwargs in zip(self._language.layers, layer_kwargs, strict=True):
            hidden = layer(hidden, position_embeddings=rope, attention_mask=mask, **kwargs)
        normalised: torch.Tensor = self._language.norm(hidden)
        return normalised

    def _encode_images(self, batch: PackedBatch) -> list[torch.Tensor]:
        """Image features, each ``(P, H)``: those of the placeholders, then one for each deepstack layer."""
        if batch.image_features is not None:
            return list(batch.image_features)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen_vision):
            out = self._visual(
                batch.pixel_values,  # (patches, channels * frames * patch * patch)
                batch.image_grid_thw,  # (images, 3)
                cu_seqlens=batch.image_cu_seqlens,
                max_seqlen=max(batch.patches_per_image),
                lengths=torch.tensor(batch.patches_per_image),
                **batch.vision_inputs,
            )
        return [out.pooler_output, *out.deepstack_features]

    def _run_layer(
        self,
        index: int,  # noqa: ARG002
        layer: nn.Module,
        hidden: torch.Tensor,
        kwargs: dict[str, Any],
    ) -> torch.Tensor:
        """Hidden states after decoder layer number ``index``, ``(1, T, H)``."""
        out: torch.Tensor = layer(hidden, **kwargs)
        return out

"""The training loss of a packed batch: logits for answer tokens alone, activations recomputed on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from schematic_reader.model.device import cpu_multiplies_bfloat16
from schematic_reader.model.packed_batch import PackedBatch
from schematic_reader.model.packed_model import PackedModel
from schematic_reader.training.answer_loss import answer_loss
from schematic_reader.training.dropout import TokenSeeds, use_hashed_dropout
from schematic_reader.training.feature_cache import FeatureCache
from schematic_reader.training.widened_linear import WidenedLinear, refresh_adapter, widen_layers

Recompute = Literal["none", "selective", "full"]


class PackedLoss(PackedModel):
    """Maps a packed batch to the summed loss of its answers; the base model may have an adapter in it.

    Args:
        model: as of ``PackedModel``.
        recompute: decoder layers whose activations are recomputed in backward instead of stored (gradient
            checkpointing): none, every second one, or all.
        feature_cache: takes the vision tower's output of batches that ask for it.
    """

    def __init__(
        self, model: Any, *, recompute: Recompute = "none", feature_cache: FeatureCache | None = None
    ) -> None:
        super().__init__(model)
        self._feature_cache = feature_cache
        self._recompute_every = {"none": 0, "selective": 2, "full": 1}[recompute]
        self._token_seeds: TokenSeeds | None = None
        self._widened: list[WidenedLinear] = []

    def install_forward(self) -> None:
        """Make this the base model's ``forward``, so that wrappers of the model pass packed batches on."""
        self.base.forward = self.__call__

    @contextmanager
    def answering(self) -> Iterator[Any]:
        """The base model with its adapter as transformers' ``generate`` takes it, in evaluation mode.

        Its own forward pass and attention are back meanwhile, and compiled layers run as they are written,
        since every length would compile them anew.
        """
        model, config = self.base, self.base.config
        parts = (config.text_config, config.vision_config)
        packed = [part._attn_implementation for part in parts]
        was_training = self.model.training
        forward = vars(model).pop("forward")
        for part in parts:
            part._attn_implementation = config._attn_implementation
        self.model.eval()
        refresh_adapter(self._widened)
        try:
            with torch.compiler.set_stance("force_eager"):
                yield model
        finally:
            model.forward = forward
            for part, name in zip(parts, packed, strict=True):
                part._attn_implementation = name
            self.model.train(was_training)

    def enable_hashed_dropout(self) -> None:
        """Recompute dropout masks in backward instead of storing them, which pays in compiled layers."""
        self._token_seeds = use_hashed_dropout(self.model)

    def widen_layers(self) -> None:
        """Compute the adapter's first half inside the base's matmuls, in the layers where that pays."""
        self._widened = widen_layers(self._language)

    def __call__(self, batch: PackedBatch, **_: Any) -> torch.Tensor:
        """Summed negative log-likelihood of the batch's answer tokens, a float32 scalar."""
        # An optimizer step or a checkpoint may have changed the adapter since the last pass.
        refresh_adapter(self._widened)
        # New dropout masks for every forward pass; backward recomputes them from the same seeds.
        if self._token_seeds is not None and self.model.training:
            self._token_seeds.resample(batch.input_ids.shape[1], batch.input_ids.device)
        with _bfloat16_products(batch.input_ids.device):
            hidden = self.hidden_states(batch)  # (1, T, H)
        predicting = hidden[0, batch.answer_positions]  # (A, H)
        return answer_loss(predicting, self.base.lm_head.weight, batch.answer_ids)

    def _encode_images(self, batch: PackedBatch) -> list[torch.Tensor]:
        levels = super()._encode_images(batch)
        if batch.cache_features and self._feature_cache is not None:
            self._feature_cache.write(batch, torch.stack(levels))
        return levels

    def _run_layer(
        self, index: int, layer: nn.Module, hidden: torch.Tensor, kwargs: dict[str, Any]
    ) -> torch.Tensor:
        every = self._recompute_every
        if every and index % every == 0 and torch.is_grad_enabled():
            recomputed: torch.Tensor = checkpoint(partial(layer, **kwargs), hidden, use_reentrant=False)
            return recomputed
        return super()._run_layer(index, layer, hidden, kwargs)


def _bfloat16_products(device: torch.device) -> torch.autocast:
    """Autocast of matrix products where ``matmul: medium`` allows it and the CPU has instructions for it.

    The setting alone rounds float32 inputs inside products, which take twice as long as those of cast inputs.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=device.type == "cpu" and cpu_multiplies_bfloat16())

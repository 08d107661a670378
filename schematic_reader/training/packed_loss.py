"""The loss of a row of several samples: pictures seen once, logits for answers alone."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from schematic_reader.model.reader import Reader
from schematic_reader.model.row import Row
from schematic_reader.training.answer_loss import answer_loss
from schematic_reader.training.dropout import Draws, use_hashed_dropout
from schematic_reader.training.features import FeatureCache

Recompute = Literal["none", "selective", "full"]


class PackedLoss(Reader):
    """Maps a row to the summed loss of its answers, with a base model that may have an adapter in it.

    Args:
        model: as of ``Reader``.
        recompute: the decoder layers whose activations are computed again in backward instead of kept: none,
            every second one, or all.
        seen: keeps what the vision tower gives for rows that ask for it.
    """

    def __init__(
        self, model: Any, *, recompute: Recompute = "none", seen: FeatureCache | None = None
    ) -> None:
        super().__init__(model)
        self._seen = seen
        self._recomputed_every = {"none": 0, "selective": 2, "full": 1}[recompute]
        self._draws: Draws | None = None

    def take_over(self) -> None:
        """Make the base model's ``forward`` read rows, so that whatever wraps the model passes them on."""
        self.base.forward = self.__call__

    def hash_dropout(self) -> None:
        """Let dropout compute its masks instead of keeping them, which pays in compiled layers."""
        self._draws = use_hashed_dropout(self.model)

    def __call__(self, row: Row, **_: Any) -> torch.Tensor:
        """Summed negative log-likelihood of the row's answer tokens, a float32 scalar."""
        if self._draws is not None and self.model.training:
            self._draws.draw(row.input_ids.shape[1], row.input_ids.device)
        hidden = self.hidden_states(row)
        return answer_loss(hidden[0, row.answer_at], self.base.lm_head.weight, row.answers)

    def _see(self, row: Row) -> list[torch.Tensor]:
        levels = super()._see(row)
        if row.keep and self._seen is not None:
            self._seen.write(row, torch.stack(levels))
        return levels

    def _layer(
        self, index: int, layer: nn.Module, hidden: torch.Tensor, arguments: dict[str, Any]
    ) -> torch.Tensor:
        every = self._recomputed_every
        if every and index % every == 0 and torch.is_grad_enabled():
            again: torch.Tensor = checkpoint(partial(layer, **arguments), hidden, use_reentrant=False)
            return again
        return super()._layer(index, layer, hidden, arguments)

"""What is minimised: the answers' cross entropy, and what a temporary head says lies in each cell."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from pretraining.fast import Reader

_LABELS_IN_ONE = 256  # the loss of a cell is that of so many labels


class Objective(nn.Module):
    """The reader with its temporary head.

    Args:
        colors: float32 ``(themes, 256, 3)`` in -1..1: what a palette index looks like in each theme.
        labels: how many labels a cell has.
    """

    colors: torch.Tensor

    def __init__(
        self,
        reader: Reader,
        colors: torch.Tensor,
        slots: tuple[int, ...],
        labels: int,
        weight: float,
        positive: float,
    ) -> None:
        super().__init__()
        self.reader = reader
        self.slots = slots
        self.labels = labels
        self.weight = weight
        self.positive = positive
        self.head = nn.Linear(reader.model.config.text_config.hidden_size, labels)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.constant_(self.head.bias, -4.0)  # most labels hold in few cells
        self.register_buffer("colors", colors.flatten(0, 1), persistent=False)

    def forward(
        self,
        pictures: torch.Tensor,
        themes: torch.Tensor,
        tokens: torch.Tensor,
        answers: torch.Tensor,
        cells: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What is minimised, and its two parts: the loss of the answers and that of the cells.

        The arguments are the fields of ``pool.Batch``.
        """
        logits, seen = self.predict(pictures, themes, tokens)
        target, weight = self.targets(tokens, answers)
        loss = functional.cross_entropy(logits.flatten(0, 1).float(), target.flatten(), reduction="none")
        loss = (loss * weight.flatten()).sum() / weight.sum()
        truth = unpack(cells, self.labels).float()
        positive = torch.full((), self.positive, device=truth.device)
        drawn = functional.binary_cross_entropy_with_logits(
            seen.float(), truth, pos_weight=positive, reduction="none"
        )
        drawn = drawn.sum(-1).mean() / _LABELS_IN_ONE
        return loss + self.weight * drawn, loss, drawn

    def predict(
        self, pictures: torch.Tensor, themes: torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of each next token in the slots, and of each label in each cell."""
        index = pictures.int() + 256 * themes.int()[:, None, None]
        seen, deep = self.reader.see(functional.embedding(index, self.colors))
        return self.reader.logits(self.reader.answer(seen, deep, tokens)), self.head(seen)

    def targets(self, tokens: torch.Tensor, answers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The next token at each place, int64, and how much it counts, float32; ``(batch, slots)`` both.

        An answer counts with the square root of its length, so that transcriptions do not drown the rest.
        A slot begins with its question, so what follows its last token never counts.
        """
        target = torch.roll(tokens, -1, 1)
        counts = torch.roll(answers, -1, 1).float()
        parts = [
            part * part.sum(1, keepdim=True).clamp(min=1).rsqrt() for part in counts.split(self.slots, 1)
        ]
        return target, torch.cat(parts, 1)


def unpack(cells: torch.Tensor, labels: int) -> torch.Tensor:
    """Bits of ``numpy.packbits`` back to booleans, ``(..., labels)``."""
    places = torch.arange(7, -1, -1, device=cells.device, dtype=torch.uint8)
    return ((cells[..., None] >> places) & 1).flatten(-2)[..., :labels].bool()

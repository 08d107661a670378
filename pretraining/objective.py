"""What is minimised: the answers' cross entropy, and what temporary heads say lies in each cell."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import Qwen3VLForConditionalGeneration

from pretraining.appearance import Appearance
from pretraining.enlarged import Enlargement
from pretraining.fast import FixedSizeModel
from pretraining.pool import Batch
from pretraining.scene import CHARACTER_CLASSES, KIND_CLASSES, SPOT, SPOTS
from pretraining.tokens import CELL, NEVER_SAID

_NOTHING = 0.1  # weight of a spot or a cell with nothing in it


class Losses(NamedTuple):
    """``total`` is minimised; the others are its parts."""

    total: torch.Tensor
    answers: torch.Tensor
    characters: torch.Tensor
    kinds: torch.Tensor


class Objective(nn.Module):
    """A model with temporary heads that are dropped after the pre-training.

    Args:
        shape_models: one for each shape of pictures, on the weights of ``model``.
        slots: lengths of the slots of each shape.
        colors: float32 ``(themes, 256, 3)`` in -1..1: what a palette index looks like in each theme.
        weight: of the dense losses.
    """

    colors: torch.Tensor  # (themes * 256, 3)
    never: torch.Tensor  # (vocabulary,): added to the logits

    def __init__(
        self,
        model: Qwen3VLForConditionalGeneration,
        shape_models: dict[str, FixedSizeModel],
        slots: dict[str, tuple[int, ...]],
        colors: torch.Tensor,
        weight: float,
    ) -> None:
        super().__init__()
        self.model = model
        # In a dict, so that their weights, which are those of the model, are not registered again.
        self.shape_models = shape_models
        self.slots = slots
        self.weight = weight
        width = model.config.text_config.hidden_size
        self.character_head = nn.Linear(width, SPOTS * CHARACTER_CLASSES)
        self.kind_head = nn.Linear(width, 2 * KIND_CLASSES)
        for head in (self.character_head, self.kind_head):
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
        self.appearance = Appearance()
        self.enlarge = Enlargement()
        self.register_buffer("colors", colors.flatten(0, 1), persistent=False)
        never = torch.zeros(model.config.text_config.vocab_size)
        never[list(NEVER_SAID)] = -1e4
        self.register_buffer("never", never, persistent=False)
        self._dense = _dense

    def compile(self) -> None:
        """Compile what takes the time."""
        for shape_model in self.shape_models.values():
            shape_model.compile()
        self._dense = torch.compile(_dense, dynamic=False)

    def forward(self, shape: str, batch: Batch) -> Losses:
        """Losses of a batch whose pictures are changed at random."""
        pictures = self.appearance(self.paint(batch))
        logits, seen = self.predict(shape, pictures, batch.tokens)
        target, weight = self.targets(shape, batch.tokens, batch.answers)
        loss = functional.cross_entropy(
            logits.flatten(0, 1).float() + self.never, target.flatten(), reduction="none"
        )
        answers = (loss * weight.flatten()).sum() / weight.sum()
        characters, kinds = self.dense_losses(seen, batch)
        return Losses(answers + self.weight * (characters + kinds), answers, characters, kinds)

    def paint(self, batch: Batch) -> torch.Tensor:
        """The pictures in their colours, some enlarged, float32 (batch, height, width, 3), about -1..1."""
        index = batch.pictures.int() + 256 * batch.themes.int()[:, None, None]
        return self.enlarge(functional.embedding(index, self.colors), batch.enlarged)

    def predict(
        self, shape: str, pictures: torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of each next token in the slots, and the merged tokens of the pictures."""
        shape_model = self.shape_models[shape]
        seen, deep = shape_model.see(pictures)
        return shape_model.logits(shape_model.answer(seen, deep, tokens)), seen

    def dense_losses(self, seen: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean cross entropy of the characters in all spots, and of the kinds in all cells."""
        characters = spots_by_cell(batch.characters).flatten()
        kinds = batch.kinds.flatten(2).transpose(1, 2).flatten()
        return (
            self._dense(self.character_head, seen, characters, CHARACTER_CLASSES),
            self._dense(self.kind_head, seen, kinds, KIND_CLASSES),
        )

    def targets(
        self, shape: str, tokens: torch.Tensor, answers: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The next token at each place, int64, and how much it counts, float32; ``(batch, slots)`` both.

        An answer counts with the square root of its length, so that transcriptions do not drown the rest.
        A slot begins with its question, so what follows its last token never counts.
        """
        target = torch.roll(tokens, -1, 1)
        counts = torch.roll(answers, -1, 1).float()
        parts = [
            part * part.sum(1, keepdim=True).clamp(min=1).rsqrt()
            for part in counts.split(self.slots[shape], 1)
        ]
        return target, torch.cat(parts, 1)


def spots_by_cell(characters: torch.Tensor) -> torch.Tensor:
    """From ``(batch, height / SPOT, width / SPOT)`` to ``(batch, cells, SPOTS)``."""
    side = CELL // SPOT
    count, high, wide = characters.shape
    cells = characters.view(count, high // side, side, wide // side, side).transpose(2, 3)
    return cells.reshape(count, -1, SPOTS)


def _dense(head: nn.Linear, seen: torch.Tensor, truth: torch.Tensor, classes: int) -> torch.Tensor:
    logits = head(seen).view(-1, classes).float()
    loss = functional.cross_entropy(logits, truth.long(), reduction="none")
    weight = torch.where(truth > 0, 1.0, _NOTHING)
    return (loss * weight).sum() / weight.sum()

"""How well a model in training does on pictures that are never trained on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from pretraining.feed import Chunk
from pretraining.objective import Objective, spots_by_cell
from pretraining.pool import Batch
from pretraining.scene import CHARACTER_CLASSES


@dataclass(frozen=True)
class HeldOut:
    """Pictures of one shape in KiCad's colours, each with its first set of questions."""

    shape: str
    asked: np.ndarray  # uint8 (n, number of slots): which question stands in the slot
    batch: Batch

    @classmethod
    def of(cls, shape: str, chunk: Chunk, device: torch.device) -> HeldOut:
        """A copy of the chunk on ``device``."""

        def copied(array: np.ndarray) -> torch.Tensor:
            return torch.tensor(array, device=device)

        batch = Batch(
            copied(chunk.pictures),
            torch.zeros(len(chunk.pictures), dtype=torch.int64, device=device),
            copied(chunk.tokens[:, 0]).long(),
            copied(chunk.answers[:, 0]).bool(),
            copied(chunk.characters),
            copied(chunk.kinds),
            copied(chunk.enlarged).long(),
        )
        return cls(shape, chunk.asked[:, 0].copy(), batch)


@dataclass
class _Tally:
    """What is counted over all batches."""

    losses: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    right_spots: int = 0
    all_spots: int = 0
    exact: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


@torch.no_grad()
def validate(objective: Objective, held_out: list[HeldOut], questions: tuple[str, ...]) -> dict[str, float]:
    """Losses, and for each question the share of answers that are all right; 0 where it was not asked.

    Given the true answer so far, every next token must be the likeliest one: exactly then greedy decoding
    gives the true answer.

    Args:
        questions: the names that ``HeldOut.asked`` counts.
    """
    tally = _Tally()
    for one in held_out:
        _add(tally, objective, one, questions)
    keys = [*questions, *(f"read_{name}" for name in objective.slots)]
    return {
        "loss": float(np.mean(tally.losses)),
        "token_accuracy": float(np.mean(tally.tokens)),
        "characters": tally.right_spots / max(1, tally.all_spots),
        **{key: float(np.mean(tally.exact.get(key, [0.0]))) for key in keys},
    }


def _add(tally: _Tally, objective: Objective, one: HeldOut, questions: tuple[str, ...]) -> None:
    batch = one.batch
    logits, seen = objective.predict(one.shape, objective.paint(batch), batch.tokens)
    said = objective.character_head(seen).unflatten(-1, (-1, CHARACTER_CLASSES))
    truth = spots_by_cell(batch.characters)
    tally.right_spots += int(((said.argmax(-1) == truth) & (truth > 0)).sum())
    tally.all_spots += int((truth > 0).sum())
    target, weight = objective.targets(one.shape, batch.tokens, batch.answers)
    scores = logits.float() + objective.never
    right, counted = scores.argmax(-1) == target, weight > 0
    loss = functional.cross_entropy(scores.flatten(0, 1), target.flatten(), reduction="none").view_as(weight)
    tally.losses.append(float((loss * weight).sum() / weight.sum()))
    tally.tokens.append(float(right[counted].float().mean()))
    lengths = objective.slots[one.shape]
    whole = [part.all(1).tolist() for part in (right | ~counted).split(lengths, 1)]
    for slot, answers in enumerate(whole):
        for ok, asked in zip(answers, one.asked[:, slot], strict=True):
            name = questions[int(asked)]
            tally.exact[name].append(float(ok))
            if name == "read":
                tally.exact[f"read_{one.shape}"].append(float(ok))

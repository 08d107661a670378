"""The losses of a run by optimizer step, read from the device one step late so that it never waits."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import Any

import torch

from schematic_reader.cli import UserError

log = logging.getLogger(__name__)

_LOWER = "lower the profile's train.learning_rate or train.max_grad_norm"


@dataclass
class Ledger:
    """Loss per answer token by step, as (step, loss) pairs.

    Args:
        every: steps between two points of the training curve; the first and the last step have one too.
        last: the number of steps.
    """

    every: int
    last: int
    train: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    _loss: float = 0.0  # summed since the last point
    _answers: int = 0
    _pending: tuple[int, torch.Tensor, list[tuple[str, ...]], int] | None = None

    def add(self, step: int, losses: torch.Tensor, ids: list[tuple[str, ...]], answers: int) -> None:
        """Enter a step that the device may still be working on, and settle the one before.

        Args:
            step: counted from 1.
            losses: summed loss of each row, of shape ``(rows,)``.
            ids: of each row's samples.
            answers: answer tokens of all rows.
        """
        self.settle()
        self._pending = (step, losses, ids, answers)

    def settle(self) -> None:
        """Read the loss of the last step that was entered.

        Raises:
            UserError: the loss is not finite; names the sheets of the row.
        """
        if self._pending is None:
            return
        step, stacked, ids, answers = self._pending
        self._pending = None
        losses = stacked.tolist()
        for loss, row in zip(losses, ids, strict=True):
            if not math.isfinite(loss):
                raise UserError(f"the loss is {loss} in step {step} on the sheets {', '.join(row)}: {_LOWER}")
        self._loss += sum(losses)
        self._answers += answers
        if step == 1 or step % self.every == 0 or step == self.last:
            self.train.append((step, self._loss / self._answers))
            log.info("step %d of %d: loss %.4f", step, self.last, self.train[-1][1])
            self._loss, self._answers = 0.0, 0

    def validated(self, step: int, loss: float) -> None:
        """Enter the validation loss after ``step`` steps.

        Raises:
            UserError: it is not finite.
        """
        if not math.isfinite(loss):
            raise UserError(f"the validation loss is {loss} after step {step}: {_LOWER}")
        self.validation.append((step, loss))
        log.info("step %d of %d: validation loss %.4f", step, self.last, loss)

    def facts(self) -> dict[str, Any]:
        """All that ``restore`` needs, as JSON can hold."""
        self.settle()
        since = [self._loss, self._answers]
        return {"train": self.train, "validation": self.validation, "since": since}

    def restore(self, facts: dict[str, Any]) -> None:
        """Take over what ``facts`` gave."""
        self.train = [(step, loss) for step, loss in facts["train"]]
        self.validation = [(step, loss) for step, loss in facts["validation"]]
        self._loss, self._answers = facts["since"]

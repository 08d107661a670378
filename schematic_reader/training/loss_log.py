"""The losses of a run by optimizer step, read from the device one step late so that it never waits."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import Any

import torch

from schematic_reader.cli import UserError

log = logging.getLogger(__name__)

_DIVERGED = "lower the profile's train.learning_rate or train.max_grad_norm"


@dataclass
class LossLog:
    """Loss per answer token by step, as (step, loss) pairs.

    Args:
        logging_steps: steps between two points of the training curve; the first and last step have one too.
        last_step: the number of steps.
    """

    logging_steps: int
    last_step: int
    train: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    _loss: float = 0.0  # summed since the last point
    _answer_tokens: int = 0
    _pending: tuple[int, torch.Tensor, list[tuple[str, ...]], int] | None = None

    def record(
        self, step: int, losses: torch.Tensor, sheet_ids: list[tuple[str, ...]], answer_tokens: int
    ) -> None:
        """Record a step's loss asynchronously; reads back the previous step's.

        Args:
            step: counted from 1.
            losses: summed loss of each packed batch of the step, ``(batches,)``, on any device.
            sheet_ids: of each batch's samples.
            answer_tokens: of all batches.
        """
        self.flush()
        self._pending = (step, losses, sheet_ids, answer_tokens)

    def flush(self) -> None:
        """Read back the loss of the last recorded step.

        Raises:
            UserError: the loss is not finite; names the sheets of the batch.
        """
        if self._pending is None:
            return
        step, losses, sheet_ids, answer_tokens = self._pending
        self._pending = None  # also if the loss is not finite: the error is raised once
        values = losses.tolist()  # waits for the device
        for loss, ids in zip(values, sheet_ids, strict=True):
            if not math.isfinite(loss):
                raise UserError(
                    f"the loss is {loss} in step {step} on the sheets {', '.join(ids)}: {_DIVERGED}"
                )
        # A point of the curve is the mean over all answer tokens since the point before.
        self._loss += sum(values)
        self._answer_tokens += answer_tokens
        if step == 1 or step % self.logging_steps == 0 or step == self.last_step:
            self.train.append((step, self._loss / self._answer_tokens))
            log.info("step %d of %d: loss %.4f", step, self.last_step, self.train[-1][1])
            self._loss, self._answer_tokens = 0.0, 0

    def record_validation(self, step: int, loss: float) -> None:
        """Record the validation loss after ``step`` steps.

        Raises:
            UserError: it is not finite.
        """
        if not math.isfinite(loss):
            raise UserError(f"the validation loss is {loss} after step {step}: {_DIVERGED}")
        self.validation.append((step, loss))
        log.info("step %d of %d: validation loss %.4f", step, self.last_step, loss)

    def state_dict(self) -> dict[str, Any]:
        """All that ``load_state_dict`` needs, in types that JSON has."""
        self.flush()
        since_last_point = [self._loss, self._answer_tokens]
        return {"train": self.train, "validation": self.validation, "since_last_point": since_last_point}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""
        self.train = [(step, loss) for step, loss in state["train"]]
        self.validation = [(step, loss) for step, loss in state["validation"]]
        self._loss, self._answer_tokens = state["since_last_point"]

"""AdamW over the adapter's weights, its learning rate a function of the step alone, its state by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import get_scheduler

from stages.config import ProfileTrain, Train

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # as torch names AdamW's state


class Optimizer:
    """Updates the weights that require a gradient.

    Args:
        steps: optimizer steps of the whole run, over which the schedule is laid.
    """

    def __init__(
        self, weights: Mapping[str, torch.nn.Parameter], settings: Train, profile: ProfileTrain, steps: int
    ) -> None:
        self._weights = dict(weights)
        self._highest, self._max_norm = profile.learning_rate, settings.max_grad_norm
        self._adam = torch.optim.AdamW(
            self._weights.values(), lr=self._highest, weight_decay=settings.weight_decay, fused=True
        )
        schedule: Any = get_scheduler(
            settings.schedule,
            self._adam,
            num_warmup_steps=min(settings.warmup_steps, steps),
            num_training_steps=steps,
        )
        self._share_of_highest = schedule.lr_lambdas[0]

    def rate(self, number: int) -> float:
        """The learning rate of step ``number``, counted from 0."""
        return float(self._highest * self._share_of_highest(number))

    def step(self, number: int) -> None:
        """Clip the gradients to the largest norm, update the weights and drop the gradients."""
        torch.nn.utils.clip_grad_norm_(self._weights.values(), self._max_norm)
        for group in self._adam.param_groups:
            group["lr"] = self.rate(number)
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights and moments on the CPU, by name."""
        out = {}
        for name, weight in self._weights.items():
            out[f"weight.{name}"] = weight.detach().cpu()
            out |= {f"{moment}.{name}": self._adam.state[weight][moment].cpu() for moment in _MOMENTS}
        return out

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take over what ``tensors`` gave."""
        for name, weight in self._weights.items():
            weight.copy_(tensors[f"weight.{name}"])
            moments = {moment: tensors[f"{moment}.{name}"].to(weight.device) for moment in _MOMENTS}
            self._adam.state[weight] = moments

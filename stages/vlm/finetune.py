"""LoRA fine-tuning: packed rows, a loss that does not depend on the packing, resumable to the bit."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from tqdm import tqdm
from transformers import PreTrainedModel

from stages.config import Lora, ProfileTrain, Train
from stages.vlm.adapter import add_adapter
from stages.vlm.checkpoint import Checkpoint, State
from stages.vlm.device import Device
from stages.vlm.encode import Encoder
from stages.vlm.examples import Examples
from stages.vlm.feed import Feed
from stages.vlm.ledger import Ledger
from stages.vlm.memory import explaining_lack_of_memory
from stages.vlm.optimizer import Optimizer
from stages.vlm.pack import Plan, plan_rows, row_length
from stages.vlm.reader import Reader
from stages.vlm.row import Shape

log = logging.getLogger(__name__)

_VALIDATIONS = 4  # on the way, the last one at the end; one more before the first step


@dataclass(frozen=True)
class Pace:
    """One optimizer step: its seconds, those of them spent waiting for data, and what was trained in it."""

    seconds: float
    waited: float
    samples: int
    answers: int


@dataclass(frozen=True)
class Finetuned:
    """The model with its adapter, the loss by step, and what the run's rows and steps were like."""

    model: Any
    ledger: Ledger
    padding: float
    paces: list[Pace]


def finetune(
    model: PreTrainedModel,
    encoder: Encoder,
    train: Examples,
    validation: Examples,
    *,
    lora: Lora,
    settings: Train,
    profile: ProfileTrain,
    device: Device,
    seed: int,
    checkpoint: Checkpoint,
) -> Finetuned:
    """Train an adapter on ``train``, from the last checkpoint on if there is one.

    The loss of an optimizer step is the mean over all answer tokens of the step, however they are packed.

    Raises:
        UserError: the loss is not finite, or memory does not suffice.
    """
    mixed = device.name == "cuda" and device.dtype == torch.bfloat16
    accelerator = Accelerator(mixed_precision="bf16" if mixed else "no", cpu=device.name == "cpu")
    tokens = row_length([*train.lengths, *validation.lengths], profile.tokens_per_step)
    plan = plan_rows(train.lengths, tokens=tokens, epochs=profile.epochs, seed=seed)
    seen = plan_rows(validation.lengths, tokens=tokens, epochs=1, seed=seed)
    steps = plan.steps(profile.gradient_accumulation)
    shape = _shape(plan, seen) if device.name == "cuda" else None

    adapted = add_adapter(model, lora)
    reader = Reader(adapted, recompute=profile.gradient_checkpointing)
    if device.name == "cuda":
        reader.compile_layers()
    prepared = accelerator.prepare(reader)
    weights = {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}
    optimizer = Optimizer(weights, settings, profile, len(steps))
    ledger = Ledger(settings.logging_steps, len(steps))
    state = checkpoint.load()
    if state is not None:
        optimizer.restore(state.tensors)
        ledger.restore(state.facts)
    done = state.step if state is not None else 0

    def validation_loss() -> float:
        prepared.eval()
        loss = 0.0
        for row in Feed(validation, encoder, seen.rows, device, shape):
            with torch.no_grad(), explaining_lack_of_memory(reader, row):
                loss += float(prepared(row))
        prepared.train()
        return loss / sum(validation.answers)

    paces: list[Pace] = []
    feed = Feed(train, encoder, [row for step in steps[done:] for row in step], device, shape)
    rows = iter(feed)
    for number in tqdm(range(done, len(steps)), initial=done, total=len(steps), desc="training", unit="step"):
        if number == 0:
            ledger.validated(0, validation_loss())
        began, waited = time.perf_counter(), feed.waited
        samples = [index for row in steps[number] for index in row]
        answers = sum(train.answers[index] for index in samples)
        # Dropout is a function of the step, so that a resumed run draws the same.
        torch.manual_seed(seed * len(steps) + number)
        losses, ids = [], []
        for _ in steps[number]:
            row = next(rows)
            with explaining_lack_of_memory(reader, row):
                loss = prepared(row)
                accelerator.backward(loss / answers)
            losses.append(loss.detach())
            ids.append(row.ids)
        optimizer.step(number)
        ledger.add(number + 1, losses, ids, answers)
        paces.append(Pace(time.perf_counter() - began, feed.waited - waited, len(samples), answers))
        if number + 1 in _validated_after(len(steps)):
            ledger.validated(number + 1, validation_loss())
        if (number + 1) % profile.checkpoint_steps == 0 or number + 1 == len(steps):
            checkpoint.save(State(number + 1, optimizer.tensors(), ledger.facts()))
    ledger.settle()
    return Finetuned(adapted, ledger, plan.padding, paces)


def _validated_after(steps: int) -> set[int]:
    return {round(steps * part / _VALIDATIONS) for part in range(1, _VALIDATIONS + 1)}


def _shape(*plans: Plan) -> Shape:
    """One shape for the rows of all plans."""
    return Shape(plans[0].tokens, max(len(row) for plan in plans for row in plan.rows))

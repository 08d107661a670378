"""LoRA fine-tuning through TRL: packed rows, a loss that does not depend on the packing, resumable."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import Any

import torch
from transformers import PreTrainedModel
from trl import SFTConfig

from schematic_reader.config import Lora, ProfileTrain, Train
from schematic_reader.model import processes
from schematic_reader.model.device import Device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.row import Shape
from schematic_reader.training.checkpoint import Checkpoint
from schematic_reader.training.examples import Examples
from schematic_reader.training.features import FeatureCache, bytes_a_token
from schematic_reader.training.feed import Feed, workers
from schematic_reader.training.ledger import Ledger
from schematic_reader.training.pack import Plan, plan_rows, row_length
from schematic_reader.training.trainer import Pace, PackedTrainer

log = logging.getLogger(__name__)


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
        UserError: the loss is not finite, memory does not suffice, or fp8 changes too much.
    """
    tokens = row_length([*train.lengths, *validation.lengths], profile.packed_length)
    plan = plan_rows(train.lengths, tokens=tokens, epochs=profile.epochs, seed=seed)
    unmixed = plan_rows(validation.lengths, tokens=tokens, epochs=1, seed=seed)
    shape = _shape(plan, unmixed) if device.name == "cuda" else None
    together = processes.count()
    each = -(-profile.gradient_accumulation // together)  # rows of a step that one process trains
    steps = plan.steps(each * together, processes=together)
    arguments = _arguments(settings, profile, device, seed, checkpoint, each=each, steps=len(steps))
    checkpoint.open()
    cache = FeatureCache(checkpoint.folder / "features")
    kept = _kept(model, train, validation, lora, settings, profile)

    def feed(split: str, examples: Examples, rows: list[tuple[int, ...]]) -> Feed:
        return Feed(examples, encoder, rows, device, shape, cache if split in kept else None)

    ledger = Ledger(settings.logging_steps, len(steps))
    trainer = PackedTrainer(
        model,
        arguments,
        lora=lora,
        steps=steps,
        train=feed("train", train, [row for step in steps for row in step]),
        validation=feed("validation", validation, unmixed.rows),
        ledger=ledger,
        checkpoint=checkpoint,
        recompute=profile.gradient_checkpointing,
        seen=cache,
        fp8=profile.fp8,
        seed=seed,
    )
    trainer.go()
    _tell(trainer.paces, plan)
    return Finetuned(trainer.model, ledger, plan.padding, trainer.paces)


def _arguments(
    settings: Train,
    profile: ProfileTrain,
    device: Device,
    seed: int,
    checkpoint: Checkpoint,
    *,
    each: int,
    steps: int,
) -> SFTConfig:
    on_cuda = device.name == "cuda"
    ahead = workers(device)
    # It is the reader that recomputes layers. Transformers 5.23 has a new name for this and warns of the old.
    names = {field.name for field in fields(SFTConfig)}
    old, new = "gradient_checkpointing", "activation_checkpointing"
    off: Any = {new if new in names else old: False}
    return SFTConfig(
        output_dir=str(checkpoint.folder),
        num_train_epochs=1,  # the plan holds all epochs
        per_device_train_batch_size=1,  # row
        gradient_accumulation_steps=each,
        average_tokens_across_devices=False,  # the plan knows how many there are
        optim="adamw_torch_fused",
        learning_rate=profile.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=min(settings.warmup_steps, steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=on_cuda and device.dtype == torch.bfloat16,
        tf32=True if on_cuda else None,
        use_cpu=not on_cuda,
        ddp_backend="gloo" if processes.count() > 1 and not on_cuda else None,
        eval_strategy="no",  # the trainer's own course says when
        save_strategy="steps",
        save_steps=profile.checkpoint_steps,
        save_total_limit=2,  # the newest may not be whole yet
        logging_strategy="no",
        logging_nan_inf_filter=False,  # it would wait for the device in every step
        report_to="none",
        seed=seed,
        dataloader_num_workers=ahead,
        dataloader_prefetch_factor=2 if ahead else None,
        dataloader_pin_memory=on_cuda,
        remove_unused_columns=False,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        ddp_find_unused_parameters=False,
        **off,
    )


def _kept(
    model: PreTrainedModel,
    train: Examples,
    validation: Examples,
    lora: Lora,
    settings: Train,
    profile: ProfileTrain,
) -> set[str]:
    """The splits whose pictures the vision tower sees only once: those that come again, if disk allows.

    An adapter on the tower or its mergers changes what they give from step to step.
    """
    room = settings.vision_cache_gib * 2**30
    token = bytes_a_token(model.config.vision_config, model.dtype)
    again = {"validation": validation} | ({"train": train} if profile.epochs > 1 else {})
    kept = set()
    for split, examples in again.items() if not lora.extra_targets else ():
        needed = sum(examples.lengths) * token  # a little more than that: not every token is a picture's
        if needed <= room:
            kept.add(split)
            room -= needed
        else:
            log.info(
                "%s: the vision tower looks at every sheet anew, train.vision_cache_gib is %.1f too small",
                split,
                (needed - room) / 2**30,
            )
    return kept


def _shape(*plans: Plan) -> Shape:
    """One shape for the rows of all plans."""
    return Shape(plans[0].tokens, max(len(row) for plan in plans for row in plan.rows))


def _tell(paces: list[Pace], plan: Plan) -> None:
    """One line on how the time went, which no metric holds because it differs from run to run."""
    seconds = sum(pace.seconds for pace in paces)
    if seconds:
        log.info(
            "%.2f sheets/s, %.1f %% of the time spent waiting for data, %.1f %% of the tokens padding",
            sum(len(pace.samples) for pace in paces) / seconds,
            100 * sum(pace.waited for pace in paces) / seconds,
            100 * plan.padding,
        )

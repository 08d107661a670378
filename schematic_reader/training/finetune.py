"""LoRA fine-tuning through TRL: packed batches, a loss that does not depend on the packing, resumable."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from transformers import PreTrainedModel
from trl import SFTConfig

from schematic_reader.cli import UserError
from schematic_reader.model import distributed
from schematic_reader.model.device import Device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.packed_batch import BatchShape
from schematic_reader.training.checkpoint import Checkpoint
from schematic_reader.training.examples import Examples
from schematic_reader.training.feature_cache import FeatureCache, bytes_per_token
from schematic_reader.training.loss_log import LossLog
from schematic_reader.training.packed_dataset import PackedDataset, num_workers
from schematic_reader.training.packing import (
    LENGTH_MULTIPLE,
    PackingPlan,
    Step,
    best_packed_length,
    plan_packing,
    spread_step,
    step_batches,
)
from schematic_reader.training.settings import FinetuneSettings
from schematic_reader.training.tracking import Watch
from schematic_reader.training.trainer import PackedTrainer, StepTiming

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneResult:
    """The model with its adapter, the loss by step, the share of padding, and the timing of each step.

    Args:
        padding: share of the optimizer steps' tokens that no sheet fills, whatever the number of ranks.
    """

    model: Any
    loss_log: LossLog
    padding: float
    timings: list[StepTiming]


def finetune(
    model: PreTrainedModel,
    encoder: Encoder,
    train: Examples,
    validation: Examples,
    settings: FinetuneSettings,
    device: Device,
    checkpoint: Checkpoint,
    watch: Watch | None = None,
) -> FinetuneResult:
    """Train an adapter on ``train``, resuming from the last checkpoint if there is one.

    The loss of an optimizer step is the mean over all answer tokens of the step, however they are packed.

    Args:
        watch: answers some validation sheets at every validation, for the tracker to show.

    Raises:
        UserError: a sheet is longer than a step, the loss is not finite, memory does not suffice, or fp8
            changes too much.
    """
    profile, seed = settings.profile, settings.seed
    # 1) Plan the optimizer steps, the same ones whatever the number of ranks.
    lengths = [*train.lengths, *validation.lengths]
    if max(lengths) > profile.step_tokens:
        raise UserError(
            f"the profile's train.step_tokens is {profile.step_tokens}, but the longest sheet has "
            f"{max(lengths)} tokens: raise it to so many or more, or lower train.packed_length, which drops "
            "longer sheets"
        )
    step_plan = plan_packing(
        train.lengths,
        tokens=best_packed_length(lengths, min(profile.step_tokens, profile.packed_length)),
        epochs=profile.epochs,
        seed=seed,
    )
    # 2) Spread each step over the ranks, and pack the validation sheets to the same length.
    world_size = distributed.world_size()
    steps = [
        spread_step(step, train.lengths, packed_length=profile.packed_length, world_size=world_size)
        for step in step_batches(step_plan, max(1, profile.step_tokens // profile.packed_length))
    ]
    _tell_spare_ranks(steps)
    train_plan = PackingPlan(
        [batch for step in steps for batch in step.batches],
        train.lengths,
        _sequence_length(steps, train.lengths, validation.lengths, profile.packed_length),
    )
    validation_plan = plan_packing(validation.lengths, tokens=train_plan.tokens, epochs=1, seed=seed)
    shape = _common_shape(train_plan, validation_plan) if device.name == "cuda" else None
    arguments = _sft_config(settings, device, checkpoint, steps=len(steps))
    checkpoint.open()
    # 3) Train.
    cache = FeatureCache(checkpoint.folder / "features")
    cached = _splits_to_cache(model, train, validation, settings)

    def dataset(split: str, examples: Examples, plan: list[tuple[int, ...]]) -> PackedDataset:
        features = cache if split in cached else None
        return PackedDataset(
            examples, encoder, plan, device, model.config.vision_config, shape, feature_cache=features
        )

    loss_log = LossLog(settings.train.logging_steps, len(steps))
    trainer = PackedTrainer(
        model,
        arguments,
        settings,
        steps=steps,
        train=dataset("train", train, train_plan.batches),
        validation=dataset("validation", validation, validation_plan.batches),
        loss_log=loss_log,
        checkpoint=checkpoint,
    )
    trainer.fit(watch)
    _log_throughput(trainer.timings, train_plan)
    return FinetuneResult(trainer.model, loss_log, step_plan.padding, trainer.timings)


def _sft_config(
    settings: FinetuneSettings,
    device: Device,
    checkpoint: Checkpoint,
    *,
    steps: int,
) -> SFTConfig:
    """TRL's configuration.

    Args:
        steps: number of optimizer steps.
    """
    on_cuda = device.name == "cuda"
    workers = num_workers(device)
    # PackedLoss recomputes layers itself. Transformers 5.23 has a new name for this and warns of the old.
    names = {field.name for field in fields(SFTConfig)}
    old, new = "gradient_checkpointing", "activation_checkpointing"
    library_checkpointing: Any = {new if new in names else old: False}
    return SFTConfig(
        output_dir=str(checkpoint.folder),
        num_train_epochs=1,  # the plan holds all epochs
        per_device_train_batch_size=1,  # a rank's part of an optimizer step, whatever its packed batches
        gradient_accumulation_steps=1,
        average_tokens_across_devices=False,  # the plan knows how many there are
        optim="adamw_torch_fused",
        learning_rate=settings.profile.learning_rate,
        lr_scheduler_type=settings.train.schedule,
        warmup_steps=min(settings.train.warmup_steps, steps),
        weight_decay=settings.train.weight_decay,
        max_grad_norm=settings.train.max_grad_norm,
        bf16=on_cuda and device.dtype == torch.bfloat16,
        tf32=True if on_cuda else None,
        use_cpu=not on_cuda,
        ddp_backend="gloo" if distributed.world_size() > 1 and not on_cuda else None,
        eval_strategy="no",  # the trainer's callback schedules validations
        save_strategy="steps",
        save_steps=settings.profile.checkpoint_steps,
        save_total_limit=2,  # the newest may not be complete yet
        logging_strategy="no",
        logging_nan_inf_filter=False,  # it would wait for the device in every step
        report_to="none",
        seed=settings.seed,
        dataloader_num_workers=workers,
        dataloader_prefetch_factor=2 if workers else None,
        dataloader_pin_memory=on_cuda,
        remove_unused_columns=False,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        ddp_find_unused_parameters=False,
        **library_checkpointing,
    )


def _splits_to_cache(
    model: PreTrainedModel, train: Examples, validation: Examples, settings: FinetuneSettings
) -> set[str]:
    """The splits whose vision features are cached: those that are trained more than once, if disk allows.

    An adapter on the tower or its mergers changes the features from step to step, so nothing is cached.
    """
    if settings.lora.extra_targets:
        return set()
    free = settings.train.vision_cache_gib * 2**30
    token_bytes = bytes_per_token(model.config.vision_config, model.dtype)
    repeated = {"validation": validation} | ({"train": train} if settings.profile.epochs > 1 else {})
    cached = set()
    for split, examples in repeated.items():
        needed = sum(examples.lengths) * token_bytes  # an upper bound: not every token is an image's
        if needed <= free:
            cached.add(split)
            free -= needed
        else:
            log.info(
                "%s: vision features are not cached, train.vision_cache_gib is %.1f too small",
                split,
                (needed - free) / 2**30,
            )
    return cached


def _tell_spare_ranks(steps: list[Step]) -> None:
    """Log which ranks have no sheet in some steps, if there are such ranks."""
    spare = Counter(rank for step in steps for rank, batches in enumerate(step.ranks) if not any(batches))
    if spare:
        log.warning(
            "train.step_tokens: some steps have fewer sheets than there are processes; rank %s is idle in %s "
            "of %d steps",
            ", ".join(map(str, sorted(spare))),
            ", ".join(str(spare[rank]) for rank in sorted(spare)),
            len(steps),
        )


def _sequence_length(
    steps: list[Step], lengths: Sequence[int], validation_lengths: Sequence[int], packed_length: int
) -> int:
    """Tokens of a packed batch at most, in training and validation: as few as the steps need."""
    longest = max(sum(lengths[index] for index in batch) for step in steps for batch in step.batches)
    longest = max(longest, *validation_lengths)
    return min(-(-longest // LENGTH_MULTIPLE) * LENGTH_MULTIPLE, packed_length)


def _common_shape(*plans: PackingPlan) -> BatchShape:
    """One shape for the batches of all plans."""
    return BatchShape(plans[0].tokens, max(len(batch) for plan in plans for batch in plan.batches))


def _log_throughput(timings: list[StepTiming], plan: PackingPlan) -> None:
    """Log throughput in one line; no metric has it because it differs from run to run."""
    seconds = sum(timing.seconds for timing in timings)
    if seconds:
        log.info(
            "%.2f sheets/s, %.1f %% of the time waiting for data, %.1f %% of the tokens padding",
            sum(len(timing.samples) for timing in timings) / seconds,
            100 * sum(timing.data_wait for timing in timings) / seconds,
            100 * plan.padding,
        )

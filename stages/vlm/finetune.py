"""LoRA fine-tuning through TRL's SFTTrainer, with this project's encoding of a sheet and its chat."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, TaskType
from transformers import PreTrainedModel, TrainerCallback
from trl import SFTConfig, SFTTrainer

from stages.config import Lora, ProfileTrain, Train
from stages.store.errors import UserError
from stages.vlm.device import Device
from stages.vlm.encode import Encoder, collate
from stages.vlm.sheets import Sheets


@dataclass(frozen=True)
class Examples:
    """Message rows of one split that fit into the length limit, with their pictures."""

    rows: list[dict[str, Any]]
    sheets: Sheets
    dropped: int  # rows longer than the limit


@dataclass(frozen=True)
class Curve:
    """Loss by optimizer step, as (step, loss) pairs."""

    train: list[tuple[float, float]]
    validation: list[tuple[float, float]]


def choose_examples(
    rows: list[dict[str, Any]], sheets: Sheets, encoder: Encoder, *, max_length: int, max_sheets: int
) -> Examples:
    """The first ``max_sheets`` rows by id whose picture, prompt and answer fit into ``max_length`` tokens.

    Ids are content hashes, so their order is as good as random and does not depend on a seed. A row that does
    not fit is left out whole: cutting it would teach a wrong answer or lose placeholders of its picture.
    """
    kept: list[dict[str, Any]] = []
    dropped = 0
    for row in sorted(rows, key=lambda row: row["id"]):
        if len(kept) == max_sheets:
            break
        if encoder.length([sheets.size(row)], row["messages"]) > max_length:
            dropped += 1
        else:
            kept.append(row)
    return Examples(kept, sheets, dropped)


def lora_config(lora: Lora) -> LoraConfig:
    """PEFT's settings; the projections are those of the language model, never the vision tower's."""
    names = "|".join(sorted(lora.target_modules))
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias="none",
        task_type=TaskType.CAUSAL_LM,
        target_modules=rf".*\.language_model\..*\.({names})",
    )


def collator(
    encoder: Encoder, train: Examples, validation: Examples
) -> Callable[[list[dict[str, Any]]], Any]:
    """A function from data-set rows ``{"split": str, "index": int}`` to a right-padded batch."""
    examples = {"train": train, "validation": validation}

    def collate_rows(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        samples = []
        for item in items:
            chosen = examples[item["split"]]
            row = chosen.rows[item["index"]]
            samples.append(encoder.encode_sample([chosen.sheets.picture(row)], row["messages"]))
        return collate(samples, encoder.pad_id, side="right")

    return collate_rows


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
    out: Path,
) -> Curve:
    """Train an adapter on ``train`` and write it, with the processor, to the folder ``out``.

    The loss of an optimizer step is the mean over all answer tokens of the step (TRL divides by their number
    over the whole accumulation), so it does not depend on how samples are batched.

    Raises:
        UserError: the loss is not finite.
    """
    on_cuda = device.name == "cuda"
    steps = _steps(len(train.rows), profile)
    with TemporaryDirectory() as scratch:
        args = SFTConfig(
            output_dir=scratch,
            num_train_epochs=profile.epochs,
            per_device_train_batch_size=profile.batch_size,
            per_device_eval_batch_size=profile.batch_size,
            gradient_accumulation_steps=profile.gradient_accumulation,
            gradient_checkpointing=profile.gradient_checkpointing,
            learning_rate=profile.learning_rate,
            warmup_steps=min(settings.warmup_steps, steps),
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            lr_scheduler_type=settings.schedule,
            bf16=on_cuda and device.dtype == torch.bfloat16,
            tf32=True if on_cuda else None,
            use_cpu=not on_cuda,
            logging_steps=settings.logging_steps,
            logging_first_step=True,
            eval_strategy="steps",
            eval_steps=max(1, steps // 4),
            eval_on_start=True,
            save_strategy="no",
            report_to="none",
            seed=seed,
            data_seed=seed,
            dataloader_num_workers=8 if on_cuda else 0,
            dataloader_pin_memory=on_cuda,
            remove_unused_columns=False,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            ddp_find_unused_parameters=False,
        )
        trainer = SFTTrainer(
            model=model,
            args=args,
            train_dataset=_index("train", len(train.rows)),
            eval_dataset=_index("validation", len(validation.rows)),
            data_collator=collator(encoder, train, validation),
            processing_class=encoder.processor,
            peft_config=lora_config(lora),
            callbacks=[_StopOnBadLoss()],
        )
        trainer.train()
        trainer.save_model(str(out))
    encoder.processor.save_pretrained(str(out))
    history = trainer.state.log_history
    return Curve(
        train=[(entry["step"], entry["loss"]) for entry in history if "loss" in entry],
        validation=[(entry["step"], entry["eval_loss"]) for entry in history if "eval_loss" in entry],
    )


def answer_tokens(examples: Examples, encoder: Encoder) -> int:
    """How many tokens of ``examples`` carry a loss."""
    return sum(len(encoder.answer_ids(row["target"])) for row in examples.rows)


def _index(split: str, count: int) -> Dataset:
    """What the trainer shuffles: no pictures, because TRL would take the encoding over from the collator."""
    return Dataset.from_dict({"split": [split] * count, "index": list(range(count))})


def _steps(samples: int, profile: ProfileTrain) -> int:
    batches = math.ceil(samples / profile.batch_size)
    return math.ceil(math.ceil(batches / profile.gradient_accumulation) * profile.epochs)


class _StopOnBadLoss(TrainerCallback):
    """Ends the run at the first loss that is not finite, before a broken adapter is written."""

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        loss = kwargs.get("logs", {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise UserError(
                f"the loss is {loss} at step {state.global_step}: lower the profile's train.learning_rate "
                "or train.max_grad_norm"
            )

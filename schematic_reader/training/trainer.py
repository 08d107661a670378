"""TRL's SFTTrainer over packed batches: in the order of a plan, with a loss over answer tokens alone."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback, TrainerControl
from trl import SFTConfig, SFTTrainer

from schematic_reader.model import distributed
from schematic_reader.model.load import without_notices
from schematic_reader.training.adapter import lora_config
from schematic_reader.training.checkpoint import Checkpoint
from schematic_reader.training.examples import sample_id
from schematic_reader.training.fp8 import convert_to_fp8
from schematic_reader.training.loss_log import LossLog
from schematic_reader.training.oom_hint import oom_hint
from schematic_reader.training.packed_dataset import PackedDataset
from schematic_reader.training.packed_loss import PackedLoss
from schematic_reader.training.packing import Step
from schematic_reader.training.settings import FinetuneSettings
from schematic_reader.training.sharding import ReplicatedAdapter, is_sharded
from schematic_reader.training.tracking import FOLDER, Tracker, Watch, tracker_callback

log = logging.getLogger(__name__)

_VALIDATIONS = 4  # during the run, the last one at its end; one more before the first step


@dataclass(frozen=True)
class StepTiming:
    """One optimizer step: its seconds, those spent waiting for data, and the samples trained in it."""

    seconds: float
    data_wait: float
    samples: list[int]


class PackedTrainer(SFTTrainer):
    """Trains an adapter on the batches of ``train``, in order.

    Args:
        steps: the batches of each optimizer step, those of all ranks.
        train: the same batches one after the other, step by step and rank by rank.
        validation: batches whose loss is measured during the run.
    """

    control: TrainerControl

    def __init__(
        self,
        model: PreTrainedModel,
        args: SFTConfig,
        settings: FinetuneSettings,
        *,
        steps: list[Step],
        train: PackedDataset,
        validation: PackedDataset,
        loss_log: LossLog,
        checkpoint: Checkpoint,
    ) -> None:
        with without_notices():
            super().__init__(
                model=model,
                args=args,
                train_dataset=Dataset.from_dict({"numbers": _numbers(steps)}),
                data_collator=train.collate,
                processing_class=train.encoder.processor,
                peft_config=lora_config(settings.lora),
            )
        if settings.initial is not None:
            settings.initial.load_into(self.model)
        self.steps, self.train_data, self.validation_data = steps, train, validation
        self.loss_log, self.checkpoint, self.seed = loss_log, checkpoint, settings.seed
        self.timings: list[StepTiming] = []
        self._tracker = settings.train.report_to
        self._integration: Tracker | None = None
        self._watch: Watch | None = None
        self._tracked = 0  # timings that were tracked
        self._losses: list[torch.Tensor] = []  # of this rank, since the last optimizer step
        self._step_start = self._data_wait = 0.0
        self.model_accepts_loss_kwargs = True  # the loss is divided by the answer tokens of the step
        # 1) The packed forward pass becomes the model's own.
        self.packed_loss = PackedLoss(
            self.model,
            recompute=settings.profile.gradient_checkpointing,
            feature_cache=train.feature_cache or validation.feature_cache,
        )
        self.packed_loss.install_forward()
        # 2) On a sharded base, prepare the model as the library would, but without DDP: gradients of the
        # replicated adapter are averaged here.
        self._replicated = ReplicatedAdapter(self.model) if is_sharded(self.model) else None
        if self._replicated is not None:
            prepared: Any = self.accelerator.prepare_model(
                self.model, device_placement=False, evaluation_mode=True
            )
            prepared._is_accelerate_prepared = True
        # 3) FP8, measured without cached features: those are of the vision tower before the conversion.
        if settings.profile.fp8:
            uncached = replace(validation, feature_cache=None)
            convert_to_fp8(self.model, lambda: self._mean_loss(uncached))
        # 4) Compile last, what is there by now.
        if args.device.type == "cuda":
            self.packed_loss.enable_hashed_dropout()
            self.packed_loss.widen_layers()
            self.packed_loss.compile_layers()
        self.remove_callback(PrinterCallback)
        self.add_callback(_ScheduleCallback(self))

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """This rank's part of one optimizer step; its duration is time that the device waits for data.

        The answer tokens of the step over all ranks are known from the plan: gathering them would make each
        rank wait for the others' devices.
        """
        self._step_start = time.perf_counter()
        batches, _ = super().get_batch_samples(*args, **kwargs)
        self._data_wait = time.perf_counter() - self._step_start
        samples = self.steps[self.state.global_step].samples if batches else []
        return batches, sum(self.train_data.examples.answer_lengths[index] for index in samples)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Forward and backward over the packed batches that this rank has of one optimizer step.

        Raises:
            UserError: out of memory.
        """
        *others, last = inputs["batches"]
        losses = []
        for batch in others:  # gradients add up, and are averaged over ranks once
            with self.accelerator.no_sync(model), oom_hint(self.packed_loss, batch):
                losses.append(super().training_step(model, {"batch": batch}, *args, **kwargs))
        with oom_hint(self.packed_loss, last):
            losses.append(super().training_step(model, {"batch": last}, *args, **kwargs))
        if self._replicated is not None:
            self._replicated.average_gradients()
        return torch.stack(losses).sum()

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """This batch's part of the mean over all answer tokens of the optimizer step.

        Gradients are averaged over ranks, each of which has a part of the step.
        """
        if return_outputs or num_items_in_batch is None:
            raise NotImplementedError("packed batches have a loss only, as a part of an optimizer step")
        loss = model(batch=inputs["batch"])
        self._losses.append(loss.detach())
        return loss * (self.accelerator.num_processes / num_items_in_batch)

    def record_step(self, step: int) -> None:
        """Record the optimizer step that was just done, counted from 1."""
        batches, samples = self.steps[step - 1].batches, self.steps[step - 1].samples
        examples = self.train_data.examples
        self.loss_log.record(
            step,
            self.accelerator.gather(torch.stack(self._losses)),  # (batches of all ranks,), rank by rank
            [tuple(sample_id(examples.rows[index]) for index in batch) for batch in batches],
            sum(examples.answer_lengths[index] for index in samples),
        )
        self._losses.clear()
        self.timings.append(StepTiming(time.perf_counter() - self._step_start, self._data_wait, samples))

    def evaluate(self, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        """Mean loss over all validation answers, without dropout; the same number on every rank."""
        self.loss_log.flush()  # a training loss that is not finite is reported first, with its sheets
        loss = self._mean_loss(self.validation_data)
        self.loss_log.record_validation(self.state.global_step, loss)
        metrics = {"eval_loss": loss}
        self._track(metrics | self._watched_f1())
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _watched_f1(self) -> dict[str, float]:
        """F1 of the answers about the watched validation sheets, which the tracker shows; {} without any."""
        if self._watch is None:
            return {}
        step = self.state.global_step
        with self.packed_loss.answering() as model:
            watched = self._watch(model)  # the ranks share the sheets out
        log.info("step %d of %d: F1 %.3f on watched sheets", step, self.state.max_steps, watched.f1)
        if self._integration is not None:
            self._integration.show(watched, step)
        return {"eval_f1": watched.f1}

    @torch.no_grad()
    def _mean_loss(self, data: PackedDataset) -> float:
        """Loss per answer token of ``data``, whose batches are divided among the ranks."""
        model: Any = self.model
        model.eval()
        # Each rank computes equally many: a sharded model is computed by all together. Who has none left
        # repeats the last one.
        rank, world_size, batches = distributed.rank(), distributed.world_size(), len(data.plan)
        numbers = [min(number, batches - 1) for number in range(rank, batches + world_size - 1, world_size)]
        numbers = numbers[: -(-batches // world_size)]
        losses: dict[int, float] = {}
        for number, batch in zip(numbers, data.batches(numbers), strict=True):
            with oom_hint(self.packed_loss, batch):
                losses[number] = float(model(batch=batch))
        losses = distributed.gather_dict(losses)
        return sum(losses[number] for number in range(batches)) / sum(data.examples.answer_lengths)

    def log(self, logs: dict[str, float], *_: Any, **__: Any) -> None:
        """Nothing: the loss log has a line on stderr for each loss, and a tracker its own figures."""

    def _maybe_log_save_evaluate(self, tr_loss: Any, grad_norm: Any, *args: Any, **kwargs: Any) -> None:
        """Track the step where the training curve has a point, then do what the trainer does after it."""
        step, since = self.state.global_step, self.timings[self._tracked :]
        is_point = step in (1, self.state.max_steps) or step % self.loss_log.logging_steps == 0
        if self._integration is not None and is_point and since:  # not a second time, after the last step
            self.loss_log.flush()  # waits for the device, only where somebody watches
            self._tracked = len(self.timings)
            logs = {
                "loss": self.loss_log.train[-1][1],
                "learning_rate": float(kwargs["learning_rate"]),
                "grad_norm": float(grad_norm),
                "sheets_per_second": sum(len(one.samples) for one in since)
                / sum(one.seconds for one in since),
            }
            if self.args.device.type == "cuda":
                logs["gpu_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
            self._track(logs)
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *args, **kwargs)

    def _track(self, logs: dict[str, float]) -> None:
        """Hand figures of the current step to the integration, if there is one in this process."""
        if self._integration is not None:
            self._integration.on_log(self.args, self.state, self.control, logs=logs, model=self.model)

    def floating_point_ops(self, inputs: Any) -> int:  # noqa: ARG002
        """Not counted: the library's estimate does not know packed batches."""
        return 0

    def _get_train_sampler(self, *_: Any, **__: Any) -> SequentialSampler:
        return SequentialSampler(range(len(self.steps) * self.accelerator.num_processes))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()  # each rank has its random state among the files
        if self.args.should_save:
            self.checkpoint.mark_complete(self.state.global_step, self.loss_log.state_dict())

    def fit(self, watch: Watch | None = None) -> None:
        """Train, resuming from the last complete checkpoint if there is one.

        Args:
            watch: answers some validation sheets at every validation, for the tracker to show.
        """
        saved = self.checkpoint.load()
        self._watch = watch
        if watch is not None and self._replicated is not None:
            log.info("train.report_to: no sheets are answered while the model is sharded")
            self._watch = None
        self.args.eval_on_start = saved is None
        if self._tracker != "none" and distributed.is_main_process():
            folder = self.checkpoint.folder.with_name(FOLDER)
            resumed_at = 0 if saved is None else saved.step
            self._integration = tracker_callback(self._tracker, folder, resumed_at=resumed_at)
            self.add_callback(self._integration)
        if saved is None:
            self.train()
        else:
            log.info("training resumes after step %d of an earlier run", saved.step)
            self.loss_log.load_state_dict(saved.loss_log)
            self.train(resume_from_checkpoint=str(saved.folder))
        self.loss_log.flush()
        self.accelerator.wait_for_everyone()  # rank 0 removes the checkpoints next


def _numbers(steps: list[Step]) -> list[list[int]]:
    """The numbers of each rank's batches in each step, counted over all steps."""
    counter = count()
    return [[next(counter) for _ in batches] for step in steps for batches in step.ranks]


class _ScheduleCallback(TrainerCallback):
    """Seeds each step, schedules validations, and records finished steps."""

    def __init__(self, trainer: PackedTrainer) -> None:
        self._trainer = trainer

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        # Dropout is a function of the step, so that a resumed run drops the same.
        torch.manual_seed(self._trainer.seed * state.max_steps + state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        validated = {round(state.max_steps * part / _VALIDATIONS) for part in range(1, _VALIDATIONS + 1)}
        control.should_evaluate = state.global_step in validated
        if args.device.type == "cuda" and (control.should_evaluate or control.should_save):
            torch.cuda.synchronize()  # so that the step's device time counts as the step's
        self._trainer.record_step(state.global_step)

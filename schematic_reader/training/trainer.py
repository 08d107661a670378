"""TRL's SFTTrainer over packed rows: one row a batch, in the order of a plan, a loss over answers alone."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback, TrainerControl
from trl import SFTConfig, SFTTrainer

from schematic_reader.config import Lora
from schematic_reader.model.load import without_notices
from schematic_reader.training.adapter import lora_config
from schematic_reader.training.checkpoint import Checkpoint
from schematic_reader.training.features import FeatureCache
from schematic_reader.training.feed import Feed
from schematic_reader.training.fp8 import use_fp8
from schematic_reader.training.ledger import Ledger
from schematic_reader.training.memory import explaining_lack_of_memory
from schematic_reader.training.packed_loss import PackedLoss, Recompute
from schematic_reader.training.shard import ReplicatedAdapter, is_sharded

log = logging.getLogger(__name__)

_VALIDATIONS = 4  # on the way, the last one at the end; one more before the first step


@dataclass(frozen=True)
class Pace:
    """One optimizer step: its seconds, those spent waiting for data, and the samples trained in it."""

    seconds: float
    waited: float
    samples: list[int]


class PackedTrainer(SFTTrainer):
    """Trains an adapter on the rows of ``train``, in order.

    Args:
        steps: the rows of each optimizer step, those of all processes.
        train: the same rows one after the other.
        validation: rows whose loss is measured on the way.
        fp8: compute the frozen base's products in 8 bits.
        seed: what dropout depends on, with the number of the step.
    """

    control: TrainerControl

    def __init__(
        self,
        model: PreTrainedModel,
        args: SFTConfig,
        *,
        lora: Lora,
        steps: list[list[tuple[int, ...]]],
        train: Feed,
        validation: Feed,
        ledger: Ledger,
        checkpoint: Checkpoint,
        recompute: Recompute,
        seen: FeatureCache | None,
        fp8: bool,
        seed: int,
    ) -> None:
        with without_notices():
            super().__init__(
                model=model,
                args=args,
                train_dataset=Dataset.from_dict({"row": range(len(train.plan))}),
                data_collator=train.collate,
                processing_class=train.encoder.processor,
                peft_config=lora_config(lora),
            )
        self.steps, self.train_rows, self.validation = steps, train, validation
        self.ledger, self.checkpoint, self.seed = ledger, checkpoint, seed
        self.paces: list[Pace] = []
        self._losses: list[torch.Tensor] = []  # of this process, since the last optimizer step
        self._began = self._waited = 0.0
        self.model_accepts_loss_kwargs = True  # so that answers are counted over the whole optimizer step
        self.reader = PackedLoss(self.model, recompute=recompute, seen=seen)
        self.reader.take_over()
        self._replicated = ReplicatedAdapter(self.model) if is_sharded(self.model) else None
        if self._replicated is not None:
            # What the library would do but for wrapping the model for gradients, which are averaged here.
            prepared: Any = self.accelerator.prepare_model(
                self.model, device_placement=False, evaluation_mode=True
            )
            prepared._is_accelerate_prepared = True
        if fp8:
            # Not with what the tower saw before: the tower changes, too.
            anew = replace(validation, seen=None)
            use_fp8(self.model, lambda: self._loss_over(anew))
        if args.device.type == "cuda":
            self.reader.hash_dropout()
            self.reader.compile_layers()
        self.remove_callback(PrinterCallback)
        self.add_callback(_Course(self))

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """The rows of one optimizer step; the time that it takes is time that the device waits.

        How many answer tokens all processes have in the step is known from the plan: to ask them would make
        each wait for the others' devices.
        """
        self._began = time.perf_counter()
        rows, _ = super().get_batch_samples(*args, **kwargs)
        self._waited = time.perf_counter() - self._began
        step = self.steps[self.state.global_step] if rows else []
        return rows, sum(self.train_rows.examples.answers[index] for row in step for index in row)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Forward and backward over one row.

        Raises:
            UserError: memory does not suffice.
        """
        with explaining_lack_of_memory(self.reader, inputs["row"]):
            loss: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)
        if self._replicated is not None and self.accelerator.sync_gradients:
            self._replicated.average_gradients()
        return loss

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """This row's part of the mean over all answer tokens of the optimizer step.

        Gradients are averaged over processes, each of which has a part of the step.
        """
        if return_outputs or num_items_in_batch is None:
            raise NotImplementedError("rows have a loss only, and only as a part of an optimizer step")
        loss = model(row=inputs["row"])
        self._losses.append(loss.detach())
        return loss * (self.accelerator.num_processes / num_items_in_batch)

    def stepped(self, step: int) -> None:
        """Enter the optimizer step that was just done, counted from 1."""
        rows = self.steps[step - 1]
        processes = self.accelerator.num_processes
        # Gathered process by process, each of which has every so manieth row.
        turn = [row for process in range(processes) for row in rows[process::processes]]
        examples = self.train_rows.examples
        samples = [index for row in turn for index in row]
        self.ledger.add(
            step,
            self.accelerator.gather(torch.stack(self._losses)),
            [tuple(examples.rows[index]["id"] for index in row) for row in turn],
            sum(examples.answers[index] for index in samples),
        )
        self._losses.clear()
        self.paces.append(Pace(time.perf_counter() - self._began, self._waited, samples))

    def evaluate(self, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        """Mean loss over all validation answers, without dropout; every process sees all of them."""
        self.ledger.settle()  # a loss that is not finite is told with its sheets
        loss = self._loss_over(self.validation)
        self.ledger.validated(self.state.global_step, loss)
        metrics = {"eval_loss": loss}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @torch.no_grad()
    def _loss_over(self, feed: Feed) -> float:
        model: Any = self.model
        model.eval()
        total = 0.0
        for row in feed.rows():
            with explaining_lack_of_memory(self.reader, row):
                total += float(model(row=row))
        return total / sum(feed.examples.answers)

    def log(self, logs: dict[str, float], *_: Any, **__: Any) -> None:
        """Nothing: the ledger tells the losses, on stderr."""

    def floating_point_ops(self, inputs: Any) -> int:  # noqa: ARG002
        """Not counted: a row is no batch that the library's estimate knows."""
        return 0

    def _get_train_sampler(self, *_: Any, **__: Any) -> SequentialSampler:
        return SequentialSampler(self.train_rows.plan)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            self.checkpoint.seal(self.state.global_step, self.ledger.facts())

    def go(self) -> None:
        """Train, from the last whole checkpoint on if there is one."""
        state = self.checkpoint.load()
        self.args.eval_on_start = state is None
        if state is None:
            self.train()
        else:
            log.info("training goes on after step %d of an earlier run", state.step)
            self.ledger.restore(state.facts)
            self.train(resume_from_checkpoint=str(state.folder))
        self.ledger.settle()
        self.accelerator.wait_for_everyone()  # the first process goes on to clear the checkpoints


class _Course(TrainerCallback):
    """What happens at which step."""

    def __init__(self, trainer: PackedTrainer) -> None:
        self._trainer = trainer

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        # Dropout is a function of the step, so that a resumed run draws the same.
        torch.manual_seed(self._trainer.seed * state.max_steps + state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        validated = {round(state.max_steps * part / _VALIDATIONS) for part in range(1, _VALIDATIONS + 1)}
        control.should_evaluate = state.global_step in validated
        if args.device.type == "cuda" and (control.should_evaluate or control.should_save):
            torch.cuda.synchronize()  # the work belongs to the step's time
        self._trainer.stepped(state.global_step)

"""The tutorial's recipe, cell by cell: TRL's SFTTrainer, batches of 2 padded, accumulated 4 times.

Its collator builds each chat twice, resizes and encodes in the training process, and takes the length of the
prompt from text in which a picture is one token, so that most image placeholders carry a loss.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

from datasets import Dataset
from datasets import Image as ImageFeature
from peft import LoraConfig, TaskType
from PIL import Image
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from benchmarks.common.work import Measured, TimedStep, settle
from schematic_reader.model.device import Device
from schematic_reader.training.examples import Examples

BATCH, ACCUMULATION = 2, 4
LONGEST = 1500  # tokens
SIDE, PIXELS = 1024, 1024 * 1024
LORA_DROPOUT = 0.05


def train_as_the_tutorial(
    model: Any, processor: Any, examples: Examples, *, device: Device, warm_up: int, steps: int
) -> Measured:
    """Run ``warm_up`` optimizer steps, then time ``steps``."""
    collator = _Collator(processor)
    clock = _Clock(collator, device, warm_up)
    data = Dataset.from_list(
        [
            {
                "index": index,
                "image": {"bytes": examples.sheets.image_bytes(row)},
                "messages": row["messages"],
            }
            for index, row in enumerate(examples.rows)
        ]
    ).cast_column("image", ImageFeature(decode=True))
    on_cuda = device.name == "cuda"
    with tempfile.TemporaryDirectory() as folder:
        SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=folder,
                max_steps=warm_up + steps,
                per_device_train_batch_size=BATCH,
                gradient_accumulation_steps=ACCUMULATION,
                gradient_checkpointing=False,
                learning_rate=1e-4,
                warmup_steps=10,
                weight_decay=0.01,
                max_grad_norm=1.0,
                bf16=on_cuda,
                use_cpu=not on_cuda,
                lr_scheduler_type="cosine",
                logging_steps=10,
                save_strategy="no",
                report_to="none",
                remove_unused_columns=False,
            ),
            train_dataset=data,
            data_collator=collator,
            processing_class=processor,
            peft_config=LoraConfig(
                r=16,
                lora_alpha=32,
                lora_dropout=LORA_DROPOUT,
                bias="none",
                task_type=TaskType.CAUSAL_LM,
                target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
            ),
            callbacks=[clock],
        ).train()
    return Measured(
        steps=clock.steps,
        waited=collator.seconds - clock.seconds_before,
        other=clock.before,
        padding=1 - collator.used / collator.filled,
    )


class _Collator:
    """From rows to a padded batch; counts its own time, and what was in the batches."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.seconds = 0.0
        self.batches: list[list[int]] = []  # of indexes of samples; one may be asked for ahead of its turn
        self.used = self.filled = 0  # tokens, without and with padding

    def __call__(self, batch: list[dict[str, Any]]) -> Any:
        start = time.perf_counter()
        template = self._processor.apply_chat_template
        chats = [template(row["messages"], tokenize=False, add_generation_prompt=False) for row in batch]
        prompts = [
            template(row["messages"][:-1], tokenize=False, add_generation_prompt=True) for row in batch
        ]
        size: dict[str, Any] = {
            "return_tensors": "pt",
            "padding": True,
            "truncation": True,
            "max_length": LONGEST,
        }
        encoded = self._processor(text=chats, images=[_shrunk(row["image"]) for row in batch], **size)
        pad = self._processor.tokenizer.pad_token_id
        asked = self._processor.tokenizer(prompts, add_special_tokens=False, **size)["input_ids"]
        labels = encoded["input_ids"].clone()
        for row, length in enumerate((asked != pad).sum(dim=1).tolist()):
            labels[row, :length] = -100
        labels[labels == pad] = -100
        encoded["labels"] = labels
        self.batches.append([row["index"] for row in batch])
        self.used += int(encoded["attention_mask"].sum())
        self.filled += labels.numel()
        self.seconds += time.perf_counter() - start
        return encoded


class _Clock(TrainerCallback):
    """Times the steps after the warm-up, and knows their samples."""

    def __init__(self, collator: _Collator, device: Device, warm_up: int) -> None:
        self._collator, self._device, self._warm_up = collator, device, warm_up
        self._last = time.perf_counter()
        self._batches = self._trained = 0  # batches, so far and until the last step
        self.before = self.seconds_before = 0.0  # of the warm-up: in all, and those of the collator
        self.steps: list[TimedStep] = []

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        self._batches += 1

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        self._batches += 1
        if state.global_step < self._warm_up:
            return
        settle(self._device)
        now = time.perf_counter()
        if state.global_step == self._warm_up:
            self.before, self.seconds_before = now - self._last, self._collator.seconds
        else:
            batches = self._collator.batches[self._trained : self._batches]
            self.steps.append(TimedStep([index for batch in batches for index in batch], now - self._last))
        self._last, self._trained = now, self._batches


def _shrunk(picture: Image.Image) -> Image.Image:
    picture = picture.convert("RGB")
    width, height = picture.size
    scale = min(1.0, SIDE / max(width, height), (PIXELS / (width * height)) ** 0.5)
    if scale == 1.0:
        return picture
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    return picture.resize(size, Image.Resampling.BICUBIC)

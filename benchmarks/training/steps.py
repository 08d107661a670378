"""``python -m benchmarks.training.steps``: packed batches against padded batches, in alternation.

Reads data/clean and data/messages of the active profile, whose model has to fit here. Turn by turn, a padded
batch through TRL as it stands, a packed batch, and the same one with its vision features cached go
forward and backward. Prints and records processor seconds a sheet, which other work on the machine changes
less than elapsed time; the optimizer, which is the same for all, is left out.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from benchmarks.common.results import record
from schematic_reader.config import Params, load_params
from schematic_reader.io.tables import read_messages
from schematic_reader.model.device import Device, prepare_device
from schematic_reader.model.encode import Encoder, collate
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.training.adapter import add_adapter, lora_config
from schematic_reader.training.examples import Examples, select_examples
from schematic_reader.training.feature_cache import FeatureCache
from schematic_reader.training.packed_dataset import PackedDataset
from schematic_reader.training.packed_loss import PackedLoss
from schematic_reader.training.packing import plan_packing

CLEAN, MESSAGES = Path("data/clean"), Path("data/messages")
WARM_UP = 2  # turns that are not counted

Step = Callable[[int], int]  # from the number of a turn to that of its sheets


def main() -> None:
    """Run all ways and record them."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20, help="turns that are counted")
    turns = parser.parse_args().steps + WARM_UP
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    params = load_params()
    profile = params.active
    device = prepare_device(profile.model, params.seed)
    encoder = Encoder(load_processor(profile.model.base, profile.model.revision))
    examples = select_examples(
        read_messages(MESSAGES, "train", tiles=True),
        SheetImages(CLEAN, "train", params.active.image),
        encoder,
        max_length=profile.train.packed_length,
        max_sheets=profile.train.max_sheets,
    )
    seconds: dict[str, list[float]] = {"padded": [], "packed": [], "cached": []}
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder, "features"))
        plan = plan_packing(examples.lengths, tokens=profile.train.packed_length, epochs=1, seed=params.seed)
        base = load_base(profile.model, device)
        dataset = PackedDataset(
            examples, encoder, plan.batches, device, base.config.vision_config, feature_cache=cache
        )
        packed_loss = PackedLoss(add_adapter(base, params.lora), feature_cache=cache)
        packed_loss.model.train()
        samples = max(len(batch) for batch in plan.batches)
        padded_step = padded(examples, encoder, params, device, samples, Path(folder))

        def packed(turn: int) -> int:
            batch = dataset.batch(turn % len(plan.batches)).to(device.torch_device)
            (packed_loss(batch) / len(batch.answer_ids)).backward()
            return len(batch.sheet_ids)

        # The second pass over the same batch finds the features that the first has cached.
        ways: dict[str, Step] = {"padded": padded_step, "packed": packed, "cached": packed}
        for turn in range(min(turns, len(plan.batches))):
            for name, step in ways.items():
                began = time.process_time()
                sheets = step(turn)
                seconds[name].append((time.process_time() - began) / sheets)
    report(
        {name: statistics.median(found[WARM_UP:]) for name, found in seconds.items()},
        turns - WARM_UP,
        samples,
    )


def padded(
    examples: Examples, encoder: Encoder, params: Params, device: Device, batch: int, folder: Path
) -> Step:
    """Forward and backward of TRL's own loss over a padded batch."""

    def samples(items: list[dict[str, int]]) -> dict[str, torch.Tensor]:
        encoded = [examples.encode(item["index"] % len(examples.rows), encoder) for item in items]
        return collate(encoded, encoder.pad_id, padding_side="right")

    trainer: Any = SFTTrainer(
        model=load_base(params.active.model, device),
        args=SFTConfig(
            output_dir=str(folder),
            use_cpu=device.name == "cpu",
            bf16=device.dtype == torch.bfloat16,
            gradient_checkpointing=False,
            remove_unused_columns=False,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            report_to="none",
        ),
        train_dataset=Dataset.from_dict({"index": range(len(examples.rows))}),
        data_collator=samples,
        processing_class=encoder.processor,
        peft_config=lora_config(params.lora),
    )
    trainer.model.train()

    def step(turn: int) -> int:
        inputs = samples([{"index": turn * batch + i} for i in range(batch)])
        moved = {name: tensor.to(device.torch_device) for name, tensor in inputs.items()}
        trainer.compute_loss(trainer.model, moved).backward()
        return batch

    return step


def report(found: dict[str, float], turns: int, sheets: int) -> None:
    """Record processor seconds a sheet, and how many times as fast as padded batches that is."""
    for name, seconds in found.items():
        record(
            "train_steps",
            name,
            samples_per_s=None,
            processor_s_a_sheet=round(seconds, 4),
            ratio=round(found["padded"] / seconds, 2),
            steps=turns,
            sheets_a_step=sheets,
            threads=torch.get_num_threads(),
        )


if __name__ == "__main__":
    main()

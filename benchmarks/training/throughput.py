"""``python -m benchmarks.training.throughput --model 8b --rows FOLDER_OR_FILE``: fine-tuning on one device.

Trains a model of random weights on real sheets, first by the tutorial's recipe, then by this project's train
stage with the settings of params.yaml, and again in FP8 where the GPU can, and prints and records one JSON
line each. What is not timed, as loading, warm-up and compilation, is recorded as ``other_s``. ``--rows`` are
parquet files with Open Schematics' columns; ``--processor`` is a folder or an id on the Hub, or a folder with
a bare tokenizer.json.gz. ``--model tiny`` has the geometry of models/tiny and runs on a CPU. ``--ours`` runs
no tutorial, ``--packed-length`` sets the length of our packed batches.
"""

from __future__ import annotations

import gc
import logging
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.common.results import record
from benchmarks.common.sheets import TINY, build_model, first, options, read_processor, read_sheets
from benchmarks.common.work import Measured, TimedStep, ceiling, flop_of_samples
from benchmarks.training.tutorial import LONGEST, LORA_DROPOUT, train_as_the_tutorial
from schematic_reader.cli import UserError
from schematic_reader.config import Params, load_params
from schematic_reader.io.parallel import cores
from schematic_reader.model.device import Device, prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.training.checkpoint import Checkpoint
from schematic_reader.training.examples import Examples, select_examples
from schematic_reader.training.finetune import finetune
from schematic_reader.training.fp8 import check_fp8
from schematic_reader.training.settings import FinetuneSettings


@dataclass(frozen=True)
class Size:
    """How much is run: sheets, the tutorial's steps, our epochs; and how many first steps are not timed."""

    profile: str
    processor: str
    sheets: int
    tutorial_steps: int
    tutorial_warm_up: int
    epochs: float
    warm_up: int


SIZES = {
    "8b": Size("open-schematics", "Qwen/Qwen3-VL-8B-Instruct", 320, 18, 6, 2.0, 10),
    "tiny": Size("sample", str(TINY), 16, 1, 1, 1.5, 1),
}
VALIDATION_SHEETS = 4  # few: they are not what is measured


def main() -> None:
    """Run both recipes and record them."""
    parser = options(__doc__, SIZES)
    parser.add_argument("--packed-length", type=int)
    parser.add_argument("--ours", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

    size = SIZES[arguments.model]
    params = settings(size, arguments.packed_length)
    device = prepare_device(params.active.model, params.seed)
    processor = read_processor(arguments.processor or size.processor)
    encoder = Encoder(processor)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = read_sheets(arguments.rows, folder, size.sheets)
        # The tutorial cuts at so many tokens, which breaks a sample: both train on shorter ones only.
        max_length = min(LONGEST, params.active.train.packed_length)
        examples = select_examples(
            rows,
            SheetImages(folder, "train", params.active.image),
            encoder,
            max_length=max_length,
            max_sheets=size.sheets,
        )
        most = ceiling(device)
        tutorial = None
        if not arguments.ours:
            model = fresh_model(arguments.model, processor, device)
            measured = train_as_the_tutorial(
                model,
                processor,
                examples,
                device=device,
                warm_up=size.tutorial_warm_up,
                steps=size.tutorial_steps,
            )
            tutorial = report("tutorial", measured, examples, model.config, device, most, None)
            del model
        for fp8 in (False, True) if can_fp8(device) else (False,):
            model = fresh_model(arguments.model, processor, device)
            measured = train_packed(
                model, encoder, examples, params, device, folder, fp8=fp8, warm_up=size.warm_up
            )
            variant = "packed, fp8" if fp8 else "packed"
            report(variant, measured, examples, model.config, device, most, tutorial)
            del model


def settings(size: Size, packed_length: int | None) -> Params:
    """params.yaml with the benchmark's profile, number of epochs and, if given, packed length."""
    params = load_params()
    profile = params.profiles[size.profile]
    # Epochs only make the run longer: vision features are computed as often as a sheet is trained.
    shared = replace(params.train, vision_cache_gib=0.0)
    length = packed_length or profile.train.packed_length
    train = replace(
        profile.train,
        step_tokens=length,
        packed_length=length,
        epochs=size.epochs,
        checkpoint_steps=10**9,
    )
    return replace(
        params, profile=size.profile, train=shared, profiles={size.profile: replace(profile, train=train)}
    )


def can_fp8(device: Device) -> bool:
    """Whether the train stage would run in FP8 here."""
    try:
        check_fp8(device)
    except UserError:
        return False
    return True


def fresh_model(name: str, processor: Any, device: Device) -> Any:
    """A new model in memory that is free of the one before."""
    gc.collect()
    if device.name == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return build_model(name, processor, device)


def train_packed(
    model: Any,
    encoder: Encoder,
    examples: Examples,
    params: Params,
    device: Device,
    folder: Path,
    *,
    fp8: bool,
    warm_up: int,
) -> Measured:
    """This project's way: the function behind the train stage, with the tutorial's dropout."""
    start = time.perf_counter()
    lora, profile = replace(params.lora, dropout=LORA_DROPOUT), replace(params.active.train, fp8=fp8)
    result = finetune(
        model,
        encoder,
        examples,
        first(examples, VALIDATION_SHEETS),
        FinetuneSettings(lora, params.train, profile, params.seed),
        device,
        Checkpoint(folder / f"fp8 {fp8}", {}),
    )
    timed = result.timings[warm_up:]
    seconds = sum(timing.seconds for timing in timed)
    return Measured(
        steps=[TimedStep(timing.samples, timing.seconds) for timing in timed],
        waited=sum(timing.data_wait for timing in timed),
        other=time.perf_counter() - start - seconds,
        padding=result.padding,
    )


def report(
    variant: str,
    measured: Measured,
    examples: Examples,
    config: Any,
    device: Device,
    most: float,
    before: dict[str, Any] | None,
) -> dict[str, Any]:
    """Record one recipe's figures.

    Args:
        most: operations a second of a plain matrix product.
        before: the figures that ``ratio`` compares with.
    """
    on_cuda = device.name == "cuda"
    rate = len(measured.samples) / measured.seconds
    flop = flop_of_samples(config, examples, measured.samples) / measured.seconds
    answers = sum(examples.answer_lengths[index] for index in measured.samples) / measured.seconds
    name = torch.cuda.get_device_name() if on_cuda else f"{cores()} cores, {torch.get_num_threads()} threads"
    return record(
        "train_throughput",
        variant,
        device=name,
        model=f"{config.text_config.num_hidden_layers} layers of {config.text_config.hidden_size}",
        samples_per_s=round(rate, 3),
        ratio=round(rate / before["samples_per_s"], 2) if before else None,
        steady_samples_per_s=round(measured.steady_rate, 3),
        steady_ratio=round(measured.steady_rate / before["steady_samples_per_s"], 2) if before else None,
        answer_tokens_per_s=round(answers, 1),
        tflop_per_s=round(flop / 1e12, 3),
        ceiling_tflop_per_s=round(most / 1e12, 3),
        share_of_ceiling=round(flop / most, 3),
        peak_gib=round(torch.cuda.max_memory_allocated() / 2**30, 1) if on_cuda else None,
        padding=round(measured.padding, 4),
        wait=round(measured.waited / measured.seconds, 4),
        samples=len(measured.samples),
        timed_s=round(measured.seconds, 1),
        other_s=round(measured.other, 1),
        attention=device.attention,
        torch=torch.__version__,
        transformers=transformers.__version__,
    )


if __name__ == "__main__":
    main()

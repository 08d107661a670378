"""``python -m benchmarks.training.gpus --model 8b --rows FOLDER_OR_FILE``: one GPU, two, all, and FSDP2.

Trains a model of random weights on the same real sheets in the same optimizer steps, in one process, in two
and in one per GPU, each with the whole base, and then with a shard of it on each GPU, and prints and records
one JSON line each: sheets a second over the full steps after the warm-up (the last step is shorter), their
ratio to those of one process, the losses by step, and the memory of a process. ``--rows`` and
``--processor`` are those of ``benchmarks.training.throughput``. Without GPUs, two processes share the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.common.results import record
from benchmarks.common.sheets import build_model, first, options, read_processor, read_sheets
from benchmarks.training.throughput import SIZES, settings
from schematic_reader.model import distributed
from schematic_reader.model.device import Device, prepare_device
from schematic_reader.model.distributed import init
from schematic_reader.model.encode import Encoder
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.training.checkpoint import Checkpoint
from schematic_reader.training.examples import select_examples
from schematic_reader.training.finetune import FinetuneResult, finetune
from schematic_reader.training.settings import FinetuneSettings
from schematic_reader.training.sharding import shard_model

WARM_UP = 3  # steps
WAYS = ("whole in each process", "sharded")
_ONE = "one.json"  # sheets a second of one process


def main() -> None:
    """Run all ways, each in processes of its own, or one of them in this one."""
    parser = options(__doc__, SIZES)
    parser.add_argument("--sheets", type=int, default=150)
    parser.add_argument("--step-tokens", type=int, help="of an optimizer step; default: two packed batches")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        train(arguments)
        return
    gpus = torch.cuda.device_count()
    most = max(2, gpus)
    with tempfile.TemporaryDirectory() as name:
        for count, way in [*((count, WAYS[0]) for count in sorted({1, 2, most})), (most, WAYS[1])]:
            words = [*sys.argv[1:], "--way", way, "--folder", name]
            run_in_processes(count, "benchmarks.training.gpus", words)


def run_in_processes(count: int, module: str, words: list[str]) -> None:
    """Run ``python -m MODULE WORDS`` in ``count`` processes, on as many GPUs where there are some."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    gpus = torch.cuda.device_count()
    subprocess.run(
        [sys.executable, *(launcher if count > 1 else []), "-m", module, *words],
        env=os.environ | ({"CUDA_VISIBLE_DEVICES": visible_gpus(count)} if gpus else {}),
        check=True,
    )


def visible_gpus(count: int) -> str:
    """The first ``count`` of the GPUs that are visible: TRL refuses one process that sees several."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    every = named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]
    return ",".join(every[:count])


def train(arguments: argparse.Namespace) -> None:
    """Train one way; the first process records it."""
    size = SIZES[arguments.model]
    params = settings(size, None)
    device = prepare_device(params.active.model, params.seed)
    processor = read_processor(arguments.processor or size.processor)
    encoder = Encoder(processor)
    profile = replace(
        params.active.train,
        epochs=1.0,
        step_tokens=arguments.step_tokens or 2 * params.active.train.packed_length,
        shard=arguments.way == WAYS[1],
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = read_sheets(arguments.rows, folder, arguments.sheets)
        sheets = SheetImages(folder, "train", params.active.image)
        examples = select_examples(
            rows, sheets, encoder, max_length=profile.packed_length, max_sheets=len(rows)
        )
        torch.manual_seed(params.seed)
        model = build_model(arguments.model, processor, device)
        if profile.shard:
            model = shard_model(model.to("meta" if init(device) else "cpu"), device)
        torch.manual_seed(params.seed)  # the adapter's weights
        if device.name == "cuda":
            torch.cuda.reset_peak_memory_stats()
        shared = replace(params.train, logging_steps=1, warmup_steps=2)
        result = finetune(
            model,
            encoder,
            examples,
            first(examples, 2),
            FinetuneSettings(params.lora, shared, profile, params.seed),
            device,
            Checkpoint(folder / "unfinished", {}),
        )
    if distributed.is_main_process():
        report(arguments.folder, arguments.way, result, device)
    distributed.shutdown()


def report(folder: Path, way: str, result: FinetuneResult, device: Device) -> None:
    """Record this process's figures, beside those of one process, which are left in ``folder``."""
    timed = result.timings[WARM_UP:-1]
    on_cuda = device.name == "cuda"
    rate = sum(len(timing.samples) for timing in timed) / sum(timing.seconds for timing in timed)
    if distributed.world_size() == 1:
        (folder / _ONE).write_text(json.dumps(rate))
    held = sum(
        (weight.to_local() if hasattr(weight, "to_local") else weight).nbytes
        for weight in result.model.parameters()
    )
    record(
        "train_gpus",
        way,
        device=torch.cuda.get_device_name() if on_cuda else f"{os.cpu_count()} cores",
        samples_per_s=round(rate, 2),
        ratio=round(rate / json.loads((folder / _ONE).read_text()), 2),
        processes=distributed.world_size(),
        steps=len(timed),
        losses=[round(loss, 5) for _, loss in result.loss_log.train],
        weights_gib=round(held / 2**30, 2),
        peak_gib=round(torch.cuda.max_memory_allocated() / 2**30, 1) if on_cuda else None,
    )


if __name__ == "__main__":
    main()

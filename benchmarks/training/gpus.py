"""``python -m benchmarks.training.gpus --model 8b --rows FOLDER_OR_FILE``: one GPU, all of them, and shards.

Trains a model of random weights on the same real sheets in the same optimizer steps, first in one process,
then in one for each GPU, each with the whole base and then with a shard of it, and prints and records one
JSON line each: sheets a second over the full steps after the warm-up (the last step is shorter), the losses
by step, and the memory of a process. ``--rows`` and ``--processor`` are those of ``train_throughput``.
Without GPUs, two processes share the CPU.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.results import record
from benchmarks.common.sheets import build_model, first, options, read_processor, read_sheets
from benchmarks.training.throughput import SIZES, settings
from schematic_reader.model import processes
from schematic_reader.model.device import Device, prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.shares import join
from schematic_reader.model.sheets import Sheets
from schematic_reader.training.checkpoint import Checkpoint
from schematic_reader.training.examples import choose_examples
from schematic_reader.training.finetune import finetune
from schematic_reader.training.shard import shard

WARM_UP = 3  # steps
WAYS = ("one process", "whole in each process", "sharded")


def main() -> None:
    """Run all ways, each in processes of its own, or one of them in this one."""
    parser = options(__doc__, SIZES)
    parser.add_argument("--sheets", type=int, default=150)
    parser.add_argument("--rows-a-step", type=int, default=2)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        train(arguments)
        return
    count = max(2, torch.cuda.device_count())
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    for way in WAYS:
        several = [] if way == WAYS[0] else launcher
        words = ["-m", "benchmarks.training.gpus", *sys.argv[1:], "--way", way]
        subprocess.run([sys.executable, *several, *words], check=True)


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
        gradient_accumulation=arguments.rows_a_step,
        shard=arguments.way == "sharded",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = read_sheets(arguments.rows, folder, arguments.sheets)
        sheets, budget = Sheets(folder, "train", params.image), profile.packed_length
        examples = choose_examples(rows, sheets, encoder, budget=budget, max_sheets=len(rows))
        torch.manual_seed(params.seed)
        model = build_model(arguments.model, processor, device)
        if profile.shard:
            model = shard(model.to("meta" if join(device) else "cpu"), device)
        torch.manual_seed(params.seed)  # the adapter's weights
        if device.name == "cuda":
            torch.cuda.reset_peak_memory_stats()
        done = finetune(
            model,
            encoder,
            examples,
            first(examples, 2),
            lora=params.lora,
            settings=replace(params.train, logging_steps=1, warmup_steps=2),
            profile=profile,
            device=device,
            seed=params.seed,
            checkpoint=Checkpoint(folder / "unfinished", {}),
        )
    if processes.is_first():
        report(arguments.way, done, device)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def report(way: str, done: Any, device: Device) -> None:
    """Record this process's figures."""
    timed = done.paces[WARM_UP:-1]
    on_cuda = device.name == "cuda"
    rate = sum(len(pace.samples) for pace in timed) / sum(pace.seconds for pace in timed)
    held = sum(
        (weight.to_local() if hasattr(weight, "to_local") else weight).nbytes
        for weight in done.model.parameters()
    )
    record(
        "train_gpus",
        way,
        device=torch.cuda.get_device_name() if on_cuda else f"{os.cpu_count()} cores",
        samples_per_s=round(rate, 2),
        ratio=None,
        processes=processes.count(),
        steps=len(timed),
        losses=[round(loss, 5) for _, loss in done.ledger.train],
        weights_gib=round(held / 2**30, 2),
        peak_gib=round(torch.cuda.max_memory_allocated() / 2**30, 1) if on_cuda else None,
    )


if __name__ == "__main__":
    main()

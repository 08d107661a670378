"""``python -m benchmarks.generation.gpus --model 8b --rows FOLDER_OR_FILE``: answering on one GPU, two, all.

A model of random weights answers the same real sheets, each answer of its true length, in one process, in
two and in one per GPU, as baseline and evaluate do: each process has the whole model and answers its share.
Prints and records one JSON line each: sheets a second, their share of what as many single GPUs would do, and
the share of answers that are those of one process. ``--rows`` and ``--processor`` are those of
``benchmarks.generation.throughput``. Without GPUs, two processes share the CPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.results import record
from benchmarks.common.sheets import build_model, options, read_processor, read_sheets
from benchmarks.common.work import settle
from benchmarks.generation.throughput import SIZES, FixedLengthAnswerer, settings
from benchmarks.training.gpus import run_in_processes
from schematic_reader.generation.settings import GenerationSettings
from schematic_reader.model import distributed
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.sheet_images import SheetImages

_ONE = "one.json"  # what one process did: sheets a second and answers


def main() -> None:
    """Run all numbers of processes, or be one of the processes."""
    parser = options(__doc__, SIZES)
    parser.add_argument("--sheets", type=int, help="default: as many as throughput answers, for each process")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        answer(arguments)
        return
    most = max(2, torch.cuda.device_count())
    arguments.sheets = arguments.sheets or most * SIZES[arguments.model].sheets
    with tempfile.TemporaryDirectory() as name:
        words = [*sys.argv[1:], "--sheets", str(arguments.sheets), "--folder", name]
        for count in sorted({1, 2, most}):
            run_in_processes(count, "benchmarks.generation.gpus", words)


def answer(arguments: argparse.Namespace) -> None:
    """Answer the sheets with the other processes; the first one records it."""
    size = SIZES[arguments.model]
    params = settings(size, arguments.batch_size)
    device = prepare_device(params.active.model, params.seed)
    distributed.init(device)
    processor = read_processor(arguments.processor or size.processor)
    encoder = Encoder(processor)
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        rows = read_sheets(arguments.rows, Path(name), arguments.sheets)
        sheets = SheetImages(Path(name), "train", params.active.image)
        torch.manual_seed(params.seed)
        model = build_model(arguments.model, processor, device)
        batch_size = params.active.model.batch_size
        on_cuda = device.name == "cuda"
        generation = GenerationSettings(
            batch_size=batch_size,
            max_new_tokens=params.evaluate.max_new_tokens,
            compile_from=0 if on_cuda else None,
        )
        answerer = FixedLengthAnswerer(lambda: model, encoder, generation)
        answerer.answer(sheets, rows[: batch_size * distributed.world_size()])  # warm-up
        settle(device)
        distributed.barrier()
        start = time.perf_counter()
        texts = [one.text for one in answerer.answer(sheets, rows)]
        settle(device)
        distributed.barrier()
        seconds = time.perf_counter() - start
    if distributed.is_main_process():
        report(arguments.folder, texts, seconds, batch_size, on_cuda=on_cuda)
    distributed.shutdown()


def report(folder: Path, texts: list[str], seconds: float, batch_size: int, *, on_cuda: bool) -> None:
    """Record the figures, beside those of one process, which are left in ``folder``."""
    count = distributed.world_size()
    rate = len(texts) / seconds
    if count == 1:
        (folder / _ONE).write_text(json.dumps({"rate": rate, "answers": texts}))
    one: dict[str, Any] = json.loads((folder / _ONE).read_text())
    record(
        "generate_gpus",
        "whole in each process",
        device=torch.cuda.get_device_name() if on_cuda else "CPU",
        samples_per_s=round(rate, 3),
        processes=count,
        times_one=round(rate / one["rate"], 2),
        share_of_ideal=round(rate / one["rate"] / count, 3),
        equal=round(sum(a == b for a, b in zip(texts, one["answers"], strict=True)) / len(texts), 4),
        samples=len(texts),
        batch_size=batch_size,
        timed_s=round(seconds, 1),
        peak_gib=round(torch.cuda.max_memory_allocated() / 2**30, 1) if on_cuda else None,
    )


if __name__ == "__main__":
    main()

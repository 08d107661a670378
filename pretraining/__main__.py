"""Pre-trains the small base model: ``python -m pretraining --material FILE``.

Writes checkpoints, the curve and the weights so far to ``--out``, and resumes from there when started again.
With ``--weights FOLDER`` a new run starts from that folder's weights instead of untrained ones. On several
GPUs: ``torchrun --nproc-per-node 4 -m pretraining ...``.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

import torch
import torch.distributed as dist
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

from pretraining import settings as settings_module
from pretraining.appearance import themes
from pretraining.geometry import make_config, make_model
from pretraining.material import check_file
from pretraining.questions import NAMES
from pretraining.sheets import SheetMaker
from pretraining.train import Rank, Run, Source
from schematic_reader.cli import UserError, run
from schematic_reader.model import distributed

HERE = Path(__file__).parent
LOG = logging.getLogger("pretraining")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=HERE / "config.yaml")
    parser.add_argument("--processor", type=Path, required=True, help="folder with the tokenizer")
    parser.add_argument(
        "--material", type=Path, required=True, help="what python -m pretraining.material made"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/pretrain"))
    parser.add_argument("--weights", type=Path, help="start from this folder's weights")
    parser.add_argument(
        "--workers", type=int, help="processes that draw; all cores but one of each GPU's share"
    )
    parser.add_argument("--until", type=int, help="stop after this step; the phases stay as they are")
    parser.add_argument("--deadline", type=float, help="stop at this time, in seconds since the epoch")
    args = parser.parse_args()
    rank = Rank(distributed.rank(), distributed.world_size())
    logging.basicConfig(
        level=logging.INFO if rank.main else logging.WARNING,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
    )
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", distributed.local_rank())
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = True
    if rank.count > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    training = prepare(args.config, args.processor, args.material, args.out, args.weights, device, rank)
    if training.load():
        LOG.info("resuming at step %d", training.step)
    workers = args.workers
    if workers is None:
        workers = max(1, (os.cpu_count() or 2) // rank.count - 1)
    training.train(workers, args.until, args.deadline)
    if rank.count > 1:
        dist.destroy_process_group()


def prepare(
    config: Path,
    processor_folder: Path,
    material_file: Path,
    folder: Path,
    weights: Path | None,
    device: torch.device,
    rank: Rank,
) -> Run:
    """A run as the files say, before its first step.

    Raises:
        UserError: the settings cannot be used, or the tokenizer, the material or the weights are missing.
    """
    settings = settings_module.load(config)
    tokenizer_file = processor_folder / "tokenizer.json"
    if not tokenizer_file.is_file():
        raise UserError(f"{tokenizer_file} is missing: make it with python -m pretraining.init")
    if weights and not (weights / "config.json").is_file():
        raise UserError(f"{weights / 'config.json'} is missing: name a folder with a model's weights")
    check_file(material_file)
    tokenizer = AutoProcessor.from_pretrained(processor_folder).tokenizer
    if weights:
        model = Qwen3VLForConditionalGeneration.from_pretrained(weights, dtype=torch.float32)
    else:
        model = make_model(make_config(vision=dict(settings.vision), text=dict(settings.text)), settings.seed)
    maker = SheetMaker(settings, tokenizer_file, material_file)
    source = Source(maker, NAMES, themes(settings.seed))
    return Run(settings, model.to(device), tokenizer, source, folder, device, rank)


if __name__ == "__main__":
    run(main)

"""Pre-trains the small base model: ``python -m pretraining``.

Writes checkpoints, the curve and the weights so far to ``--run``; taken up from there when started again.
With ``--weights FOLDER`` a new run starts from that folder's weights instead of untrained ones.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import torch
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

from pretraining import settings as settings_module
from pretraining.geometry import make_config, make_model
from pretraining.questions import NAMES
from pretraining.sheets import LABELS, THEME_SHARES, SheetMaker, colors
from pretraining.train import Run, Source
from schematic_reader.cli import UserError

HERE = Path(__file__).parent
LOG = logging.getLogger("pretraining")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=HERE / "config.yaml")
    parser.add_argument(
        "--processor", type=Path, default=HERE.parent / "models" / "tiny", help="folder with the tokenizer"
    )
    parser.add_argument("--run", type=Path, default=Path("runs/pretrain"))
    parser.add_argument("--library", type=Path, help="folder of .kicad_sym files, for library_share")
    parser.add_argument("--weights", type=Path, help="start from this folder's weights")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument(
        "--until", type=int, help="stop after this step; the schedule stays that of all steps"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        run = prepare(args.config, args.processor, args.run, args.weights, args.library)
    except UserError as error:
        sys.exit(f"{error}")
    if run.load():
        LOG.info("taken up at step %d", run.step)
    run.train(args.workers, args.until)


def prepare(
    config: Path,
    processor_folder: Path,
    folder: Path,
    weights: Path | None = None,
    library: Path | None = None,
) -> Run:
    """A run as the files say, before its first step."""
    settings = settings_module.load(config)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = AutoProcessor.from_pretrained(processor_folder).tokenizer
    if weights:
        model = Qwen3VLForConditionalGeneration.from_pretrained(weights, dtype=torch.float32)
    else:
        model = make_model(make_config(), settings.seed)
    if settings.library_share and library is None:
        raise UserError(
            "library_share needs --library, a folder of .kicad_sym files such as /usr/share/kicad/symbols of "
            "Debian's package kicad-symbols; set it to 0 to do without"
        )
    maker = SheetMaker(settings, processor_folder / "tokenizer.json", library)
    source = Source(maker, LABELS, NAMES, colors(), THEME_SHARES)
    return Run(settings, model.to(device), tokenizer, source, folder, device)


if __name__ == "__main__":
    main()

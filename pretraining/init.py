"""Makes the tokenizer and processor: ``python -m pretraining.init --material FILE --out FOLDER``."""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Iterator
from pathlib import Path

from pretraining import tokenizer
from pretraining.geometry import make_config, make_processor
from pretraining.questions import ask
from pretraining.settings import load
from pretraining.sheets import SheetMaker
from schematic_reader.cli import run

LOG = logging.getLogger("pretraining")
_PICTURES = 4_000


def lines(material: Path) -> Iterator[str]:
    """What the tokenizer is trained on: questions as pre-training asks them, and their answers."""
    settings = load(Path(__file__).parent / "config.yaml")
    maker = SheetMaker(settings, Path(), material)
    rng = random.Random(f"{settings.seed} tokenizer")
    windows = maker.windows(settings.shapes["region"], rng)
    for _ in range(_PICTURES):
        for asked in ask(next(windows).view, 4, (), rng):
            yield asked.prompt
            yield asked.answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--material", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the new model")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processor = make_processor(tokenizer.train(lines(args.material)))
    processor.save_pretrained(args.out)
    make_config().save_pretrained(args.out)
    LOG.info("%s: %d tokens", args.out, len(processor.tokenizer))


if __name__ == "__main__":
    run(main)

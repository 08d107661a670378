"""Writes an untrained base model: ``python -m pretraining.init [--out models/tiny] [--seed 1]``."""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pretraining import corpus, tokenizer
from pretraining.geometry import make_config, make_model, make_processor, parameters, save
from pretraining.questions import ask, view
from pretraining.settings import load
from pretraining.sheets import SheetMaker
from schematic_reader.kicad.drawing.layout import layout_of

LOG = logging.getLogger("pretraining")
MADE_UP_LINES = 12_000
SHEETS = 4_000


def lines(seed: int) -> Iterator[str]:
    """What the tokenizer is trained on: made-up text, and questions and answers about generated sheets."""
    yield from corpus.lines(MADE_UP_LINES, seed)
    settings = load(Path(__file__).parent / "config.yaml")
    maker = SheetMaker(replace(settings, library_share=0.0), Path())
    for number in range(SHEETS):
        rng = random.Random(f"{seed} tokenizer {number}")
        sheet = maker.sheet(rng)
        for asked in ask(view(sheet, layout_of(sheet, settings.width, settings.height)), 4, rng):
            yield asked.prompt
            yield asked.answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("models/tiny"))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processor = make_processor(tokenizer.train(lines(args.seed)))
    processor.save_pretrained(args.out)
    model = make_model(make_config(), args.seed)
    save(model, args.out)
    LOG.info(
        "%s: %.2f million parameters, untrained; %d tokens",
        args.out,
        parameters(model) / 1e6,
        len(processor.tokenizer),
    )


if __name__ == "__main__":
    main()

"""Writes an untrained base model: ``python -m models.pretrain.init [--out models/tiny] [--seed 1]``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from models.pretrain import corpus, tokenizer
from models.pretrain.geometry import make_config, make_model, make_processor, parameters, save

LOG = logging.getLogger("models.pretrain")
CORPUS_LINES = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("models/tiny"))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processor = make_processor(tokenizer.train(corpus.lines(CORPUS_LINES, args.seed)))
    processor.save_pretrained(args.out)
    model = make_model(make_config(), args.seed)
    save(model, args.out)
    LOG.info("%s: %.2f million parameters, untrained", args.out, parameters(model) / 1e6)


if __name__ == "__main__":
    main()

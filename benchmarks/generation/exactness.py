"""``python -m benchmarks.generation.exactness``: whether batched answers are those of a plain loop.

The tuned model of a finished run in this folder answers sheets of its test split, one at a time by plain
``generate`` and then as the evaluate stage does, in bfloat16 on a GPU, in float32 on a CPU. Prints and
records the share of answers that are equal, and the F1 of both; and the share of answers that are the same,
probabilities included, in a run that resumes with a third of them.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.common.results import record
from schematic_reader.config import load_params
from schematic_reader.generation.answer_cache import AnswerCache
from schematic_reader.generation.answerer import Answerer
from schematic_reader.generation.settings import GenerationSettings
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder, collate
from schematic_reader.model.load import load_processor, load_tuned
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.scoring.evaluation import test_sheets
from schematic_reader.scoring.precision_recall import count, total
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import ModelAnswer

ADAPTER, CLEAN, MESSAGES = Path("models/adapter"), Path("data/clean"), Path("data/messages")


def main() -> None:
    """Generate in both ways and record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sheets", type=int, default=100)
    most_sheets = parser.parse_args().sheets
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    params = load_params()
    on_cuda = torch.cuda.is_available()
    profile = replace(params.active.model, dtype="bfloat16" if on_cuda else "float32", device="auto")
    device = prepare_device(profile, params.seed)
    encoder = Encoder(load_processor(str(ADAPTER), None))
    model = load_tuned(profile, device, ADAPTER)
    rows = test_sheets(MESSAGES, most_sheets)
    sheets = SheetImages(CLEAN, "test", params.active.image)
    most = params.evaluate.max_new_tokens
    plain = [one_by_one(model, encoder, sheets, row, most) for row in rows]
    settings = GenerationSettings(profile.batch_size, most)
    with TemporaryDirectory() as name:
        fast, resumed = (
            Answerer(lambda: model, encoder, settings, cache(Path(name), "run")).answer(sheets, rows)
            for cache in (EveryThird, AnswerCache)
        )
    texts = [answer.text for answer in fast]
    right = [row["target"] for row in rows]
    f1 = [f1_of(answers, right, params.task) for answers in (plain, texts)]
    record(
        "generate_exactness",
        "continuous",
        device=torch.cuda.get_device_name() if on_cuda else "cpu",
        dtype=profile.dtype,
        samples_per_s=None,
        ratio=None,
        equal=round(sum(map(str.__eq__, plain, texts)) / len(rows), 4),
        resumed_equal=round(
            sum(one == other for one, other in zip(fast, resumed, strict=True)) / len(rows), 4
        ),
        f1_one_by_one=round(f1[0], 4),
        f1_fast=round(f1[1], 4),
        sheets=len(rows),
    )


class EveryThird(AnswerCache):
    """Stores every third answer, as if the run had been interrupted."""

    def add(self, answers: Mapping[str, ModelAnswer], plan: str) -> None:
        super().add(dict(list(answers.items())[::3]), plan)


@torch.inference_mode()
def one_by_one(model: Any, encoder: Encoder, sheets: SheetImages, row: dict[str, Any], most: int) -> str:
    """The answer about one sheet by a growing cache, nothing padded."""
    prompt = collate(
        [encoder.encode_prompt([sheets.picture(row)], row["messages"])], encoder.pad_id, padding_side="left"
    )
    del prompt["labels"]
    out = model.generate(
        **{name: tensor.to(model.device) for name, tensor in prompt.items()},
        max_new_tokens=most,
        do_sample=False,
        eos_token_id=encoder.end_of_turn_id,
        pad_token_id=encoder.pad_id,
    )
    text: str = encoder.tokenizer.decode(out[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    return text.strip()


def f1_of(answers: list[str], targets: list[str], name: str) -> float:
    """The micro F1 of strictly judged items."""
    task = task_named(name)

    def items(text: str) -> Any:
        return task.normalize(task.parse(text).items, loose=False)

    pairs = zip(answers, targets, strict=True)
    return total(count(items(answer), items(target)) for answer, target in pairs).f1


if __name__ == "__main__":
    main()

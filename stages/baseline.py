"""``python -m stages.baseline``: ask the base model, untuned, about the test sheets and judge its answers.

Writes ``data/predictions/baseline.parquet`` and ``metrics/baseline.json``. Beside the model stands the prior:
the names most frequent in training, answered for every sheet without looking, and, where the ``ocr`` extra is
installed, what OCR reads. A run that was interrupted goes on with the answers it has.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path

from schematic_reader.cli import run, takes_no_arguments
from schematic_reader.config import load_params
from schematic_reader.io.files import write_json
from schematic_reader.io.tables import PREDICTIONS, Pictures, write_rows
from schematic_reader.scoring.evaluation import evaluate_model, items_of, test_sheets
from schematic_reader.scoring.ocr import ocr, read_texts, runs_here
from schematic_reader.scoring.predictions import target_items
from schematic_reader.scoring.prior import prior
from schematic_reader.tasks import task as task_named

CLEAN = Path("data/clean")
MESSAGES = Path("data/messages")
OUT = Path("data/predictions/baseline.parquet")
METRICS = Path("metrics/baseline.json")
JOURNAL = Path("data/predictions/.baseline.part")  # of answers, a file for each process
READER = Path(__file__).parents[1] / "schematic_reader"
VLM = (READER / "model", READER / "generation")  # whose code decides what is answered


def main() -> None:
    """Run the stage in the current folder."""
    takes_no_arguments(__doc__)
    from schematic_reader.generation.generate import answer_sheets
    from schematic_reader.generation.grammar import held_to
    from schematic_reader.generation.journal import Journal, fingerprint
    from schematic_reader.model import processes
    from schematic_reader.model.device import prepare_device
    from schematic_reader.model.encode import Encoder
    from schematic_reader.model.load import load_base, load_processor
    from schematic_reader.model.shares import join
    from schematic_reader.model.sheets import Sheets

    params = load_params()
    model, judged = params.active.model, params.evaluate
    if model.device != "cpu" and processes.run_on_every_gpu("stages.baseline"):
        return
    task = task_named(params.task)
    rows = test_sheets(MESSAGES, judged.max_sheets)
    device = prepare_device(model, params.seed)
    process = join(device)
    settings = [asdict(part) for part in (model, params.image, judged)]
    files = [*([Path(model.base)] if Path(model.base).is_dir() else []), *VLM]
    journal = Journal(JOURNAL / f"{process}.jsonl", fingerprint([settings, params.seed, rows], files))
    encoder = Encoder(load_processor(model.base, model.revision))
    narrowed = None
    if judged.grammar and (grammar := task.grammar):
        limit = judged.max_new_tokens
        narrowed = held_to(grammar.lark, grammar.closers, encoder, max_new_tokens=limit)
    ask = partial(
        answer_sheets,
        load_base(model, device),
        encoder,
        Sheets(CLEAN, "test", params.image),
        batch_size=model.batch_size,
        max_new_tokens=judged.max_new_tokens,
        beams=judged.num_beams,
        repetition_penalty=judged.repetition_penalty,
        journal=journal,
        narrowed=narrowed,
        continuous=device.name == "cuda",
    )
    predictions, metrics = evaluate_model(
        ask,
        rows,
        task=task,
        form=params.messages.form,
        settings=judged,
        messages=MESSAGES,
        clean=CLEAN,
        seed=params.seed,
    )
    if process:
        return  # the first process has all answers and writes them
    actual = target_items(task, [row["target"] for row in rows])
    train = items_of(MESSAGES, "train", task)
    metrics["prior"] = prior(train, items_of(MESSAGES, "validation", task), actual)
    if judged.ocr and runs_here(task.name):
        pictures = Pictures(CLEAN, "test")
        texts = read_texts([pictures.read(row["part"], row["row"]) for row in rows])
        metrics["ocr"] = ocr(texts, actual, train)
    write_rows(OUT, PREDICTIONS, map(asdict, predictions))
    write_json(METRICS, metrics)
    journal.remove()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run(main)

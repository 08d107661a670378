"""``python -m stages.baseline``: the base model, untuned, answers the test sheets and is scored.

Writes ``data/predictions/baseline.parquet`` and ``metrics/baseline.json``. Beside the model stands the prior:
the names most frequent in training, answered for every sheet without looking, and, where the ``ocr`` extra is
installed, what OCR reads. Answers are cached: a run that was interrupted resumes, and one that only scores
again generates none.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

from schematic_reader.cli import parse_no_arguments, run, start_logging
from schematic_reader.config import load_params
from schematic_reader.io.files import write_json
from schematic_reader.io.tables import PREDICTIONS, Pictures, write_rows
from schematic_reader.scoring.evaluation import evaluate_model, items_of, test_sheets
from schematic_reader.scoring.ocr import ocr, read_texts, runs_here
from schematic_reader.scoring.predictions import target_items
from schematic_reader.scoring.prior import prior
from schematic_reader.scoring.tiled_answers import answer_sheets
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.joining import asked_about

CLEAN = Path("data/clean")
MESSAGES = Path("data/messages")
OUT = Path("data/predictions/baseline.parquet")
METRICS = Path("metrics/baseline.json")
ANSWERS = Path(".answer_cache/baseline")


def main() -> None:
    """Run the stage in the current folder."""
    parse_no_arguments(__doc__)
    from schematic_reader.generation.answerer import open_answerer
    from schematic_reader.model import distributed
    from schematic_reader.model.sheet_images import SheetImages

    params = load_params()
    model, judged = params.active.model, params.evaluate
    if model.device != "cpu" and distributed.run_on_every_gpu("stages.baseline"):
        return
    task = task_named(params.task)
    rows = test_sheets(MESSAGES, judged.max_sheets)
    asked = asked_about(task, params.active.image)
    answerer = open_answerer(model, asked, judged, seed=params.seed, cache=ANSWERS)
    predictions, metrics = evaluate_model(
        partial(answer_sheets, answerer.answer, task, SheetImages(CLEAN, "test", params.active.image)),
        rows,
        task=task,
        form=params.messages.form,
        settings=judged,
        messages=MESSAGES,
        clean=CLEAN,
        seed=params.seed,
    )
    distributed.shutdown()
    if not distributed.is_main_process():
        return  # rank 0 has all answers and writes them
    actual = target_items(task, [row["target"] for row in rows])
    train = items_of(MESSAGES, "train", task)
    metrics["prior"] = prior(train, items_of(MESSAGES, "validation", task), actual)
    if judged.ocr and runs_here(task.name):
        pictures = Pictures(CLEAN, "test")
        texts = read_texts([pictures.read(row["part"], row["row"]) for row in rows])
        metrics["ocr"] = ocr(texts, actual, train)
    write_rows(OUT, PREDICTIONS, map(asdict, predictions))
    write_json(METRICS, metrics)


if __name__ == "__main__":
    start_logging()
    run(main, exclusive=True)

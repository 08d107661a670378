"""``python -m stages.evaluate``: the tuned model answers the same test sheets and is scored.

The model is loaded anew from what ``stages.train`` exported: the base, the adapter and the processor in
models/adapter. Writes ``data/predictions/tuned.parquet``, ``metrics/evaluate.json`` (with the gain over the
baseline), the tables behind ``dvc plots show`` in ``metrics/plots/``, and ``metrics/report.html``. Answers
about validation sheets calibrate the model's confidence: ``data/predictions/calibration.json``. Answers are
cached: a run that was interrupted resumes, and one that only scores again generates none.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

from schematic_reader.cli import parse_no_arguments, run, start_logging
from schematic_reader.config import load_params
from schematic_reader.io.files import read_json, write_json, write_text
from schematic_reader.io.tables import PREDICTIONS, Pictures, write_rows
from schematic_reader.report.page import report_page
from schematic_reader.report.plots import write_plots
from schematic_reader.scoring.confidence import confidence_groups, fit_calibration
from schematic_reader.scoring.evaluation import (
    evaluate_model,
    prediction_rows,
    read_predictions,
    test_sheets,
    validation_sheets,
)
from schematic_reader.scoring.metrics import REQUIRED, gain
from schematic_reader.scoring.tiled_answers import answer_sheets
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.joining import asked_about

ADAPTER = Path("models/adapter")
BASELINE = Path("data/predictions/baseline.parquet")
BASELINE_METRICS = Path("metrics/baseline.json")
CLEAN = Path("data/clean")
MESSAGES = Path("data/messages")
OUT = Path("data/predictions/tuned.parquet")
CALIBRATION = Path("data/predictions/calibration.json")
METRICS = Path("metrics/evaluate.json")
ANSWERS = Path(".answer_cache/tuned")
PLOTS = Path("metrics/plots")
REPORT = Path("metrics/report.html")


def main() -> None:
    """Run the stage in the current folder."""
    parse_no_arguments(__doc__)
    from schematic_reader.generation.answerer import open_answerer
    from schematic_reader.model import distributed
    from schematic_reader.model.sheet_images import SheetImages

    params = load_params()
    model, judged = params.active.model, params.evaluate
    if model.device != "cpu" and distributed.run_on_every_gpu("stages.evaluate"):
        return
    task = task_named(params.task)
    baseline = read_predictions(BASELINE, "baseline")
    before = read_json(BASELINE_METRICS, "baseline", REQUIRED)
    rows = test_sheets(MESSAGES, judged.max_sheets)
    asked = asked_about(task, params.active.image)
    answerer = open_answerer(model, asked, judged, seed=params.seed, adapter=ADAPTER, cache=ANSWERS)
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
    validation = validation_sheets(MESSAGES, judged.calibration_sheets)
    sheets = SheetImages(CLEAN, "validation", params.active.image)
    answers = answer_sheets(answerer.answer, task, sheets, validation)
    distributed.shutdown()
    if not distributed.is_main_process():
        return  # rank 0 has all answers and writes them
    metrics["gain"] = gain(
        predictions, baseline, task=task, bootstrap_samples=judged.bootstrap_samples, seed=params.seed
    )
    calibration = fit_calibration(prediction_rows(validation, answers, task), task)
    metrics |= confidence_groups(predictions, task, calibration)
    write_rows(OUT, PREDICTIONS, map(asdict, predictions))
    calibration.write(CALIBRATION)
    write_plots(PLOTS, baseline, predictions, task, before=before, after=metrics, calibration=calibration)
    pictures, places = Pictures(CLEAN, "test"), {row["id"]: (row["part"], row["row"]) for row in rows}
    page = report_page(
        before=before,
        after=metrics,
        baseline=baseline,
        tuned=predictions,
        plots=PLOTS,
        picture=lambda id: pictures.read(*places[id]),
        task=task,
    )
    write_text(REPORT, page)
    write_json(METRICS, metrics)


if __name__ == "__main__":
    start_logging()
    run(main, exclusive=True)

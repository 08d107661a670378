"""How both models are evaluated: the same test sheets, prompts and measures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from schematic_reader.config import Evaluate
from schematic_reader.io.tables import PREDICTIONS, read_messages, readable
from schematic_reader.scoring.bom import bom_metrics
from schematic_reader.scoring.connectivity import has_nets
from schematic_reader.scoring.metrics import Metrics, score
from schematic_reader.scoring.no_image import no_image_control
from schematic_reader.scoring.predictions import PredictionRow, prediction_row, target_items
from schematic_reader.scoring.printed import printed_text
from schematic_reader.tasks.contract import Form, Item, ModelAnswer, Task
from schematic_reader.tasks.description import DescriptionTask

MessageRow = dict[str, Any]


def test_sheets(messages: Path, max_sheets: int) -> list[MessageRow]:
    """The first ``max_sheets`` message rows of the test split by id."""
    return _first(read_messages(messages, "test"), max_sheets)


def validation_sheets(messages: Path, max_sheets: int) -> list[MessageRow]:
    """The first ``max_sheets`` message rows of the validation split by id."""
    return _first(read_messages(messages, "validation"), max_sheets)


def _first(rows: list[MessageRow], count: int) -> list[MessageRow]:
    # Ids are content hashes, so these are a random sample, the same for every model and seed.
    return sorted(rows, key=lambda row: str(row["id"]))[:count]


class AnswerFn(Protocol):
    """Answers message rows, one answer a row, from their pictures or, without them, from grey ones."""

    def __call__(self, rows: list[MessageRow], *, with_image: bool) -> Sequence[ModelAnswer]: ...


def evaluate_model(
    answer: AnswerFn,
    rows: list[MessageRow],
    *,
    task: Task,
    form: Form,
    settings: Evaluate,
    messages: Path,
    clean: Path,
    seed: int,
) -> tuple[list[PredictionRow], Metrics]:
    """The prediction rows of ``rows`` and their metrics.

    The first ``settings.no_image_sheets`` rows are answered a second time without their pictures, as a
    control; with any, the metrics have a group ``no_image``. Those of a structured task have a group ``bom``,
    of the sheets whose KiCad text can be read.
    """
    predictions = prediction_rows(rows, answer(rows, with_image=True), task)
    schematics = _column(clean, rows, "schematic") if isinstance(task, DescriptionTask) else {}
    metrics = score(
        predictions,
        task=task,
        train_items=items_of(messages, "train", task),
        printed=_printed_texts(clean, rows),
        bootstrap_samples=settings.bootstrap_samples,
        seed=seed,
        schematics=schematics if has_nets(task.name, form) else None,
    )
    if isinstance(task, DescriptionTask):
        metrics["bom"] = bom_metrics(
            predictions,
            schematics,
            task,
            bootstrap_samples=settings.bootstrap_samples,
            seed=seed,
        )
    if controls := rows[: settings.no_image_sheets]:
        without_image = prediction_rows(controls, answer(controls, with_image=False), task)
        metrics["no_image"] = no_image_control(
            without_image,
            predictions[: len(controls)],
            task,
            bootstrap_samples=settings.bootstrap_samples,
            seed=seed,
        )
    return predictions, metrics


def prediction_rows(
    rows: Sequence[MessageRow], answers: Sequence[ModelAnswer], task: Task
) -> list[PredictionRow]:
    """The prediction row of each message row and the answer to it."""
    return [prediction_row(task, row, answer) for row, answer in zip(rows, answers, strict=True)]


def items_of(messages: Path, split: str, task: Task) -> list[Counter[Item]]:
    """The items of every target of ``split`` in the strict reading."""
    return target_items(task, [row["target"] for row in read_messages(messages, split)])


def _printed_texts(clean: Path, rows: Sequence[MessageRow]) -> dict[str, frozenset[str]]:
    """By row id, the folded texts printed on the sheet, for those of ``rows`` with readable JSON."""
    printed = {id: printed_text({"json": text}) for id, text in _column(clean, rows, "json").items()}
    return {id: texts for id, texts in printed.items() if texts is not None}


def _column(clean: Path, rows: Sequence[MessageRow], name: str) -> dict[str, str]:
    """By row id, what the clean rows behind ``rows`` have in that column, for those that have something."""
    found: dict[str, str] = {}
    for part in sorted({row["part"] for row in rows}):
        wanted = [row for row in rows if row["part"] == part]
        path = clean / "test" / part
        with readable(path, "clean-to-parquet"):
            column = pq.read_table(path, columns=[name]).column(name)
            texts = {row["id"]: column[row["row"]].as_py() for row in wanted}
        found |= {id: text for id, text in texts.items() if text is not None}
    return found


def read_predictions(path: Path, made_by: str) -> list[PredictionRow]:
    """The rows of a predictions file that the stage ``made_by`` wrote.

    Raises:
        UserError: it is missing or damaged.
    """
    with readable(path, made_by):
        return [PredictionRow(**row) for row in pq.read_table(path).select(PREDICTIONS.names).to_pylist()]

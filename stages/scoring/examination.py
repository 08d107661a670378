"""The examination that both models sit: the same test sheets, judged in the same way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from stages.scoring.predictions import PredictionRow, prediction_row, target_items
from stages.scoring.printed import printed_text
from stages.scoring.report import Metrics, score
from stages.store.errors import UserError
from stages.store.tables import read_messages
from stages.tasks.contract import Item, Task


def test_sheets(messages: Path, max_sheets: int) -> list[dict[str, Any]]:
    """The first ``max_sheets`` message rows of the test split by id.

    Ids are content hashes, so these are as good as drawn at random, and the same for every model and seed.
    """
    return sorted(read_messages(messages, "test"), key=lambda row: str(row["id"]))[:max_sheets]


class Said(Protocol):
    """What a model answered for one sheet; ``vlm.generate.Answer`` is one."""

    @property
    def text(self) -> str: ...
    @property
    def tokens(self) -> int: ...
    @property
    def finish(self) -> str: ...


def judge(
    rows: Sequence[dict[str, Any]],
    answers: Sequence[Said],
    *,
    task: Task,
    messages: Path,
    clean: Path,
    draws: int,
    seed: int,
) -> tuple[list[PredictionRow], Metrics]:
    """The prediction rows and the measures of ``answers``, one for each message row of ``rows``."""
    predictions = [
        prediction_row(
            task,
            id=row["id"],
            name=row["name"],
            prompt=row["prompt"],
            target=row["target"],
            prediction=answer.text,
            tokens=answer.tokens,
            finish=answer.finish,
        )
        for row, answer in zip(rows, answers, strict=True)
    ]
    metrics = score(
        predictions,
        task=task,
        train_items=items_of(messages, "train", task),
        printed=_printed_on(clean, rows),
        draws=draws,
        seed=seed,
    )
    return predictions, metrics


def items_of(messages: Path, split: str, task: Task) -> list[Counter[Item]]:
    """The strictly judged items of every target of ``split``."""
    return target_items(task, [row["target"] for row in read_messages(messages, split)])


def _printed_on(clean: Path, rows: Sequence[dict[str, Any]]) -> dict[str, frozenset[str]]:
    """By row id, the folded texts that the sheets show, for those of ``rows`` whose JSON tells."""
    found = {}
    for part in sorted({row["part"] for row in rows}):
        wanted = [row for row in rows if row["part"] == part]
        column = pq.read_table(clean / "test" / part, columns=["json"]).column("json")
        for row in wanted:
            texts = printed_text({"json": column[row["row"]].as_py()})
            if texts is not None:
                found[row["id"]] = texts
    return found


def read_predictions(path: Path, made_by: str) -> list[PredictionRow]:
    """The rows of a predictions file that the stage ``made_by`` wrote.

    Raises:
        UserError: it is missing.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: run `dvc repro {made_by}`")
    return [PredictionRow(**row) for row in pq.read_table(path).to_pylist()]

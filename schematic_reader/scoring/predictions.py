"""The stored prediction row: a model's answer for one sheet with the sheet's own precision and recall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from schematic_reader.cli import UserError
from schematic_reader.scoring.precision_recall import count
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import Item, ModelAnswer, ParsedAnswer, Task


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """A row of data/predictions; ``tokens`` were generated, ``finish`` is ``stop`` or ``length``.

    ``precision``, ``recall`` and ``f1`` are the sheet's own, strict. ``ends`` and ``probabilities`` are those
    of ``tasks.contract.ModelAnswer``: one a token.
    """

    id: str
    name: str
    prompt: str
    target: str
    prediction: str
    tokens: int
    finish: str
    precision: float
    recall: float
    f1: float
    ends: Sequence[int] = ()
    probabilities: Sequence[float] = ()


def prediction_row(task: Task, message: Mapping[str, Any], answer: ModelAnswer) -> PredictionRow:
    """The row of a message row (its ``id``, ``name``, ``prompt`` and ``target``) and the answer to it.

    Raises:
        UserError: the target does not parse.
    """
    target = target_answer(task, message["target"], message["id"])
    counts = count(
        task.normalize(parsed_answer(task, answer.text).items, loose=False),
        task.normalize(target.items, loose=False),
    )
    return PredictionRow(
        id=message["id"],
        name=message["name"],
        prompt=message["prompt"],
        target=message["target"],
        prediction=answer.text,
        tokens=answer.tokens,
        finish=answer.finish,
        precision=round(counts.precision, 6),
        recall=round(counts.recall, 6),
        f1=round(counts.f1, 6),
        ends=answer.ends,
        probabilities=answer.probabilities,
    )


def parsed_answer(task: Task, text: str) -> ParsedAnswer:
    """``task.parse`` of an answer or target, cached because several metrics need it."""
    return _parsed_answer(task.name, text)


# A whole KiCad text takes up to a second to parse. The size covers targets and answers of 200 sheets.
@lru_cache(maxsize=1024)
def _parsed_answer(name: str, text: str) -> ParsedAnswer:
    return task_named(name).parse(text)


def predicted_items(row: PredictionRow, task: Task) -> Counter[Item]:
    """The items of the answer in the strict reading."""
    return task.normalize(parsed_answer(task, row.prediction).items, loose=False)


def actual_items(row: PredictionRow, task: Task) -> Counter[Item]:
    """The items of the target in the strict reading."""
    return task.normalize(parsed_answer(task, row.target).items, loose=False)


def target_answer(task: Task, target: str, id: str) -> ParsedAnswer:
    """The parsed target. Raises UserError where it does not parse, as after it was cut."""
    answer = parsed_answer(task, target)
    if not answer.valid:
        raise UserError(
            f"the {task.name} target of row {id} cannot be judged against ({answer.reason}): "
            "set messages.on_too_long to drop and run `dvc repro`"
        )
    return answer


def target_items(task: Task, targets: list[str]) -> list[Counter[Item]]:
    """The items of each target in the strict reading; none where a target does not parse."""
    return [task.normalize(task.parse(target).items, loose=False) for target in targets]

"""One prediction: what a model answered about one sheet, and how far it is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from schematic_reader.cli import UserError
from schematic_reader.scoring.precision_recall import count
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import Item, ParsedAnswer, Task


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


def prediction_row(
    task: Task,
    *,
    id: str,
    name: str,
    prompt: str,
    target: str,
    prediction: str,
    tokens: int,
    finish: str,
    ends: Sequence[int] = (),
    probabilities: Sequence[float] = (),
) -> PredictionRow:
    """The row with its measures. Raises UserError where the target cannot be judged against."""
    counts = count(
        task.normalize(parsed_answer(task, prediction).items, loose=False),
        task.normalize(target_answer(task, target, id).items, loose=False),
    )
    return PredictionRow(
        id=id,
        name=name,
        prompt=prompt,
        target=target,
        prediction=prediction,
        tokens=tokens,
        finish=finish,
        precision=round(counts.precision, 6),
        recall=round(counts.recall, 6),
        f1=round(counts.f1, 6),
        ends=ends,
        probabilities=probabilities,
    )


def parsed_answer(task: Task, text: str) -> ParsedAnswer:
    """What ``task.parse`` reads in an answer or target, read once however many measures ask for it."""
    return _parsed_answer(task.name, text)


# A whole KiCad text takes up to a second to read. The size covers 200 sheets, before and after.
@lru_cache(maxsize=1024)
def _parsed_answer(name: str, text: str) -> ParsedAnswer:
    return task_named(name).parse(text)


def predicted_items(row: PredictionRow, task: Task) -> Counter[Item]:
    """The items of the answer as they are judged strictly."""
    return task.normalize(parsed_answer(task, row.prediction).items, loose=False)


def actual_items(row: PredictionRow, task: Task) -> Counter[Item]:
    """The items of the target as they are judged strictly."""
    return task.normalize(parsed_answer(task, row.target).items, loose=False)


def target_answer(task: Task, target: str, id: str) -> ParsedAnswer:
    """What the target says. Raises UserError where it does not parse, as after cutting it short."""
    answer = parsed_answer(task, target)
    if not answer.valid:
        raise UserError(
            f"the {task.name} target of row {id} cannot be judged against ({answer.reason}): "
            "set messages.on_too_long to drop and run `dvc repro`"
        )
    return answer


def target_items(task: Task, targets: list[str]) -> list[Counter[Item]]:
    """The items of each target as they are judged strictly; none where a target does not parse."""
    return [task.normalize(task.parse(target).items, loose=False) for target in targets]

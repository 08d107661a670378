"""Two tuned models side by side: the table, the paired gain, and the sheets that changed most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schematic_reader.cli import UserError
from schematic_reader.io.display import clipped
from schematic_reader.report.gallery import (
    MAX_ITEM_CHARS,
    MAX_TEXT_CHARS,
    item_text,
    judged_list,
)
from schematic_reader.report.pictures import picture_uri
from schematic_reader.report.revisions import Evaluated
from schematic_reader.report.table import comparison_table
from schematic_reader.report.templates import load_template
from schematic_reader.scoring.metrics import gain
from schematic_reader.scoring.predictions import PredictionRow, actual_items, predicted_items
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import Task

MOST = 12
"""Sheets that are shown."""

_TEMPLATE = Path(__file__).with_name("comparison.html")
_NAME_CHARS = 48
_ITEMS = 6  # of a sheet that a line names


@dataclass(frozen=True)
class Changed:
    """A sheet whose score is another one: its row before and after."""

    before: PredictionRow
    after: PredictionRow

    @property
    def change(self) -> float:
        """F1 after minus before."""
        return self.after.f1 - self.before.f1


@dataclass(frozen=True)
class Comparison:
    """Two results on the same sheets.

    Attributes:
        gain: F1 of ``after`` minus that of ``before``, with its interval over paired resamples.
        changed: the sheets whose F1 differs, the largest change first.
        other_answers: the number of sheets with another answer, whether its score changed or not.
    """

    before: Evaluated
    after: Evaluated
    gain: Mapping[str, float]
    changed: list[Changed]
    other_answers: int


def compare(before: Evaluated, after: Evaluated, *, bootstrap_samples: int, seed: int) -> Comparison:
    """Compare two results.

    Raises:
        UserError: they are of different tasks or of different sheets.
    """
    if before.task != after.task:
        raise UserError(
            f"{before.name} has task {before.task} and {after.name} task {after.task}: their answers have "
            "different items, so compare runs of one task"
        )
    pairs = list(zip(before.predictions, after.predictions, strict=False))
    alike = [one.id == other.id and one.target == other.target for one, other in pairs]
    if len(before.predictions) != len(after.predictions) or not all(alike):
        same = {(row.id, row.target) for row in before.predictions}
        same &= {(row.id, row.target) for row in after.predictions}
        raise UserError(
            f"{before.name} and {after.name} were judged on different test sheets or targets "
            f"({len(same)} of {len(before.predictions)} and {len(after.predictions)} are the same): compare "
            "runs with the same data, clean, messages and evaluate.max_sheets"
        )
    changed = [Changed(one, other) for one, other in pairs if one.f1 != other.f1]
    return Comparison(
        before,
        after,
        gain(
            after.predictions,
            before.predictions,
            task=task_named(after.task),
            bootstrap_samples=bootstrap_samples,
            seed=seed,
        ),
        sorted(changed, key=lambda one: (-abs(one.change), one.after.id)),
        sum(one.prediction != other.prediction for one, other in pairs),
    )


def comparison_text(found: Comparison) -> str:
    """The table, and what changed on each of the sheets that changed most, without a final newline."""
    sides = (found.before, found.after)
    table = comparison_table([(side.name, side.metrics) for side in sides], found.gain)
    better = sum(one.change > 0 for one in found.changed)
    summary = (
        f"{found.other_answers} answers differ; F1 is higher on {better} sheets and lower on "
        f"{len(found.changed) - better}"
    )
    task = task_named(found.after.task)
    lines = []
    for one in found.changed[:MOST]:
        name = clipped(" ".join(one.after.name.split()), _NAME_CHARS)
        lines.append(f"{one.before.f1:.3f} to {one.after.f1:.3f}  {name}  {one.after.id[:12]}")
        lines += [f"    {words}: {texts}" for words, texts in _differences(one, task)]
    return "\n".join([table, summary, *lines])


def _differences(one: Changed, task: Task) -> Iterator[tuple[str, str]]:
    """What is otherwise in the later answer, in words, and the items that it is true of."""
    actual = actual_items(one.after, task)
    before, after = (predicted_items(row, task) for row in (one.before, one.after))
    for words, items in (
        ("now found", (after & actual) - (before & actual)),
        ("now missed", (before & actual) - (after & actual)),
        ("now invented", (after - actual) - (before - actual)),
        ("no longer invented", (before - actual) - (after - actual)),
    ):
        if items:
            texts = sorted(clipped(" ".join(item_text(item).split()), _NAME_CHARS) for item in items)
            more = f" and {len(texts) - _ITEMS} more" if len(texts) > _ITEMS else ""
            yield words, ", ".join(texts[:_ITEMS]) + more


def comparison_page(found: Comparison, picture: Callable[[str], bytes | None]) -> str:
    """The page, which opens from disk without a network.

    Args:
        picture: the encoded picture of the sheet with that id, or None where it is not here.
    """
    task = task_named(found.after.task)
    sheets = [
        {
            "after": one.after,
            "change": one.change,
            "picture": None if (data := picture(one.after.id)) is None else picture_uri(data),
            "answers": [(result.name, row, judged_list(row, task)) for result, row in _sides(found, one)],
        }
        for one in found.changed[:MOST]
    ]
    return load_template(_TEMPLATE).render(
        found=found,
        sheets=sheets,
        limits={"item": MAX_ITEM_CHARS, "text": MAX_TEXT_CHARS, "name": _NAME_CHARS},
    )


def _sides(found: Comparison, one: Changed) -> Sequence[tuple[Evaluated, PredictionRow]]:
    return ((found.before, one.before), (found.after, one.after))

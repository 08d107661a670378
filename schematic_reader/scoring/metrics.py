"""All metrics of one model's answers, in the layout that baseline.json and evaluate.json share.

Numbers only, no lists, no times, so that ``dvc metrics diff`` compares every one. A share stands beside the
count that it is a share of (``sheets``, or a count in its group) and is rounded to six digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from schematic_reader.cli import UserError
from schematic_reader.scoring.connectivity import connectivity
from schematic_reader.scoring.interval import f1_interval, gain_interval
from schematic_reader.scoring.precision_recall import Counts, count, exact_match, macro_f1, share, total
from schematic_reader.scoring.predictions import PredictionRow, parsed_answer, target_answer
from schematic_reader.scoring.repeating import repeating
from schematic_reader.tasks.contract import Item, ParsedAnswer, Task
from schematic_reader.tasks.folding import fold

Metrics = dict[str, float | dict[str, float] | dict[str, float | dict[str, float]]]

# The groups of a structured task's items by their kind; ``sheets`` is the number of sheets judged.
_KINDS = {"symbols": "symbol", "labels": "label", "subsheets": "sheet"}

REQUIRED = ("sheets", "precision", "recall", "f1", "f1_low", "f1_high", "exact_match", "loose")
"""Keys that every metrics file of baseline or evaluate has."""


@dataclass(frozen=True, slots=True)
class _JudgedSheet:
    """One sheet: its row, answer and target parsed, and the items of both in the strict reading."""

    row: PredictionRow
    answer: ParsedAnswer
    truth: ParsedAnswer
    predicted: Counter[Item]
    actual: Counter[Item]


def score(
    predictions: Sequence[PredictionRow],
    *,
    task: Task,
    train_items: Iterable[Counter[Item]],
    printed: Mapping[str, AbstractSet[str]],
    bootstrap_samples: int,
    seed: int,
    schematics: Mapping[str, str] | None = None,
) -> Metrics:
    """The metrics of the predictions.

    Args:
        predictions: one row a sheet; the name is its repository.
        task: parses answers and targets.
        train_items: the items of the training targets, for names seen and unseen.
        printed: by row id, the folded texts on the sheet (``printed.printed_text``). A sheet that is not in
            it is left out of ``recall_printed`` and ``recall_unprinted``; without any sheet, so are they.
        bootstrap_samples, seed: of the interval.
        schematics: by row id, KiCad's text of the sheet, where targets and answers have nets
            (``connectivity.has_nets``). A sheet that is not in it is left out of ``nets``.

    Raises:
        UserError: there is no sheet, or a target does not parse.
    """
    sheets = [_judge(row, task) for row in predictions]
    if not sheets:
        raise UserError("no sheet to judge: the test split is empty; raise clean.test and run `dvc repro`")
    strict = [count(sheet.predicted, sheet.actual) for sheet in sheets]
    low, high = f1_interval(
        strict, [row.name for row in predictions], bootstrap_samples=bootstrap_samples, seed=seed
    )
    loose = [
        count(task.normalize(sheet.answer.items, loose=True), task.normalize(sheet.truth.items, loose=True))
        for sheet in sheets
    ]
    top, loose_top = total(strict), total(loose)
    metrics: Metrics = {
        "sheets": len(sheets),
        **_rounded(precision=top.precision, recall=top.recall, f1=top.f1, f1_low=low, f1_high=high),
        **_rounded(macro_f1=macro_f1(strict), exact_match=exact_match(strict)),
        "loose": _rounded(
            precision=loose_top.precision,
            recall=loose_top.recall,
            f1=loose_top.f1,
            macro_f1=macro_f1(loose),
            exact_match=exact_match(loose),
        ),
        "answers": _answers(sheets, top),
        "names": _names(
            sheets, task, {task.name_of(item) for items in train_items for item in items}, printed
        ),
    }
    if any(isinstance(item, tuple) for item in sheets[0].actual):
        metrics |= {group: _of_kind(sheets, kind) for group, kind in _KINDS.items()}
    if schematics is not None:
        metrics["nets"] = connectivity(
            task.name, ((schematics.get(row.id, ""), row.target, row.prediction) for row in predictions)
        )
    return metrics


def gain(
    tuned: Sequence[PredictionRow],
    baseline: Sequence[PredictionRow],
    *,
    task: Task,
    bootstrap_samples: int,
    seed: int,
) -> dict[str, float]:
    """The tuned model's micro F1 minus the baseline's, with its interval over paired bootstrap samples.

    Raises UserError where the two did not answer for the same sheets in the same order.
    """
    if [(row.id, row.target) for row in tuned] != [(row.id, row.target) for row in baseline]:
        raise UserError("baseline and tuned predictions are of different sheets: run `dvc repro`")
    after = [count(sheet.predicted, sheet.actual) for sheet in (_judge(row, task) for row in tuned)]
    before = [count(sheet.predicted, sheet.actual) for sheet in (_judge(row, task) for row in baseline)]
    low, high = gain_interval(
        after, before, [row.name for row in tuned], bootstrap_samples=bootstrap_samples, seed=seed
    )
    return _rounded(f1=total(after).f1 - total(before).f1, f1_low=low, f1_high=high)


def _judge(row: PredictionRow, task: Task) -> _JudgedSheet:
    answer, truth = parsed_answer(task, row.prediction), target_answer(task, row.target, row.id)
    return _JudgedSheet(
        row,
        answer,
        truth,
        task.normalize(answer.items, loose=False),
        task.normalize(truth.items, loose=False),
    )


def _answers(sheets: Sequence[_JudgedSheet], top: Counts) -> dict[str, float]:
    """Shares of valid, invalid, truncated... answers. An empty answer is invalid too."""
    invalid = sum(not sheet.answer.valid for sheet in sheets)
    counts = {
        "valid": len(sheets) - invalid,
        "invalid": invalid,
        "truncated": sum(sheet.row.finish == "length" for sheet in sheets),
        "empty": sum(sheet.answer.reason == "empty" for sheet in sheets),
        "repeating": sum(
            repeating(sheet.row.prediction, sheet.answer.items, sheet.row.target, sheet.truth.items)
            for sheet in sheets
        ),
        "distinct": len({" ".join(sheet.row.prediction.split()) for sheet in sheets}),
    }
    return {
        **_rounded(**{name: share(number, len(sheets)) for name, number in counts.items()}),
        **_rounded(predicted_over_true=share(top.predicted, top.actual)),
        "predicted": top.predicted,
        "true": top.actual,
    }


def _names(
    sheets: Sequence[_JudgedSheet],
    task: Task,
    seen: AbstractSet[str],
    printed: Mapping[str, AbstractSet[str]],
) -> dict[str, float]:
    """Recall by whether training showed the item's name, and by whether the sheet prints it."""
    found: Counter[str] = Counter()
    true: Counter[str] = Counter()
    for sheet in sheets:
        texts = printed.get(sheet.row.id)
        for item, times in sheet.actual.items():
            name = task.name_of(item)
            kinds = ["seen" if name in seen else "unseen"]
            if texts is not None:
                kinds.append("printed" if fold(name) in texts else "unprinted")
            for kind in kinds:
                true[kind] += times
                found[kind] += min(times, sheet.predicted[item])
    names = _recalls(found, true, "seen", "unseen", "unseen_share", true["unseen"])
    if true["printed"] + true["unprinted"]:
        names |= _recalls(found, true, "printed", "unprinted", "printed_share", true["printed"])
    return names


def _recalls(
    found: Counter[str], true: Counter[str], one: str, other: str, share_name: str, part: int
) -> dict[str, float]:
    return {
        f"recall_{one}": round(share(found[one], true[one]), 6),
        f"recall_{other}": round(share(found[other], true[other]), 6),
        share_name: round(share(part, true[one] + true[other]), 6),
        one: true[one],
        other: true[other],
    }


def _of_kind(sheets: Sequence[_JudgedSheet], kind: str) -> dict[str, float]:
    """The micro measures of the items of one kind alone."""
    counts = total(
        count(*(Counter({item: n for item, n in side.items() if item[0] == kind}) for side in sides))
        for sides in ((sheet.predicted, sheet.actual) for sheet in sheets)
    )
    return {
        **_rounded(precision=counts.precision, recall=counts.recall, f1=counts.f1),
        "predicted": counts.predicted,
        "true": counts.actual,
    }


def _rounded(**values: float) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}

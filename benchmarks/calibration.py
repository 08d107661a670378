"""``python -m benchmarks.calibration [PREDICTIONS] [--task json]``: how far stored answers' confidences hold.

Calibrates the confidences of the answers to a structured task, ``data/predictions/tuned.parquet`` if no other
file is named, by the ``calibration.json`` beside them, and records what docs/metrics.md explains under
"Confidence" for names and for parts, with what ``stages.predict`` says of them: how many are marked as
doubtful, and of which sheets it says that they are not readable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.common.results import record
from benchmarks.common.stored_answers import stored_answers
from schematic_reader.cli import UserError, run
from schematic_reader.predict.parts import is_doubtful
from schematic_reader.scoring.confidence import (
    BINS,
    EDGES,
    Calibration,
    JudgedItem,
    calibrated,
    confidence_metrics,
    fit_platt,
    judged_items,
    judged_parts,
    reliability,
)
from schematic_reader.scoring.interval import LEVEL, bootstrap_weights
from schematic_reader.scoring.precision_recall import share


def main() -> None:
    """Record one line."""
    answers = stored_answers("benchmarks.calibration", (__doc__ or "").splitlines()[0])
    beside = answers.file.with_name("calibration.json")
    fitted = Calibration.read(beside)
    if fitted.parts is None:
        raise UserError(
            f"{beside} has no parts: it is of another task: put the one there that evaluate wrote with these "
            "answers"
        )
    repositories = [row.name for row in answers.rows]
    names = [judged_items([row], answers.task) for row in answers.rows]
    parts = [judged_parts([row], answers.task) for row in answers.rows]
    if not (any(names) and any(parts)):
        raise UserError(
            f"the answers in {answers.file} name no part that has a confidence: they record none, as those "
            "of a beam search: set evaluate.num_beams to 1 and run `dvc repro evaluate`"
        )
    samples, seed = answers.params.evaluate.bootstrap_samples, answers.params.seed
    record(
        "calibration",
        answers.variant,
        sheets=len(answers.rows),
        names=judged_confidences(names, repositories, fitted, bootstrap_samples=samples, seed=seed),
        parts=judged_confidences(parts, repositories, fitted.parts, bootstrap_samples=samples, seed=seed),
        not_readable=not_readable(parts, fitted.parts),
    )


def judged_confidences(
    by_sheet: Sequence[Sequence[JudgedItem]],
    repositories: Sequence[str],
    calibration: Calibration,
    *,
    bootstrap_samples: int,
    seed: int,
) -> dict[str, float]:
    """The metrics of confidence, and more, of the items of each sheet.

    ``ece_low`` and ``ece_high`` are the ends of the interval at 95 % of the calibration error over resampled
    repositories. The error is a sum of absolute differences, to which noise adds: the interval tends to lie
    above it rather than around it. ``refitted_ece`` is that of a curve fitted to these very items, less than
    can be expected of any calibration of that kind that has not seen them. ``auc`` is the area under the ROC
    curve, ``doubtful`` the share that is marked so, ``doubtful_right`` and ``others_right`` are the shares
    of either side that are right.

    Args:
        by_sheet: raw confidences, and whether each is right, one sequence a sheet, as ``repositories``.
    """
    items = [item for sheet in by_sheet for item in sheet]
    sure_by_sheet = [calibrated(sheet, calibration) for sheet in by_sheet]
    sure = [item for sheet in sure_by_sheet for item in sheet]
    doubtful = [right for confidence, right in sure if is_doubtful(confidence, calibrated=True)]
    others = [right for confidence, right in sure if not is_doubtful(confidence, calibrated=True)]
    errors = _resampled_errors(sure_by_sheet, repositories, bootstrap_samples, seed)
    low, high = np.percentile(errors, LEVEL)
    found: dict[str, float] = confidence_metrics(items, calibration)
    rounded = {
        "ece_low": float(low),
        "ece_high": float(high),
        "refitted_ece": confidence_metrics(items, fit_platt(items))["ece"],
        "doubtful": share(len(doubtful), len(items)),
        "doubtful_right": share(sum(doubtful), len(doubtful)),
        "others_right": share(sum(others), len(others)),
    }
    if len({right for _, right in items}) == 2:
        rounded["auc"] = float(
            roc_auc_score([right for _, right in items], [confidence for confidence, _ in sure])
        )
    return found | {name: round(value, 6) for name, value in rounded.items()}


def _resampled_errors(
    by_sheet: Sequence[Sequence[JudgedItem]], repositories: Sequence[str], bootstrap_samples: int, seed: int
) -> NDArray[np.float64]:
    """The calibration error of each bootstrap sample of repositories, shape (bootstrap_samples,)."""
    names, group = np.unique(repositories, return_inverse=True)
    gaps = np.zeros((len(names), BINS))  # of each repository and bin: the confidences, less what is right
    items = np.zeros(len(names))
    for one, sheet in zip(group, by_sheet, strict=True):
        for mean, right, number in reliability(sheet):
            gaps[one, np.searchsorted(EDGES, mean)] += (mean - right) * number
            items[one] += number
    weights = bootstrap_weights(len(names), bootstrap_samples=bootstrap_samples, seed=seed)
    drawn = weights @ items
    return np.divide(np.abs(weights @ gaps).sum(axis=1), drawn, out=np.zeros(len(drawn)), where=drawn > 0)


def not_readable(parts: Sequence[Sequence[JudgedItem]], calibration: Calibration) -> dict[str, Any]:
    """Of the sheets with parts those that are said not to be readable (``predict.parts.Reading.readable``).

    Returns:
        ``sheets``, and ``parts`` that their answers name, ``right`` of which are there.
    """
    found = [
        sheet
        for sheet in parts
        if sheet
        and all(is_doubtful(confidence, calibrated=True) for confidence, _ in calibrated(sheet, calibration))
    ]
    return {
        "sheets": len(found),
        "parts": sum(map(len, found)),
        "right": sum(right for sheet in found for _, right in sheet),
    }


if __name__ == "__main__":
    run(main)

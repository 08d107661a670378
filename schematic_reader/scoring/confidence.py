"""Confidence of each named item, and its calibration (Platt scaling).

The raw confidence of an item is the geometric mean of the probabilities of its tokens. Token probabilities
are over- or under-confident, so they are calibrated on answers for validation sheets by Platt scaling
(Probabilistic Outputs for Support Vector Machines, 1999): two parameters that a few hundred items determine,
where isotonic regression would overfit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schematic_reader.cli import UserError
from schematic_reader.io.files import read_json, write_json
from schematic_reader.scoring.precision_recall import share
from schematic_reader.scoring.predictions import PredictionRow, actual_items, parsed_answer
from schematic_reader.tasks.answer_tokens import EPS, geometric_mean, span_tokens
from schematic_reader.tasks.contract import Item, Task

BINS = 10
"""Of equal width, each with its upper end: Guo et al., On Calibration of Modern Neural Networks, 2017."""

_EDGES = np.linspace(0, 1, BINS + 1)[1:-1]

_MAX_LOGIT = 9.0
"""Logits are clipped to ±9, that is probabilities to 0.0001 and 0.9999."""

_POINTS = 73
"""Points of the stored curve, evenly spaced in logits."""

JudgedItem = tuple[float, bool]
"""The confidence of one item of an answer, and whether it is right."""


def item_confidences(
    task: Task, text: str, ends: Sequence[int], probabilities: Sequence[float]
) -> dict[Item, float]:
    """The raw confidence, from 0 to 1, of each item of an answer, in the order of the answer.

    The tokens of an item are those of its name and the one after it (a comma or the end of the turn), which
    ends the name: ``R`` might have gone on as ``R_Small``. Of an item that occurs twice the first counts.

    Args:
        text: the answer; what is not valid has no items.
        ends: for each token, the number of characters of ``text`` up to its end, as
            ``tasks.contract.ModelAnswer``.
        probabilities: of each token, given all before it; empty where generation did not record them.

    Returns:
        Empty for the structured tasks, which give no item positions.
    """
    found: dict[Item, float] = {}
    if not probabilities or not parsed_answer(task, text).valid:
        return found
    for item, first, last in task.spans(text):
        confidence = span_confidence(ends, probabilities, first, last)
        if item not in found and confidence is not None:
            found[item] = confidence
    return found


def span_confidence(
    ends: Sequence[int], probabilities: Sequence[float], first: int, last: int
) -> float | None:
    """The geometric mean of the probabilities of the tokens of a span of an answer, and of the one after it.

    Args:
        ends, probabilities: as ``item_confidences``.
        first, last: index of the span's first character, and of the one after its last.

    Returns:
        None where there is no such token.
    """
    chosen = probabilities[span_tokens(ends, (first, last))]
    return geometric_mean(chosen) if chosen else None


@dataclass(frozen=True)
class Calibration:
    """From a raw confidence to the share of such items that are right.

    ``points`` are (raw, right) in ascending order, between which it is linear and beyond which it is flat.
    ``items`` is how many items it was fitted on; with 0 it leaves a confidence as it is.
    """

    points: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 1.0))
    items: int = 0

    def confidence(self, raw: float) -> float:
        """The probability, from 0 to 1, that an item of this raw confidence is right."""
        raws, rights = zip(*self.points, strict=True)
        return float(np.interp(raw, raws, rights))

    def write(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        points = [{"raw": raw, "right": right} for raw, right in self.points]
        write_json(path, {"items": self.items, "points": points})

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """What ``write`` wrote.

        Raises:
            UserError: the file is missing or holds something else.
        """
        value = read_json(path, "evaluate")
        try:
            points = tuple((float(point["raw"]), float(point["right"])) for point in value["points"])
            items = int(value["items"])
        except (KeyError, TypeError, ValueError):
            points, items = (), 0
        numbers = [number for point in points for number in point]
        if not points or list(points) != sorted(points) or not all(0 <= number <= 1 for number in numbers):
            raise UserError(f"{path} holds no calibration: delete it and run `dvc repro evaluate`")
        return cls(points, items)


def fit_platt(judged: Sequence[JudgedItem]) -> Calibration:
    """The calibration of these items; without any, one that changes nothing.

    A logistic curve on the logit of the raw confidence, fitted to Platt's targets: (n + 1) / (n + 2) of n
    right items, 1 / (n + 2) of n wrong ones, so that a few items that were all right make none certain. A
    negative slope (more confident items are right less often) is replaced by a constant.
    """
    if not judged:
        return Calibration()
    from sklearn.linear_model import LogisticRegression  # applying a calibration needs no scikit-learn

    logits = _logit(np.array([raw for raw, _ in judged]))
    right = np.array([right for _, right in judged])
    number = int(right.sum())
    targets = np.where(right, (number + 1) / (number + 2), 1 / (len(judged) - number + 2))
    # A target between 0 and 1 is that much of a right item and the rest of a wrong one.
    model = LogisticRegression(C=np.inf, max_iter=1000).fit(
        np.concatenate([logits, logits])[:, None],
        np.repeat([1, 0], len(judged)),
        sample_weight=np.concatenate([targets, 1 - targets]),
    )
    slope, level = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope < 0:
        slope, level = 0.0, float(_logit(targets.mean()))
    raws = 1 / (1 + np.exp(-np.linspace(-_MAX_LOGIT, _MAX_LOGIT, _POINTS)))
    rights = 1 / (1 + np.exp(-(slope * _logit(raws) + level)))
    points = zip(raws.round(6).tolist(), np.clip(rights, 1e-6, 1 - 1e-6).round(6).tolist(), strict=True)
    return Calibration(tuple(points), len(judged))


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log of the odds, at most ``_MAX_LOGIT`` either way."""
    odds = np.log(np.maximum(probability, EPS)) - np.log(np.maximum(1 - probability, EPS))
    return np.asarray(np.clip(odds, -_MAX_LOGIT, _MAX_LOGIT), dtype=np.float64)


def judged_items(rows: Iterable[PredictionRow], task: Task) -> list[JudgedItem]:
    """Each item that the answers name: its raw confidence, and whether the sheet has it (strictly)."""
    return [
        (raw, item in actual)
        for row in rows
        for actual in [actual_items(row, task)]
        for item, raw in item_confidences(task, row.prediction, row.ends, row.probabilities).items()
    ]


def calibrated(judged: Iterable[JudgedItem], calibration: Calibration) -> list[JudgedItem]:
    return [(calibration.confidence(raw), right) for raw, right in judged]


def reliability(judged: Sequence[JudgedItem]) -> list[tuple[float, float, int]]:
    """For each bin that has items: their mean confidence, the share that is right, and their number."""
    bins: dict[int, list[JudgedItem]] = {}
    for one in judged:
        bins.setdefault(int(np.searchsorted(_EDGES, one[0])), []).append(one)
    return [
        (sum(raw for raw, _ in part) / len(part), sum(right for _, right in part) / len(part), len(part))
        for _, part in sorted(bins.items())
    ]


def confidence_metrics(judged: Sequence[JudgedItem], calibration: Calibration) -> dict[str, float]:
    """How good the confidences of these items are, as they are (``raw_``) and calibrated.

    ``ece`` is the expected calibration error: how far confidence and share right lie apart, on average over
    items in ``BINS`` bins. ``brier`` is the mean squared difference of confidence and outcome (Brier 1950).
    Without a calibration only the raw ones are there.
    """
    sides = {"raw_": list(judged)}
    if calibration.items:
        sides[""] = calibrated(judged, calibration)
    values = {"right": share(sum(right for _, right in judged), len(judged))}
    for prefix, side in sides.items():
        gaps = sum(abs(mean - right) * number for mean, right, number in reliability(side))
        squares = sum((confidence - right) ** 2 for confidence, right in side)
        values |= {
            f"{prefix}mean": share(sum(confidence for confidence, _ in side), len(side)),
            f"{prefix}ece": share(gaps, len(side)),
            f"{prefix}brier": share(squares, len(side)),
        }
    counts = {"items": len(judged), "calibration_items": calibration.items}
    return counts | {name: round(value, 6) for name, value in values.items()}

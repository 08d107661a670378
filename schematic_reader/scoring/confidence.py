"""Confidence of each named item, and its calibration (Platt scaling).

The raw confidence of a name is the geometric mean of the probabilities of its tokens, that of a placed
symbol their product (``symbol_confidence``); that of a part counts the other parts of its sheet too. Token
probabilities are over- or under-confident, so they are calibrated on answers for validation sheets by Platt
scaling (Probabilistic Outputs for Support Vector Machines, 1999): two parameters that a few hundred items
determine, where isotonic regression would overfit.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from schematic_reader.cli import UserError
from schematic_reader.io.files import read_json, write_json
from schematic_reader.scoring.precision_recall import share
from schematic_reader.scoring.predictions import PredictionRow, actual_items, parsed_answer
from schematic_reader.scoring.symbol_confidence import (
    MAX_LOGIT,
    log_odds,
    name_confidences,
    part_confidences,
    symbols_with_confidences,
    weighed_by_sheet,
)
from schematic_reader.tasks.answer_tokens import geometric_mean, span_tokens
from schematic_reader.tasks.contract import Item, Task
from schematic_reader.tasks.description import DescriptionTask

BINS = 10
"""Of equal width, each with its upper end: Guo et al., On Calibration of Modern Neural Networks, 2017."""

EDGES = np.linspace(0, 1, BINS + 1)[1:-1]
"""Upper ends of all bins but the last: by ``np.searchsorted`` the bin of a confidence."""

_POINTS = 73
"""Points of the stored curve, evenly spaced in logits."""

JudgedItem = tuple[float, bool]
"""The confidence of one item of an answer, and whether it is right."""


def item_confidences(
    task: Task, text: str, ends: Sequence[int], probabilities: Sequence[float]
) -> dict[Item, float]:
    """The raw confidence, from 0 to 1, of each name in an answer, in the order of the answer.

    The tokens of a name are its own and the one after it (a comma or the end of the turn), which ends the
    name: ``R`` might have gone on as ``R_Small``. Of a name that occurs twice the first counts. In a
    structured task the names are those of library symbols, with the confidence of a symbol that is called so.

    Args:
        text: the answer; what is not valid has no items, but where symbols before a cut can be read.
        ends: for each token, the number of characters of ``text`` up to its end, as
            ``tasks.contract.ModelAnswer``.
        probabilities: of each token, given all before it; empty where generation did not record them.
    """
    if isinstance(task, DescriptionTask):
        return dict(name_confidences(symbols_with_confidences(task, text, ends, probabilities)).items())
    found: dict[Item, float] = {}
    if not probabilities or not parsed_answer(task, text).valid:
        return found
    for item, first, last in task.spans(text):
        chosen = probabilities[span_tokens(ends, (first, last))]
        if item not in found and chosen:
            found[item] = geometric_mean(chosen)
    return found


@dataclass(frozen=True)
class Calibration:
    """From a raw confidence to the share of such items that are right.

    ``points`` are (raw, right) in ascending order, between which it is linear and beyond which it is flat.
    ``items`` is how many items it was fitted on; with 0 it leaves a confidence as it is. It is that of names;
    ``parts`` is that of a structured task's parts, of reference and value together.
    """

    points: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 1.0))
    items: int = 0
    parts: Calibration | None = None

    def confidence(self, raw: float) -> float:
        """The probability, from 0 to 1, that an item of this raw confidence is right."""
        raws, rights = zip(*self.points, strict=True)
        return float(np.interp(raw, raws, rights))

    def write(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        write_json(path, self._stored())

    def _stored(self) -> dict[str, Any]:
        points = [{"raw": raw, "right": right} for raw, right in self.points]
        stored: dict[str, Any] = {"items": self.items, "points": points}
        return stored if self.parts is None else stored | {"parts": self.parts._stored()}

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """What ``write`` wrote.

        Raises:
            UserError: the file is missing or holds something else.
        """
        value = read_json(path, "evaluate")
        try:
            found = cls._checked(value)
            return replace(found, parts=cls._checked(value["parts"])) if "parts" in value else found
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path} holds no calibration: delete it and run `dvc repro evaluate`") from None

    @classmethod
    def _checked(cls, value: Any) -> Calibration:
        """Raises KeyError, TypeError or ValueError where it is none."""
        points = tuple((float(point["raw"]), float(point["right"])) for point in value["points"])
        numbers = [number for point in points for number in point]
        if not points or list(points) != sorted(points) or not all(0 <= number <= 1 for number in numbers):
            raise ValueError("no ascending points between 0 and 1")
        return cls(points, int(value["items"]))


def fit_calibration(rows: Iterable[PredictionRow], task: Task) -> Calibration:
    """The calibration of the names that the answers say, and of a structured task's parts."""
    answers = list(rows)
    names = fit_platt(judged_items(answers, task))
    parts = judged_parts(answers, task) if isinstance(task, DescriptionTask) else []
    return replace(names, parts=fit_platt(parts) if parts else None)


def fit_platt(judged: Sequence[JudgedItem]) -> Calibration:
    """The calibration of these items; without any, one that changes nothing.

    A logistic curve on the logit of the raw confidence, fitted to Platt's targets: (n + 1) / (n + 2) of n
    right items, 1 / (n + 2) of n wrong ones, so that a few items that were all right make none certain. A
    negative slope (more confident items are right less often) is replaced by a constant.
    """
    if not judged:
        return Calibration()
    from sklearn.linear_model import LogisticRegression  # applying a calibration needs no scikit-learn

    logits = np.array([log_odds(raw) for raw, _ in judged])
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
        slope, level = 0.0, log_odds(float(targets.mean()))
    raws = 1 / (1 + np.exp(-np.linspace(-MAX_LOGIT, MAX_LOGIT, _POINTS)))
    rights = 1 / (1 + np.exp(-(slope * np.array([log_odds(raw) for raw in raws]) + level)))
    points = zip(raws.round(6).tolist(), np.clip(rights, 1e-6, 1 - 1e-6).round(6).tolist(), strict=True)
    return Calibration(tuple(points), len(judged))


def judged_items(rows: Iterable[PredictionRow], task: Task) -> list[JudgedItem]:
    """Each name that the answers say: its raw confidence, and whether the sheet has it (strictly).

    In a structured task that is each library symbol's name, whatever its references and values.
    """
    return [
        (raw, item in actual)
        for row in rows
        for actual in [_actual_names(row, task)]
        for item, raw in item_confidences(task, row.prediction, row.ends, row.probabilities).items()
    ]


def judged_parts(rows: Iterable[PredictionRow], task: DescriptionTask) -> list[JudgedItem]:
    """Each part that the answers say: its raw confidence, weighed by its sheet's, and whether it is there.

    It is right where a part of the sheet has its reference and its value, whatever its library symbol.
    """
    return [
        (raw, part in actual)
        for row in rows
        for actual in [{(symbol.reference, symbol.value) for symbol in task.symbols(row.target)}]
        for symbols in [symbols_with_confidences(task, row.prediction, row.ends, row.probabilities)]
        for part, raw in part_confidences(weighed_by_sheet(symbols)).items()
    ]


def _actual_names(row: PredictionRow, task: Task) -> Container[Item]:
    if isinstance(task, DescriptionTask):
        return {symbol.name for symbol in task.symbols(row.target)}
    return actual_items(row, task)


def calibrated(judged: Iterable[JudgedItem], calibration: Calibration) -> list[JudgedItem]:
    return [(calibration.confidence(raw), right) for raw, right in judged]


def reliability(judged: Sequence[JudgedItem]) -> list[tuple[float, float, int]]:
    """For each bin that has items: their mean confidence, the share that is right, and their number."""
    bins: dict[int, list[JudgedItem]] = {}
    for one in judged:
        bins.setdefault(int(np.searchsorted(EDGES, one[0])), []).append(one)
    return [
        (sum(raw for raw, _ in part) / len(part), sum(right for _, right in part) / len(part), len(part))
        for _, part in sorted(bins.items())
    ]


def confidence_groups(
    rows: Sequence[PredictionRow], task: Task, calibration: Calibration
) -> dict[str, dict[str, float]]:
    """``confidence``, of the names that the answers say, and of a structured task ``confidence_parts``.

    A group without items is left out.
    """
    groups = {"confidence": (judged_items(rows, task), calibration)}
    if isinstance(task, DescriptionTask):
        groups["confidence_parts"] = (judged_parts(rows, task), calibration.parts or Calibration())
    return {name: confidence_metrics(judged, fitted) for name, (judged, fitted) in groups.items() if judged}


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

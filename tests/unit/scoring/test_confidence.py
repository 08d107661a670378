"""How sure a model is of an item, and what that is worth."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from schematic_reader.cli import UserError
from schematic_reader.scoring.confidence import (
    BINS,
    Calibration,
    confidence_metrics,
    fit_platt,
    item_confidences,
    judged_items,
    reliability,
)
from schematic_reader.scoring.predictions import prediction_row
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import ModelAnswer

COMPONENTS = task("components")


def tokens(*pieces: str) -> tuple[str, list[int]]:
    """The text of these tokens and where each ends."""
    text = "".join(pieces)
    return text, [len("".join(pieces[: i + 1])) for i in range(len(pieces))]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        # A name counts with the comma behind it, the last one with the end of the turn.
        (("R", "_", "Small", ",", " C", ""), {"R_Small": (0, 1, 2, 3), "C": (4, 5)}),
        # One token may hold several names; an answer that was cut has no end of the turn.
        (("R, ", "C, L"), {"R": (0,), "C": (1,), "L": (1,)}),
        (("- ", "R", "\n", "- ", "C", ""), {"R": (1, 2), "C": (4, 5)}),
        (("```", "\n", "R", ",", "C", "\n", "```", ""), {"R": (2, 3), "C": (4, 5)}),
        (('"', "a", ",", "b", '"', ",", "C", ""), {"a,b": (1, 2, 3, 4), "C": (6, 7)}),
        (("[", "R", ",", "C", "]", ""), {"R": (1, 2), "C": (3, 4)}),
        # Said twice, it counts where it is first.
        (("R", ",", "C", ",", "R", ""), {"R": (0, 1), "C": (2, 3)}),
    ],
)
def test_the_tokens_of_an_item(pieces: tuple[str, ...], expected: dict[str, tuple[int, ...]]) -> None:
    text, ends = tokens(*pieces)
    probabilities = [0.9 - 0.1 * i for i in range(len(ends))]
    found = item_confidences(COMPONENTS, text, ends, probabilities)
    assert list(found) == list(expected)
    for item, chosen in expected.items():
        product = math.prod(probabilities[i] for i in chosen)
        assert found[item] == pytest.approx(product ** (1 / len(chosen)))


def test_no_confidence_without_probabilities_items_or_places() -> None:
    assert item_confidences(COMPONENTS, "R, C", [], []) == {}
    assert item_confidences(COMPONENTS, "R\0", [1, 2], [0.5, 0.5]) == {}
    assert item_confidences(task("json"), '{"labels":["A"]}', [16], [0.5]) == {}


def test_a_probability_that_was_rounded_to_nothing_leaves_a_number() -> None:
    found = item_confidences(COMPONENTS, "R", [1], [0.0])
    assert 0 < found["R"] < 1e-6


def drawn(count: int, seed: int) -> list[tuple[float, bool]]:
    """Items of a model that is too sure of itself: right less often than it says."""
    rng = Random(seed)
    raw = [rng.random() for _ in range(count)]
    return [(value, rng.random() < value**2) for value in raw]


def test_the_points_are_those_of_platts_curve() -> None:
    """Newton's method on Platt's objective, in float64."""
    judged = drawn(300, 1)
    raw, right = (np.array(side, dtype=float) for side in zip(*judged, strict=True))
    features = np.stack([np.log(raw / (1 - raw)), np.ones(300)])
    targets = np.where(right > 0, (right.sum() + 1) / (right.sum() + 2), 1 / (300 - right.sum() + 2))
    weights = np.zeros(2)
    for _ in range(50):
        said = 1 / (1 + np.exp(-weights @ features))
        curvature = features * (said * (1 - said)) @ features.T
        weights -= np.linalg.solve(curvature, features @ (said - targets))
    calibration = fit_platt(judged)
    for value in np.linspace(0.001, 0.999, 101):
        expected = 1 / (1 + np.exp(-weights @ np.array([np.log(value / (1 - value)), 1])))
        assert calibration.confidence(float(value)) == pytest.approx(expected, abs=2e-3)
    assert calibration.items == 300


def test_being_surer_never_counts_against_an_item() -> None:
    """Where the sure ones are wrong, all are as likely as they are on average."""
    calibration = fit_platt([(0.9, False), (0.95, False), (0.2, True), (0.3, True)])
    assert {calibration.confidence(raw) for raw in (0.0, 0.2, 0.9, 1.0)} == {0.5}


@settings(deadline=None)  # the first example imports scikit-learn
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_more_confident_is_never_less_likely_and_nothing_is_certain(
    judged: list[tuple[float, bool]], one: float, other: float
) -> None:
    calibration = fit_platt(judged)
    low, high = (calibration.confidence(raw) for raw in sorted((one, other)))
    assert low <= high
    if judged:
        assert low > 0 and high < 1
    else:
        assert (low, high) == tuple(sorted((one, other)))


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    calibration = fit_platt(drawn(50, 2))
    calibration.write(tmp_path / "calibration.json")
    assert Calibration.read(tmp_path / "calibration.json") == calibration


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"items": 1, "points": []},
        {"items": 1, "points": [{"raw": 0.5}]},
        {"items": 1, "points": [{"raw": 0.5, "right": 0.1}, {"raw": 0.4, "right": 0.2}]},
        {"items": 1, "points": [{"raw": 0.5, "right": 7.0}]},
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, value: object) -> None:
    path = tmp_path / "calibration.json"
    with pytest.raises(UserError, match="calibration.json is missing: run `dvc repro evaluate`"):
        Calibration.read(path)
    path.write_text(json.dumps(value))
    with pytest.raises(UserError, match="holds no calibration: delete it and run"):
        Calibration.read(path)


def test_measures_equal_scikit_learns() -> None:
    judged, calibration = drawn(500, 3), fit_platt(drawn(500, 4))
    found = confidence_metrics(judged, calibration)
    raw, right = (np.array(side, dtype=float) for side in zip(*judged, strict=True))
    for prefix, said in (
        ("raw_", raw),
        ("", np.array([calibration.confidence(value) for value in raw])),
    ):
        assert found[f"{prefix}brier"] == pytest.approx(brier_score_loss(right, said), abs=1e-6)
        share, mean = calibration_curve(right, said, n_bins=BINS)
        number = np.bincount(np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], said))
        error = float(np.abs(share - mean) @ number[number > 0] / len(said))
        assert found[f"{prefix}ece"] == pytest.approx(error, abs=1e-6)
    assert found["ece"] < found["raw_ece"]
    assert (found["items"], found["calibration_items"]) == (500, 500)


def test_without_a_calibration_the_raw_confidences_stand_alone() -> None:
    found = confidence_metrics([(1.0, True), (0.5, False)], Calibration())
    assert found == {
        "items": 2, "calibration_items": 0, "right": 0.5,
        "raw_mean": 0.75, "raw_ece": 0.25, "raw_brier": 0.125,
    }  # fmt: skip
    assert confidence_metrics([], Calibration())["raw_ece"] == 0.0


def test_bins_by_hand() -> None:
    judged = [(0.0, False), (0.05, True), (0.95, True), (1.0, True), (0.5, False)]
    assert reliability(judged) == [(0.025, 0.5, 2), (0.5, 0.0, 1), (0.975, 1.0, 2)]


def test_items_are_judged_strictly() -> None:
    text, ends = tokens("R", ",", "r", "")
    row = prediction_row(
        COMPONENTS,
        {"id": "1", "name": "o/r", "prompt": "", "target": "R"},
        ModelAnswer(text, 3, "stop", ends, [0.9, 0.9, 0.4, 0.4]),
    )
    assert [(round(raw, 6), right) for raw, right in judged_items([row], COMPONENTS)] == [
        (0.9, True), (0.4, False)
    ]  # fmt: skip

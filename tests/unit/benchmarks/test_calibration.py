"""How far the confidences of stored answers hold, with an interval over repositories."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import calibration
from benchmarks.calibration import judged_confidences, not_readable
from benchmarks.common import results
from schematic_reader.cli import UserError
from schematic_reader.io.tables import PREDICTIONS, iterate_rows, write_rows
from schematic_reader.scoring.confidence import Calibration, JudgedItem, confidence_metrics
from tests.support.predicted_sheet import write_predicted_sheet

AS_IT_IS = Calibration(items=1)
SURE = [(0.9, True)] * 9 + [(0.9, False)]
UNSURE = [(0.3, True)] * 1 + [(0.3, False)] * 4


def found(
    by_sheet: list[list[JudgedItem]], repositories: list[str], bootstrap_samples: int = 200
) -> dict[str, float]:
    return judged_confidences(by_sheet, repositories, AS_IT_IS, bootstrap_samples=bootstrap_samples, seed=1)


def test_items_of_either_side_of_doubt_are_counted() -> None:
    metrics = found([SURE, UNSURE], ["a", "b"])
    assert metrics["doubtful"] == pytest.approx(5 / 15, abs=1e-6)
    assert (metrics["doubtful_right"], metrics["others_right"]) == (0.2, 0.9)
    assert metrics["ece"] == pytest.approx(5 * 0.1 / 15, abs=1e-6)
    assert metrics["auc"] == pytest.approx((9 * (4 + 1 / 2) + 1 * 4 / 2) / (10 * 5))


def test_a_curve_fitted_to_the_items_themselves_has_a_smaller_error() -> None:
    too_sure = [(0.9, one < 50) for one in range(100)] + [(0.6, one < 20) for one in range(100)]
    metrics = found([too_sure], ["a"])
    assert metrics["ece"] == pytest.approx(0.4)
    assert metrics["refitted_ece"] < 0.02


def test_the_interval_is_that_of_resampled_repositories() -> None:
    rng = np.random.default_rng(3)
    sheets = [
        [(float(raw), bool(rng.random() < raw**power)) for raw in rng.random(20)]
        for power in (0.3, 0.5, 1, 1, 2, 4)
    ]
    repositories = ["a", "a", "b", "c", "d", "d"]
    metrics = found(sheets, repositories, 4000)
    groups = [sheets[0] + sheets[1], sheets[2], sheets[3], sheets[4] + sheets[5]]
    errors = [
        confidence_metrics([item for one in drawn for item in groups[one]], AS_IT_IS)["ece"]
        for drawn in rng.integers(4, size=(4000, 4))
    ]
    low, high = np.percentile(errors, (2.5, 97.5))
    assert (metrics["ece_low"], metrics["ece_high"]) == (
        pytest.approx(low, abs=0.005),
        pytest.approx(high, abs=0.005),
    )
    alone = found(sheets, ["a"] * 6)
    assert alone["ece_low"] == alone["ece_high"] == pytest.approx(alone["ece"], abs=1e-6)


def test_items_that_are_all_right_have_no_area_under_the_curve() -> None:
    assert "auc" not in found([[(0.9, True)]], ["a"])


def test_a_sheet_is_not_readable_whose_parts_are_all_doubtful() -> None:
    assert not_readable([SURE, UNSURE, [], [*UNSURE, (0.5, True)]], AS_IT_IS) == {
        "sheets": 1,
        "parts": 5,
        "right": 1,
    }


def predicted(folder: Path, parts: Calibration | None, *, recorded: bool = True) -> Path:
    """A folder with one right answer whose tokens are its characters, and the calibration beside it."""
    write_predicted_sheet(folder)
    answers = folder / "data" / "predictions" / "tuned.parquet"
    (row,) = iterate_rows([answers])
    length = len(row["prediction"]) if recorded else 0
    row |= {"ends": list(range(1, length + 1)), "probabilities": [0.999] * length}
    write_rows(answers, PREDICTIONS, [row])
    Calibration(items=7, parts=parts).write(answers.with_name("calibration.json"))
    return answers


def recorded_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(results, "RESULTS", folder / "results.jsonl")
    monkeypatch.setattr("sys.argv", ["calibration", "--task", "json"])
    with chdir(folder):
        calibration.main()
    line: dict[str, Any] = json.loads((folder / "results.jsonl").read_text())
    return line


def test_a_line_of_results_has_names_and_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predicted(tmp_path, Calibration(((0.0, 0.5), (1.0, 0.5)), items=9))
    line = recorded_line(tmp_path, monkeypatch)
    assert (line["benchmark"], line["sheets"]) == ("calibration", 1)
    assert (line["names"]["right"], line["names"]["calibration_items"]) == (1, 7)
    assert line["names"]["ece"] == pytest.approx(1 - line["names"]["mean"], abs=1e-5)
    assert (line["parts"]["mean"], line["parts"]["ece"], line["parts"]["calibration_items"]) == (0.5, 0.5, 9)
    assert line["parts"]["items"] > 3
    assert line["not_readable"] == {"sheets": 0, "parts": 0, "right": 0}


@pytest.mark.parametrize(
    ("parts", "recorded", "says"),
    [
        (None, True, "calibration.json has no parts: it is of another task"),
        (AS_IT_IS, False, "name no part that has a confidence: they record none"),
    ],
)
def test_what_cannot_be_judged_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: Calibration | None, recorded: bool, says: str
) -> None:
    predicted(tmp_path, parts, recorded=recorded)
    with pytest.raises(UserError, match=says):
        recorded_line(tmp_path, monkeypatch)

"""The no-image control: answers without the pictures, beside those with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schematic_reader.config import load_params
from schematic_reader.io.tables import CLEAN, MESSAGES, write_rows
from schematic_reader.report.table import result_table
from schematic_reader.scoring.evaluation import evaluate_model
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import ModelAnswer
from schematic_reader.tasks.messages import chat
from tests.support.paths import ROOT

TARGETS = ["R, C", "R, GND", "LM358"]


def answer(rows: list[dict[str, Any]], *, with_image: bool) -> Sequence[ModelAnswer]:
    """Reads all but the second sheet rightly; without the picture it always says R and C."""
    texts = [row["target"] for row in rows] if with_image else ["R, C"] * len(rows)
    return [
        ModelAnswer("R, C" if row["id"] == "1" else text, 3, "stop")
        for row, text in zip(rows, texts, strict=True)
    ]


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    found = [
        {
            "id": str(i),
            "name": f"o/{i}",
            "part": "part-00.parquet",
            "row": i,
            "prompt": "Which?",
            "target": target,
            "messages": chat("Which?", target),
        }
        for i, target in enumerate(TARGETS)
    ]
    write_rows(tmp_path / "train.parquet", MESSAGES, found[:1])
    clean = [dict.fromkeys(CLEAN.names, None) | {"id": str(i)} for i in range(3)]
    write_rows(tmp_path / "test" / "part-00.parquet", CLEAN, clean)
    return found


def evaluated(folder: Path, rows: list[dict[str, Any]], no_image_sheets: int) -> dict[str, Any]:
    settings = replace(
        load_params(ROOT / "params.yaml").evaluate, no_image_sheets=no_image_sheets, bootstrap_samples=10
    )
    _, metrics = evaluate_model(
        answer,
        rows,
        task=task("components"),
        form="compact",
        settings=settings,
        messages=folder,
        clean=folder,
        seed=1,
    )
    return metrics


def test_the_control_by_hand(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    metrics = evaluated(tmp_path, rows, 2)
    # Without: R and C for both: 2 + 1 found of 4 predicted and 4 true. With: the same two answers.
    assert metrics["no_image"] == {
        "sheets": 2,
        "precision": 0.75,
        "recall": 0.75,
        "f1": 0.75,
        "with_image_f1": 0.75,
        "image_gain": 0.0,
        "image_gain_low": 0.0,
        "image_gain_high": 0.0,
        "unchanged": 1.0,
    }
    # With the third sheet, 3 of 6 and 5; the picture finds that too: 4 of 5 and 5, in another answer.
    found = evaluated(tmp_path, rows, 99)["no_image"]
    # The picture helps on the third sheet's repository alone: not at all in samples without it.
    assert found.pop("image_gain_low") == 0.0 and found.pop("image_gain_high") > 0.3
    assert found == {
        "sheets": 3,
        "precision": 0.5,
        "recall": 0.6,
        "f1": round(6 / 11, 6),
        "with_image_f1": 0.8,
        "image_gain": round(0.8 - 6 / 11, 6),
        "unchanged": round(2 / 3, 6),
    }


def test_without_control_sheets_there_is_no_group(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    assert "no_image" not in evaluated(tmp_path, rows, 0)


def test_the_table_has_a_line_without_the_picture(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    metrics = evaluated(tmp_path, rows, 2)
    lines = result_table(metrics, metrics).splitlines()
    assert [line.split("  ")[0] for line in lines[1:5]] == [
        "baseline", "- no picture, 2 sheets", "tuned", "- no picture, 2 sheets"
    ]  # fmt: skip
    assert lines[2].split()[-3:] == ["0.750"] * 3

"""What a model says without the pictures, beside what it says with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from schematic_reader.config import load_params
from schematic_reader.io.tables import CLEAN, MESSAGES, write_rows
from schematic_reader.report.table import result_table
from schematic_reader.scoring.examination import examine
from schematic_reader.tasks import task
from schematic_reader.tasks.messages import chat
from tests.support.paths import ROOT

TARGETS = ["R, C", "R, GND", "LM358"]


@dataclass(frozen=True)
class Said:
    text: str
    tokens: int = 3
    finish: str = "stop"
    ends: tuple[int, ...] = ()
    probabilities: tuple[float, ...] = ()


def ask(rows: list[dict[str, Any]], *, blind: bool) -> Sequence[Said]:
    """Reads all but the second sheet rightly; without the picture it always says R and C."""
    answers = ["R, C"] * len(rows) if blind else [row["target"] for row in rows]
    return [Said("R, C" if row["id"] == "1" else answer) for row, answer in zip(rows, answers, strict=True)]


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


def examined(folder: Path, rows: list[dict[str, Any]], no_image_sheets: int) -> dict[str, Any]:
    settings = replace(
        load_params(ROOT / "params.yaml").evaluate, no_image_sheets=no_image_sheets, bootstrap_samples=10
    )
    _, metrics = examine(
        ask,
        rows,
        task=task("components"),
        form="compact",
        settings=settings,
        messages=folder,
        clean=folder,
        seed=1,
    )
    return metrics


def test_blind_by_hand(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    metrics = examined(tmp_path, rows, 2)
    # Unseeing: R and C for both: 2 + 1 found of 4 said and 4 there. Seeing: the same two answers.
    assert metrics["blind"] == {
        "sheets": 2,
        "precision": 0.75,
        "recall": 0.75,
        "f1": 0.75,
        "with_picture_f1": 0.75,
        "looking": 0.0,
        "looking_low": 0.0,
        "looking_high": 0.0,
        "same": 1.0,
    }
    # With the third, 3 of 6 and 5; seeing finds that too: 4 of 5 and 5, and says something else.
    found = examined(tmp_path, rows, 99)["blind"]
    # Looking helps on the third sheet's repository alone: by nothing where it is not drawn.
    assert found.pop("looking_low") == 0.0 and found.pop("looking_high") > 0.3
    assert found == {
        "sheets": 3,
        "precision": 0.5,
        "recall": 0.6,
        "f1": round(6 / 11, 6),
        "with_picture_f1": 0.8,
        "looking": round(0.8 - 6 / 11, 6),
        "same": round(2 / 3, 6),
    }


def test_no_no_image_sheets_is_off(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    assert "blind" not in examined(tmp_path, rows, 0)


def test_the_table_has_a_line_without_the_picture(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    metrics = examined(tmp_path, rows, 2)
    lines = result_table(metrics, metrics).splitlines()
    assert [line.split("  ")[0] for line in lines[1:5]] == [
        "baseline", "- no picture, 2 sheets", "tuned", "- no picture, 2 sheets"
    ]  # fmt: skip
    assert lines[2].split()[-3:] == ["0.750"] * 3

"""Stored answers are held against the KiCad texts of their sheets."""

from __future__ import annotations

import json
import re
from contextlib import chdir
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks import bom
from benchmarks.common import results
from schematic_reader.cli import UserError
from schematic_reader.io.tables import CLEAN, PREDICTIONS, write_rows
from tests.support.predicted_sheet import write_predicted_sheet


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one predicted sheet, whose answer is the target."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.jsonl")
    write_predicted_sheet(tmp_path)
    return tmp_path


def test_a_line_of_results_has_the_measures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["bom", "--task", "json"])
    with chdir(folder):
        bom.main()
    found = json.loads((folder / "results.jsonl").read_text())
    assert (found["benchmark"], found["sheets"]) == ("bom", 1)
    assert found["lines"]["f1"] == 1.0 and found["lines"]["true"] > 3
    assert found["names"]["f1"] == 1.0 and found["names"]["true"] > 3


def test_sheets_of_several_papers_have_a_line_for_each(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean, predictions = folder / "data/clean/test/part-00.parquet", folder / "data/predictions/tuned.parquet"
    rows, answers = (pq.read_table(path).to_pylist() for path in (clean, predictions))
    larger = re.sub(r"\(paper [^()]*\)", '(paper "A2")', rows[0]["schematic"], count=1)
    assert larger != rows[0]["schematic"]
    write_rows(clean, CLEAN, [*rows, rows[0] | {"id": "y", "schematic": larger}])
    write_rows(predictions, PREDICTIONS, [*answers, answers[0] | {"id": "y", "prediction": "{}"}])
    monkeypatch.setattr("sys.argv", ["bom", "--task", "json"])
    with chdir(folder):
        bom.main()
    every, small, large = map(json.loads, (folder / "results.jsonl").read_text().splitlines())
    assert [one["sheets"] for one in (every, small, large)] == [2, 1, 1]
    assert [small["variant"].split(", ")[-1], large["variant"].split(", ")[-1]] == [
        "A4 and smaller",
        "larger than A3",
    ]
    assert (small["references"]["f1"], large["references"]["f1"]) == (1.0, 0.0)


def test_the_task_components_has_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["bom"])
    with chdir(folder), pytest.raises(UserError, match="gives no references"):
        bom.main()

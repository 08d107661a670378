"""Results of another revision: what another version wrote is refused in a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.io.tables import PREDICTIONS, write_rows
from schematic_reader.report.revisions import parse_evaluated
from schematic_reader.scoring.metrics import REQUIRED

WHOLE = dict.fromkeys(REQUIRED, 0.0)


@pytest.fixture
def predictions(tmp_path: Path) -> bytes:
    write_rows(tmp_path / "tuned.parquet", PREDICTIONS, [])
    return (tmp_path / "tuned.parquet").read_bytes()


@pytest.mark.parametrize(
    ("params", "metrics"),
    [
        ("task: netlist", json.dumps(WHOLE)),
        ("- components", json.dumps(WHOLE)),
        ("task: json", "{}"),
        ("task: json", json.dumps(dict.fromkeys(REQUIRED[1:], 0.0))),
        ("task: json", "[]"),
        ("task: json", "null"),
        ("task: json", "{"),
    ],
)
def test_results_of_another_version_are_refused(predictions: bytes, params: str, metrics: str) -> None:
    parse_evaluated("main", b"task: json", json.dumps(WHOLE).encode(), predictions)
    with pytest.raises(UserError, match="^main was made by another version, whose results cannot be"):
        parse_evaluated("main", params.encode(), metrics.encode(), predictions)

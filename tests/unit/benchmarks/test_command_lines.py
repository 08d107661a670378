"""Command lines of benchmarks: what they do not know, and answers that are not what they say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from benchmarks import failures, real_sheet
from benchmarks.common.stored_answers import stored_answers
from benchmarks.data import split_leaks
from schematic_reader.cli import UserError
from schematic_reader.io.tables import PREDICTIONS, iterate_rows, write_rows
from tests.support.predicted_sheet import write_predicted_sheet


@pytest.mark.parametrize("main", [failures.main, real_sheet.main, split_leaks.main])
@pytest.mark.parametrize(("word", "status"), [("--help", 0), ("sheet.png", 2)])
def test_what_takes_no_argument_does_nothing_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, main: Callable[[], None], word: str, status: int
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmark", word])
    with chdir(tmp_path), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    assert list(tmp_path.iterdir()) == []


def test_answers_of_another_task_are_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_predicted_sheet(tmp_path)
    monkeypatch.setattr("sys.argv", ["bom", "--task", "json"])
    with chdir(tmp_path):
        assert len(stored_answers("benchmarks.bom", "").rows) == 1
        answers = Path("data/predictions/tuned.parquet")
        (row,) = iterate_rows([answers])
        write_rows(answers, PREDICTIONS, [row | {"target": "R, C"}])
        with pytest.raises(UserError, match=r"tuned\.parquet are not of task json: name theirs by --task"):
            stored_answers("benchmarks.bom", "")

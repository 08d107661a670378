"""What the kill test takes for a run that goes on, and for a stage that has started."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.common.small_checkout import wait_for_stage
from benchmarks.kills import resuming


def test_nothing_is_resumed_where_nothing_whole_is_left(tmp_path: Path) -> None:
    (tmp_path / "models" / ".train.part" / "checkpoint-2").mkdir(parents=True)  # not complete
    (tmp_path / ".answer_cache" / "set").mkdir(parents=True)
    (tmp_path / ".answer_cache" / "set" / "rank-0.jsonl").write_bytes(b'{"a": ')
    assert resuming(tmp_path) is None


def test_training_goes_on_from_the_last_complete_checkpoint(tmp_path: Path) -> None:
    for step in (2, 4, 10, 12):
        (tmp_path / "models" / ".train.part" / f"checkpoint-{step}").mkdir(parents=True)
    for step in (2, 4, 10):
        (tmp_path / "models" / ".train.part" / f"checkpoint-{step}" / "complete.json").touch()
    pattern = resuming(tmp_path)
    assert pattern is not None
    assert re.search(pattern, "training resumes after step 10 of an earlier run")
    assert not re.search(pattern, "training resumes after step 4 of an earlier run")
    assert not re.search(pattern, "training resumes after step 100 of an earlier run")


def test_answers_are_taken_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / ".answer_cache" / "set").mkdir(parents=True)
    (tmp_path / ".answer_cache" / "set" / "rank-0.jsonl").write_bytes(b'{"a": 1}\n{"b')
    pattern = resuming(tmp_path)
    assert pattern is not None
    assert re.search(pattern, "8 answers are cached, 8 are generated")
    assert not re.search(pattern, "0 answers are cached, 16 are generated")


@pytest.mark.parametrize(
    ("said", "started"), [("a\nRunning stage 'train':\nb\n", True), ("a\nb\n", False), ("", False)]
)
def test_a_stage_has_started_when_dvc_says_so(said: str, started: bool) -> None:
    process = subprocess.Popen([sys.executable, "-c", f"print({said!r}, end='')"], stdout=-1, text=True)
    assert wait_for_stage(process) is started
    rest, _ = process.communicate()
    assert rest == ("b\n" if started else "")

"""A rank that dies in training: over gloo on the CPU, without a launcher that would end the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages import train
from tests.support.sheet_samples import ready_to_train, write_exact_params
from tests.support.training_runs import ENVIRONMENT, assert_same_training, free_port, run_train


def start(folder: Path) -> list[subprocess.Popen[str]]:
    """Both ranks of the train stage."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "stages.train"],
            cwd=folder,
            env={**os.environ, **ENVIRONMENT, **shared, "RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]


@pytest.mark.parametrize("dead", [0, 1])
def test_the_other_rank_ends_within_a_minute_with_one_line_and_the_run_resumes(
    tmp_path: Path, dead: int
) -> None:
    folder, alone = tmp_path / "run", tmp_path / "alone"
    for made in (folder, alone):
        made.mkdir()
        ready_to_train(made, train=9, validation=3)
        write_exact_params(made, step_tokens=200, packed_length=100, epochs=6)
    running = start(folder)
    while not (folder / train.UNFINISHED / "checkpoint-2" / "complete.json").exists():
        assert running[0].poll() is None
        time.sleep(0.005)
    running[dead].kill()
    began = time.monotonic()
    said = [process.communicate(timeout=60)[1] for process in running]
    assert time.monotonic() - began < 60
    assert [process.returncode for process in running] == (
        [-signal.SIGKILL, 1] if dead == 0 else [1, -signal.SIGKILL]
    )
    lines = [line for line in said[1 - dead].splitlines() if not line.startswith(("INFO", "WARNING"))]
    errors = [line for line in lines if "error" in line.lower()]
    assert len(errors) == 1 and errors[0].startswith(f"error: rank {dead} has died")
    assert "Traceback" not in said[1 - dead]
    assert not (folder / train.ADAPTER).exists()
    again = start(folder)
    assert [process.communicate(timeout=300) and process.returncode for process in again] == [0, 0]
    run_train(alone)
    assert_same_training(alone, folder)

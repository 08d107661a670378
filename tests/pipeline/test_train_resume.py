"""``python -m stages.train`` killed at work: the next run goes on to the bytes of one never killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

import pytest

from stages import train
from tests.support.paths import ROOT
from tests.support.sheet_samples import ready_to_train, write_params


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything up to the train stage is done."""
    folder = tmp_path_factory.mktemp("run")
    ready_to_train(folder, train=12, validation=2)
    write_params(folder)
    return folder


def run_train(folder: Path) -> dict[str, bytes]:
    """Run the stage to its end; returns all that it wrote, by name."""
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["stages.train"])
        train.main()
    files = [*(folder / "models" / "adapter").iterdir(), *(folder / "metrics").rglob("*.*")]
    return {file.name: file.read_bytes() for file in sorted(files)}


def kill_after_first_checkpoint(folder: Path) -> None:
    state = folder / train.UNFINISHED / "checkpoint-2" / "whole.json"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stages.train"], cwd=folder, env=environment, stdout=log, stderr=log
        )
        while not state.exists() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, (folder / "log").read_text()
    assert state.exists() and not (folder / train.ADAPTER).exists()


def test_a_killed_run_goes_on_to_the_same_bytes(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "schematic_reader.training.trainer")
    kill_after_first_checkpoint(folder)
    resumed = run_train(folder)
    assert [text for text in caplog.messages if text.startswith("training goes on after step ")]
    assert not (folder / train.UNFINISHED).exists()
    caplog.clear()
    whole = run_train(folder)
    assert not [text for text in caplog.messages if "training" in text]
    assert {"adapter_model.safetensors", "train.json", "train.tsv", "validation.tsv"} <= set(whole)
    assert resumed == whole
    assert json.loads(whole["train.json"])["dropped"] == {"too_long": 0}

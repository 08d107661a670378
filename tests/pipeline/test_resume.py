"""``dvc repro train`` killed at work: the next one resumes to the bytes of one never killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import yaml

from stages import train
from tests.support.checkout import dvc, run_python
from tests.support.commands import documented
from tests.support.finished import copy_finished
from tests.support.training_runs import written


def start_and_kill(checkout: Path, complete: str) -> None:
    """Send SIGKILL to DVC and all it has started, once the stage has written a complete checkpoint."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "train"],
        cwd=checkout,
        env=os.environ | {"PATH": path, "HF_HUB_OFFLINE": "1", "DVC_NO_ANALYTICS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (checkout / train.UNFINISHED / complete).exists():
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_killed_repro_resumes_to_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    checkout = copy_finished(finished, tmp_path / "checkout")
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    settings = params["profiles"]["sample"]["train"]
    settings |= {
        "epochs": 6,
        "max_sheets": 4,
        "step_tokens": 600,
        "packed_length": 600,
        "checkpoint_steps": 2,
    }
    (checkout / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    before = written(checkout)
    start_and_kill(checkout, "checkpoint-2/complete.json")
    assert not (checkout / train.ADAPTER).exists()
    said = dvc(checkout, "repro", "train")
    assert "training resumes after step " in said.stdout + said.stderr
    assert f"torch {version('torch')}" in said.stderr  # this environment's, as everything here
    resumed = written(checkout)
    changed = {name for name, content in resumed.items() if content != before.get(name)}
    assert {"adapter_model.safetensors", "train.json", "train.tsv", "validation.tsv"} <= changed
    assert json.loads(resumed["train.json"])["dropped"] == {"too_long": 0}
    assert not (checkout / train.UNFINISHED).exists()
    again = dvc(checkout, "repro", "--force", "--single-item", "train")
    assert "training resumes" not in again.stdout + again.stderr
    assert written(checkout) == resumed


def test_a_run_by_hand_is_committed(finished: Path, tmp_path: Path) -> None:
    """As after a run that DVC cannot start, on several machines."""
    checkout = copy_finished(finished, tmp_path / "checkout")
    params = (checkout / "params.yaml").read_text()
    (checkout / "params.yaml").write_text(params.replace("weight_decay: 0.01", "weight_decay: 0.02"))
    run_python(checkout, "-m", "stages.train", check=True)
    assert "changed" in dvc(checkout, "status", "train").stdout
    documented("dvc commit --force train", checkout)
    assert "Running stage" not in dvc(checkout, "repro", "train").stdout

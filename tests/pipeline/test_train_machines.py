"""Training on two nodes through ``accelerate launch``: here two folders that meet over loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.model import distributed
from stages import train
from tests.support.commands import documented, give_environment
from tests.support.paths import ROOT
from tests.support.sheet_samples import ready_to_train, write_exact_params
from tests.support.training_runs import ENVIRONMENT, assert_same_training, free_port, run_train


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """The folders of two machines, and one to train in alone, each with all that comes before the stage."""
    made = [tmp_path / name for name in ("first", "second", "alone")]
    for folder in made:
        folder.mkdir()
        ready_to_train(folder, train=9, validation=3)
        write_exact_params(folder, step_tokens=200, packed_length=100, epochs=6)
        give_environment(folder)
    return made


def launch(folders: list[Path], *, fails: bool = False) -> list[str]:
    """Run the documented command on both machines; returns what each said."""
    port = free_port()

    def on(machine: int) -> str:
        return documented(
            "accelerate launch --multi_gpu --num_machines 2 --num_processes 16 --machine_rank RANK "
            "--main_process_ip ADDRESS --main_process_port 29500 -m stages.train",
            folders[machine],
            {"16": "2", "RANK": str(machine), "ADDRESS": "127.0.0.1", "29500": port},
            fails=fails,
            OMP_NUM_THREADS="1",
            PYTHONPATH=str(ROOT),
        )

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(on, (0, 1)))


def interrupt(folders: list[Path], complete: str) -> None:
    """Start both machines and end them when the first has written a whole checkpoint."""
    environment = os.environ | ENVIRONMENT
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    launcher += ["--master-addr=127.0.0.1", f"--master-port={free_port()}"]
    running = [
        subprocess.Popen(
            [*launcher, f"--node-rank={rank}", "-m", "stages.train"],
            cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for rank, folder in enumerate(folders)
    ]  # fmt: skip
    while not (folders[0] / train.UNFINISHED / complete).exists():
        assert running[0].poll() is None
        time.sleep(0.005)
    for process in running:
        process.send_signal(signal.SIGTERM)  # the launcher ends what it has started
    for process in running:
        process.wait()
    assert not (folders[0] / train.ADAPTER).exists()


def test_two_nodes_resume_after_a_halt_and_train_what_one_process_does(folders: list[Path]) -> None:
    """The second machine never sees the first one's checkpoint but through the network."""
    *machines, alone = folders
    interrupt(machines, "checkpoint-2/complete.json")
    assert not list((machines[1] / train.UNFINISHED).glob("checkpoint-*/complete.json"))
    for said in launch(machines):
        assert "training resumes after step " in said
        assert f"torch {version('torch')}" in said  # this environment's, as everything here
    assert not (machines[1] / train.ADAPTER).exists() and not (machines[1] / "metrics").exists()
    assert not [folder for folder in machines if (folder / train.UNFINISHED).exists()]
    run_train(alone)
    assert_same_training(alone, machines[0])
    sheets = [
        json.loads((folder / "metrics" / "train.json").read_text())["sheets"]
        for folder in (alone, machines[0])
    ]
    assert sheets == [9, 9]


def test_machines_that_differ_are_refused(folders: list[Path]) -> None:
    params = folders[1] / "params.yaml"
    params.write_text(params.read_text().replace("weight_decay: 0.01", "weight_decay: 0.02"))
    for said in launch(folders[:2], fails=True):
        assert "error: rank 1 runs different params from rank 0: give every machine the same commit" in said


def test_a_launch_of_several_that_start_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``accelerate launch`` sets for one GPU a machine without ``--multi_gpu``."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    distributed.check_launch()
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    distributed.check_launch()
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(UserError, match="add --multi_gpu"):
        distributed.check_launch()
    monkeypatch.setenv("WORLD_SIZE", "2")
    distributed.check_launch()

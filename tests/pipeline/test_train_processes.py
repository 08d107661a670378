"""One process of a stage for each GPU of this machine, and what they train, here over gloo on the CPU."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from schematic_reader.cli import UserError
from schematic_reader.model import distributed
from stages import train
from tests.support.paths import ROOT
from tests.support.sheet_samples import ready_to_train, write_exact_params
from tests.support.training_runs import ENVIRONMENT, assert_same_training, curve, run_train


def test_any_number_of_processes_trains_the_same_steps(tmp_path: Path) -> None:
    """One, two and four: equal losses and adapters. With four, steps of few sheets leave one idle."""
    folders = {}
    for count in (1, 2, 4):
        folders[count] = tmp_path / str(count)
        folders[count].mkdir()
        ready_to_train(folders[count], train=9, validation=3)
        write_exact_params(folders[count], step_tokens=190, packed_length=150, epochs=3)
    run_train(folders[1])
    for count in (2, 4):
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        done = subprocess.run(
            [sys.executable, *launcher, "-m", "stages.train"],
            cwd=folders[count], env=os.environ | ENVIRONMENT, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        assert_same_training(folders[1], folders[count])
        lines = re.findall(r"INFO step .*|WARNING train\..*", done.stderr)  # a progress bar may stand before
        assert len(lines) == len(set(lines)) > 4  # each is logged once
        assert any("idle in" in line for line in lines) == (count == 4)
        assert "destroy_process_group" not in done.stderr


@pytest.mark.parametrize("shard", [False, True])
def test_ranks_start_from_the_adapter_of_the_folder(tmp_path: Path, shard: bool) -> None:
    """One process and two, whose validation loss before the first step is the same."""
    folders = [tmp_path / "alone", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        ready_to_train(folder, train=6, validation=3)
        write_exact_params(folder, step_tokens=300, packed_length=150, epochs=6, shard=shard)
    run_train(folders[0])
    new = curve(folders[0], "validation")
    for folder in folders:
        shutil.copytree(folders[0] / train.ADAPTER, folder / "models" / "first")
        text = (folder / "params.yaml").read_text()
        (folder / "params.yaml").write_text(text.replace("init_from: null", "init_from: models/first"))
    run_train(folders[0])
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "stages.train"]
    done = subprocess.run(
        [sys.executable, *launcher],
        cwd=folders[1], env=os.environ | ENVIRONMENT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stderr.count("training starts from the adapter in models/first") == 1
    assert_same_training(*folders)
    assert curve(folders[1], "validation")[0][1] == pytest.approx(new[-1][1], rel=1e-4)
    assert new[-1][1] < 0.9 * new[0][1]


def test_a_stage_runs_once_for_each_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two GPUs are pretended; the processes that are started for them are real."""
    (tmp_path / "noted.py").write_text(
        "import os, pathlib\n"
        "from schematic_reader.model import distributed as p\n"
        "ranks = f'{p.world_size()} {p.local_world_size()} {p.is_main_process()}'\n"
        "text = f'{ranks} {p.run_on_every_gpu(\"noted\")}'\n"
        "pathlib.Path(os.environ['NOTES'], str(p.local_rank())).write_text(text)\n"
    )
    (tmp_path / "failing.py").write_text("import os, sys\nos.environ['RANK'] == '1' and sys.exit('my error')")
    (tmp_path / "killed.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    notes = tmp_path / "notes"
    notes.mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    monkeypatch.setenv("NOTES", str(notes))
    assert not distributed.run_on_every_gpu("noted") or torch.cuda.device_count() > 1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert distributed.run_on_every_gpu("noted")
    noted = {path.name: path.read_text() for path in notes.iterdir()}
    assert noted == {"0": "2 2 True False", "1": "2 2 False False"}
    capfd.readouterr()
    with pytest.raises(SystemExit):
        distributed.run_on_every_gpu("failing")
    assert capfd.readouterr().err == "my error\n"  # and nothing of the launcher
    with pytest.raises(UserError, match="of killed was ended by SIGKILL: run the same command again"):
        distributed.run_on_every_gpu("killed")
    assert capfd.readouterr().err == ""


PARENT = """
import torch
from schematic_reader.model import distributed
torch.cuda.device_count = lambda: 2
distributed.run_on_every_gpu("sleeping")
"""


def test_whoever_is_ended_ends_the_processes_that_it_has_started(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (tmp_path / "sleeping.py").write_text(
        "import os, pathlib, time\n"
        "pathlib.Path(os.environ['NOTES'], os.environ['RANK']).write_text(str(os.getpid()))\n"
        "time.sleep(300)\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "NOTES": str(notes)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT], env=environment)
    while len(pids := [path.read_text() for path in notes.iterdir()]) < 2 or not all(pids):
        assert parent.poll() is None
        time.sleep(0.05)
    parent.terminate()
    assert parent.wait(timeout=60) == 128 + signal.SIGTERM
    assert not [pid for pid in pids if Path("/proc", pid).exists()]

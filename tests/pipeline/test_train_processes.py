"""Training in several processes, as on several GPUs, here over gloo on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from schematic_reader.model import processes
from tests.pipeline.test_train_resume import run_train
from tests.support.paths import ROOT
from tests.support.sheet_samples import ready_to_train, write_exact_params

ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def train(folder: Path, count: int) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "stages.train"],
        cwd=folder, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    lines = (folder / "metrics" / "plots" / f"{name}.tsv").read_text().splitlines()[1:]
    return [(int(step), float(loss)) for step, loss in (line.split("\t") for line in lines)]


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    """The same rows a step, so the same curve but for the order of sums; and the same metrics file."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder, count in zip(folders, (1, 2), strict=True):
        folder.mkdir()
        ready_to_train(folder, train=9, validation=3)
        write_exact_params(folder, gradient_accumulation=2, packed_length=100, epochs=3)
        if count == 1:
            run_train(folder)
        else:
            train(folder, count)
        assert not (folder / "models" / ".train.part").exists()
    for name in ("train", "validation"):
        one, two = (curve(folder, name) for folder in folders)
        assert [step for step, _ in one] == [step for step, _ in two] and len(one) > 2
        assert [loss for _, loss in two] == pytest.approx([loss for _, loss in one], rel=1e-3)
    adapters = [load_file(folder / "models" / "adapter" / "adapter_model.safetensors") for folder in folders]
    for name, weight in adapters[0].items():
        assert (adapters[1][name] - weight).norm() < 1e-2 * weight.norm(), name
    sheets = [json.loads((folder / "metrics" / "train.json").read_text())["sheets"] for folder in folders]
    assert sheets == [9, 9]


def test_a_stage_runs_once_for_each_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs are pretended; the processes that are started for them are real."""
    (tmp_path / "noted.py").write_text(
        "import os, pathlib\n"
        "from schematic_reader.model import processes as p\n"
        "text = f'{p.count()} {p.on_this_machine()} {p.is_first()} {p.run_on_every_gpu(\"noted\")}'\n"
        "pathlib.Path(os.environ['NOTES'], str(p.local_rank())).write_text(text)\n"
    )
    (tmp_path / "failing.py").write_text("raise SystemExit(3)")
    notes = tmp_path / "notes"
    notes.mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    monkeypatch.setenv("NOTES", str(notes))
    assert not processes.run_on_every_gpu("noted") or torch.cuda.device_count() > 1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert processes.run_on_every_gpu("noted")
    told = {path.name: path.read_text() for path in notes.iterdir()}
    assert told == {"0": "2 2 True False", "1": "2 2 False False"}
    with pytest.raises(SystemExit):
        processes.run_on_every_gpu("failing")

"""One process of a stage for each GPU of this machine, here over gloo on the CPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from schematic_reader.model import distributed
from tests.support.paths import ROOT


def test_a_stage_runs_once_for_each_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs are pretended; the processes that are started for them are real."""
    (tmp_path / "noted.py").write_text(
        "import os, pathlib\n"
        "from schematic_reader.model import distributed as p\n"
        "ranks = f'{p.world_size()} {p.local_world_size()} {p.is_main_process()}'\n"
        "text = f'{ranks} {p.run_on_every_gpu(\"noted\")}'\n"
        "pathlib.Path(os.environ['NOTES'], str(p.local_rank())).write_text(text)\n"
    )
    (tmp_path / "failing.py").write_text("raise SystemExit(3)")
    notes = tmp_path / "notes"
    notes.mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    monkeypatch.setenv("NOTES", str(notes))
    assert not distributed.run_on_every_gpu("noted") or torch.cuda.device_count() > 1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert distributed.run_on_every_gpu("noted")
    noted = {path.name: path.read_text() for path in notes.iterdir()}
    assert noted == {"0": "2 2 True False", "1": "2 2 False False"}
    with pytest.raises(SystemExit):
        distributed.run_on_every_gpu("failing")

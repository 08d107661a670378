"""The settings with which stages are killed are ones that the stages take."""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks.common.small_checkout import STAGES, handful
from schematic_reader.config import load_params
from tests.support.paths import ROOT


def test_a_handful_of_sheets_is_a_valid_setting(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(handful(yaml.safe_load((ROOT / "params.yaml").read_text()))))
    profile = load_params(path).active
    assert profile.data.rows == 120
    assert profile.train.checkpoint_steps == 2


def test_every_stage_is_killed() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(STAGES) == set(stages)

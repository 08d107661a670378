"""Where a command finds settings and models."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.config import load_params
from schematic_reader.predict.home import find_home
from schematic_reader.predict.model_source import OWN, find_model
from tests.support.paths import ROOT

SETTINGS = (ROOT / "params.yaml").read_text()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without anything; the environment's and the user's folders for data are below it."""
    monkeypatch.setattr(sysconfig, "get_path", lambda name, scheme="env": str(tmp_path / name / scheme))
    monkeypatch.setattr(sysconfig, "get_preferred_scheme", lambda key: key)
    return tmp_path


def settings(folder: Path, text: str = SETTINGS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(text)
    return folder


def test_the_working_folder_comes_first_then_code_then_what_was_installed(nowhere: Path) -> None:
    here, code = nowhere / "here", nowhere / "code"
    here.mkdir()
    with pytest.raises(UserError, match=r"^params.yaml is neither here nor where .*code\): .*pip install"):
        find_home(here, code)
    for place in ("data/user", "data/env", "code"):
        folder = settings(nowhere / place / "share" / "schematic-reader")
        assert find_home(here, code) == folder
    assert find_home(here, settings(code)) == code
    assert find_home(settings(here), code) == here


@pytest.mark.parametrize("text", ["train:\n  epochs: 3\n", "", "\xff", "# profiles: none\n"])
def test_settings_of_another_project_are_not_taken(nowhere: Path, text: str) -> None:
    here, code = settings(nowhere / "here", text), settings(nowhere / "code")
    assert find_home(here, code) == code


def test_a_missing_adapter_is_one_line_with_the_way_to_get_it(tmp_path: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(UserError) as error:
        find_model(OWN, params, tmp_path)
    missing = f"there is no folder {tmp_path / OWN}: run `dvc repro` or `dvc pull` in "
    other = ", or name another by --adapter"
    assert str(error.value) == f"{missing}a checkout and there `pip install .` again{other}"
    (tmp_path / "dvc.yaml").touch()
    with pytest.raises(UserError) as error:
        find_model(OWN, params, tmp_path)
    assert str(error.value) == f"{missing}{tmp_path}{other}"


def test_the_base_is_beside_the_adapter_of_home(tmp_path: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    adapter = tmp_path / OWN
    adapter.mkdir(parents=True)
    (adapter / "adapter_model.safetensors").touch()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "models/tiny"}')
    (tmp_path / "data" / "predictions").mkdir(parents=True)
    calibration = '{"items": 3, "points": [{"raw": 0, "right": 0.5}]}'
    (tmp_path / "data" / "predictions" / "calibration.json").write_text(calibration)
    assert find_model(OWN, params, tmp_path).model.base == "models/tiny"
    (tmp_path / "models" / "tiny").mkdir()
    found = find_model(OWN, params, tmp_path)
    assert found.model.base == str(tmp_path / "models" / "tiny")
    assert found.calibration is not None and found.calibration.items == 3
    assert find_model(str(adapter), params, tmp_path).calibration is None

"""The settings of a run."""

from __future__ import annotations

import pytest
import yaml

from pretraining import settings as settings_module
from schematic_reader.cli import UserError
from tests.support.paths import ROOT

COMMITTED = ROOT / "pretraining" / "config.yaml"


def test_the_committed_settings_load():
    settings = settings_module.load(COMMITTED)
    assert settings.steps == sum(phase.steps for phase in settings.phases) > 1000
    assert sum(settings.sources.values()) == pytest.approx(1)
    for phase in settings.phases:
        assert sum(phase.shapes.values()) == pytest.approx(1)


def test_rates_run_through_a_phase_and_on_into_the_next():
    settings = settings_module.load(COMMITTED)
    warmup = settings.phases[0].steps
    assert settings.phase_at(0) == (settings.phases[0], 0.0)
    assert settings.phase_at(warmup // 2)[1] == pytest.approx(0.5)
    assert settings.phase_at(warmup) == (settings.phases[1], 1.0)
    assert settings.phase_at(settings.steps) == (settings.phases[-1], settings.phases[-1].rate[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps_too": 1}, "check steps_too"),
        ({"seed": None}, "seed must be of type int, got None"),
        ({"weight_decay": "much"}, "weight_decay must be of type float, got 'much'"),
        ({"matrix_rate": 0.0}, "matrix_rate must be above 0"),
        ({"phases": [{"steps": 1, "rate": [1, 1], "shapes": {"poster": 1}}]}, "not there: poster"),
        ({"phases": 3}, "phases are not as they should be"),
    ],
)
def test_settings_name_what_is_wrong(tmp_path, change, message):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(COMMITTED.read_text()), **change}))
    with pytest.raises(UserError, match=message):
        settings_module.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fresh": 400}, "fresh may be at most batch"),
        ({"width": 290}, "multiples of 24 px: got 290 x 192"),
        ({"colour": 1}, "shapes or phases are not as they should be"),
    ],
)
def test_settings_name_what_is_wrong_with_a_shape(tmp_path, change, message):
    data = yaml.safe_load(COMMITTED.read_text())
    data["shapes"]["crop"] |= change
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(UserError, match=message):
        settings_module.load(path)

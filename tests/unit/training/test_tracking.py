"""Curves of a short run in real files of TensorBoard and DVCLive, over an interruption."""

from __future__ import annotations

import csv
import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from schematic_reader.cli import UserError
from schematic_reader.training import tracking
from schematic_reader.training.trainer import PackedTrainer
from stages import train
from tests.support.sheet_samples import ready_to_train, write_exact_params
from tests.support.training_runs import curve, run_train

Points = dict[str, list[tuple[int, float]]]


def ready(folder: Path, tracker: str) -> None:
    """A folder to train in: 12 steps, points of the curve at 1, 4, 8 and 12, a checkpoint at every second."""
    ready_to_train(folder, train=6, validation=2)
    write_exact_params(folder, step_tokens=150, packed_length=150, epochs=6)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("report_to: none", f"report_to: {tracker}"))


def tensorboard_points(folder: Path) -> Points:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def dvclive_points(folder: Path) -> Points:
    found = {}
    for path in sorted((folder / "plots" / "metrics").rglob("*.tsv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        name = path.relative_to(folder / "plots" / "metrics").with_suffix("").as_posix()
        found[name] = [(int(row["step"]), float(row[path.stem])) for row in rows]
    return found


READ = {"tensorboard": tensorboard_points, "dvclive": dvclive_points}


@pytest.mark.slow
@pytest.mark.parametrize("tracker", ["tensorboard", "dvclive"])
def test_the_tracker_has_the_curves_of_the_run_also_after_it_resumed(tracker: str, tmp_path: Path) -> None:
    pytest.importorskip(tracker)
    ready(tmp_path, tracker)
    with chdir(tmp_path), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["stages.train"])
        record = PackedTrainer.record_step

        def dies(self: PackedTrainer, step: int) -> None:
            record(self, step)
            if step == 9:  # after the checkpoint of step 8 and before that of step 10
                raise KeyboardInterrupt

        patch.setattr(PackedTrainer, "record_step", dies)
        with pytest.raises(KeyboardInterrupt):
            train.main()
    run_train(tmp_path)
    found = READ[tracker](tmp_path / "models" / ".training_log")
    points = {name.removeprefix("train/"): values for name, values in found.items()}  # TensorBoard has it
    assert {"loss", "learning_rate", "grad_norm", "sheets_per_second", "eval/loss"} <= set(points)
    for name, split in (("loss", "train"), ("eval/loss", "validation")):
        expected = curve(tmp_path, split)
        assert [step for step, _ in points[name]] == [step for step, _ in expected]
        assert [loss for _, loss in points[name]] == pytest.approx([loss for _, loss in expected], abs=1e-5)
    assert all(norm > 0 for _, norm in points["grad_norm"])
    rates = [rate for _, rate in points["learning_rate"]]
    assert len(rates) == 4 and rates[1] > rates[2] > rates[3]
    assert not (tmp_path / "dvc.yaml").exists()


def test_rows_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    table = tmp_path / "loss.tsv"
    table.write_text("step\tloss\n1\t3.5\n8\t2.5\n9\t2.25\n12\t2.0\n")
    tracking._cut_after(table, 8)
    assert table.read_text() == "step\tloss\n1\t3.5\n8\t2.5\n"


def test_a_tracker_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    tracking.check_tracker("none")
    missing: dict[str, Any] = {}
    monkeypatch.setattr(tracking, "find_spec", missing.get)
    with pytest.raises(UserError, match=r"train.report_to is dvclive, .* run `pip install '.\[dvclive\]'`"):
        tracking.check_tracker("dvclive")


def test_nothing_is_written_where_nothing_is_tracked(tmp_path: Path) -> None:
    ready(tmp_path, "none")
    run_train(tmp_path)
    assert not (tmp_path / "models" / ".training_log").exists()
    assert json.loads((tmp_path / "metrics" / "train.json").read_text())["sheets"] == 6

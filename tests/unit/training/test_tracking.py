"""A short run in real files of TensorBoard, DVCLive and Weights & Biases, over an interruption."""

from __future__ import annotations

import csv
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from schematic_reader.cli import UserError
from schematic_reader.config import load_params
from schematic_reader.io.tables import read_messages
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor, load_tuned
from schematic_reader.report.watched_sheets import watched_sheets
from schematic_reader.training import tracking, trainer
from schematic_reader.training.trainer import PackedTrainer
from stages import train
from tests.support.sheet_samples import ready_to_train, write_exact_params
from tests.support.training_runs import ENVIRONMENT, curve, run_train, written

Points = dict[str, list[tuple[int, float]]]


def ready(folder: Path, tracker: str) -> None:
    """A folder to train in: 12 steps, points of the curve at 1, 4, 8 and 12, a checkpoint at every second."""
    ready_to_train(folder, train=6, validation=2)
    write_exact_params(folder, step_tokens=150, packed_length=150, epochs=6)
    params = folder / "params.yaml"
    text = params.read_text().replace("report_to: none", f"report_to: {tracker}")
    params.write_text(text.replace("max_new_tokens: 256", "max_new_tokens: 16"))


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


def wandb_records(data: bytes) -> Iterator[bytes]:
    """The records of an offline file, which is a header of 7 bytes and a log as LevelDB writes it."""
    block, at, record = 32768, 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:  # the rest of a block, too short for a header
            at += block - at % block
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield record
            record = b""


def wandb_rows(folder: Path) -> list[dict[str, Any]]:
    """What each call of ``log`` wrote, in the order of the offline files."""
    from wandb.proto.wandb_internal_pb2 import Record

    rows = []
    for path in sorted(folder.glob("wandb/offline-run-*/run-*.wandb")):
        for data in wandb_records(path.read_bytes()):
            record = Record.FromString(data)
            if items := record.history.item:
                named = [(item.key or "/".join(item.nested_key), item.value_json) for item in items]
                rows.append({name: json.loads(value) for name, value in named})
    return rows


def wandb_points(folder: Path) -> Points:
    found: Points = {}
    for row in wandb_rows(folder):
        for name, value in row.items():
            if isinstance(value, int | float) and not name.startswith("_"):
                found.setdefault(name, []).append((row["train/global_step"], value))
    return found


READ = {"tensorboard": tensorboard_points, "dvclive": dvclive_points, "wandb": wandb_points}


def tensorboard_answers(folder: Path) -> dict[int, str]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    tensors = events.Tensors("eval/answers/text_summary")
    return {event.step: event.tensor_proto.string_val[0].decode() for event in tensors}


def dvclive_answers(folder: Path) -> dict[int, str]:
    return {int(path.stem): path.read_text() for path in (folder / "answers").glob("*.md")}


def wandb_answers(folder: Path) -> dict[int, str]:
    found = {}
    for row in wandb_rows(folder):
        for name, value in row.items():
            if name == "eval/answers/path":
                table = next(folder.glob(f"wandb/*/files/{value}"))
                found[int(row["train/global_step"])] = table.read_text()
    return found


ANSWERS = {"tensorboard": tensorboard_answers, "dvclive": dvclive_answers, "wandb": wandb_answers}


@pytest.fixture
def no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's own wandb: no key, no mode, no folders."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("CACHE", "DATA", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name))


def end_wandb() -> None:
    """What the end of a process that was killed leaves; the next run in this one begins anew."""
    if wandb := sys.modules.get("wandb"):
        wandb.finish(exit_code=1)


@pytest.mark.slow
@pytest.mark.parametrize("tracker", ["tensorboard", "dvclive", "wandb"])
@pytest.mark.usefixtures("no_account")
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
    end_wandb()
    run_train(tmp_path)
    found = READ[tracker](tmp_path / "models" / ".training_log")
    if tracker == "wandb":  # its files are not cut: the run that resumed has what followed step 8 again
        found = {name: sorted(dict(values).items()) for name, values in found.items()}
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
    # Steps 0, 3, 6, 9 and 12 are validated: an answer about each sheet, and F1 of them all.
    assert [step for step, _ in points["eval/f1"]] == [0, 3, 6, 9, 12]
    answers = ANSWERS[tracker](tmp_path / "models" / ".training_log")
    assert sorted(answers) == [0, 3, 6, 9, 12]
    names = {row["name"] for row in read_messages(tmp_path / "data" / "messages", "validation")}
    assert len(names) == 2 and all(name in text for name in names for text in answers.values())


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


def test_no_account_is_asked_for_and_one_without_its_key_is_one_line(
    no_account: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda _: True)
    tracking.check_tracker("wandb")  # offline
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(UserError, match="there is no API key: run `wandb login`, or set WANDB_MODE to off"):
        tracking.check_tracker("wandb")
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password 0123\n")
    tracking.check_tracker("wandb")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    with pytest.raises(UserError, match="no API key"):
        tracking.check_tracker("wandb")
    monkeypatch.setenv("WANDB_API_KEY", "0123")
    tracking.check_tracker("wandb")


class Recorder(tracking.Tracker):
    """A tracker that keeps what it is told."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.logs: dict[int, dict[str, float]] = {}
        self.shown: dict[int, tracking.Watched] = {}

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.logs[state.global_step] = self.logs.get(state.global_step, {}) | logs

    def show(self, watched: tracking.Watched, step: int) -> None:
        self.shown[step] = watched


def run_recorded(folder: Path) -> tuple[dict[str, bytes], Recorder]:
    """A run with a tracker that is always there; returns what it wrote, and the tracker."""
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "find_spec", lambda _: True)
        patch.setattr(trainer, "tracker_callback", lambda *_, **__: recorder)
        return run_train(folder), recorder


def test_a_watched_run_ends_with_the_same_bytes_and_random_numbers(tmp_path: Path) -> None:
    written, recorders = [], []
    states = []
    validate = PackedTrainer.evaluate

    def keeps_state(self: PackedTrainer) -> dict[str, float]:
        before = torch.get_rng_state(), random.getstate(), torch.get_num_threads()
        metrics = validate(self)
        after = torch.get_rng_state(), random.getstate(), torch.get_num_threads()
        states.append(torch.equal(before[0], after[0]) and before[1:] == after[1:])
        return metrics

    for tracker in ("none", "tensorboard"):
        folder = tmp_path / tracker
        ready(folder, tracker)
        params = folder / "params.yaml"
        params.write_text(params.read_text().replace("dropout: 0.0", "dropout: 0.1"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PackedTrainer, "evaluate", lambda self, *_, **__: keeps_state(self))
            files, recorder = run_recorded(folder)
        written.append(files)
        recorders.append(recorder)
    assert written[0] == written[1] and "adapter_model.safetensors" in written[0]
    assert len(states) == 10 and all(states)
    assert not recorders[0].logs and not recorders[0].shown
    assert sorted(recorders[1].shown) == [0, 3, 6, 9, 12]
    for step, watched in recorders[1].shown.items():
        assert len(watched.answers) == 2 and recorders[1].logs[step]["eval_f1"] == watched.f1
        assert "eval_loss" in recorders[1].logs[step]


def test_the_answers_are_those_that_the_exported_adapter_gives(tmp_path: Path) -> None:
    ready(tmp_path, "tensorboard")
    _, recorder = run_recorded(tmp_path)
    with chdir(tmp_path):
        params = load_params()
        base = params.active.model
        encoder = Encoder(load_processor(base.base, base.revision))
        watch = watched_sheets(params, encoder, messages=train.MESSAGES, clean=train.CLEAN)
        assert watch is not None
        tuned = watch(load_tuned(base, prepare_device(base, params.seed), train.ADAPTER))
        untuned = watch(load_base(base, prepare_device(base, params.seed)))
    assert recorder.shown[12] == tuned
    assert recorder.shown[0] == untuned != tuned
    assert all(0 <= answer.f1 <= 1 and answer.answer for answer in tuned.answers)


@pytest.mark.slow
def test_two_processes_share_the_watched_sheets(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    ended = []
    for tracker in ("none", "tensorboard"):
        folder = tmp_path / tracker
        folder.mkdir()
        ready(folder, tracker)
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        search = os.pathsep.join([ENVIRONMENT["PYTHONPATH"], os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, *launcher, "-m", "stages.train"],
            cwd=folder, env=os.environ | ENVIRONMENT | {"PYTHONPATH": search}, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        ended.append(written(folder))
    assert ended[0] == ended[1]
    answers = tensorboard_answers(tmp_path / "tensorboard" / "models" / ".training_log")
    assert sorted(answers) == [0, 3, 6, 9, 12]
    assert all(text.count("expected:") == 2 for text in answers.values())


def test_sheets_that_cannot_be_judged_are_not_asked_about(tmp_path: Path) -> None:
    ready(tmp_path, "tensorboard")
    with chdir(tmp_path):
        params = replace(load_params(), task="json")  # the targets are lists of names
        watch = watched_sheets(params, cast("Encoder", None), messages=train.MESSAGES, clean=train.CLEAN)
    assert watch is None


def test_what_a_model_says_is_no_markup() -> None:
    said = tracking.WatchedAnswer("owner/board", 0.5, "<b>R1</b>\n# C1", "R1, C1")
    lines = tracking._markdown(tracking.Watched(0.5, [said, said])).splitlines()
    assert lines[0] == "F1 0.500 on 2 validation sheets" and lines.count("    # C1") == 2
    assert [line for line in lines if line and not line.startswith("    ")] == [lines[0], "---", "---"]


def test_nothing_is_written_where_nothing_is_tracked(tmp_path: Path) -> None:
    ready(tmp_path, "none")
    run_train(tmp_path)
    assert not (tmp_path / "models" / ".training_log").exists()
    assert json.loads((tmp_path / "metrics" / "train.json").read_text())["sheets"] == 6

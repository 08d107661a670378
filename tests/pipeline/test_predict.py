"""Reading sheets by the command, with the small base model and an adapter that nobody trained."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from schematic_reader.config import load_params
from schematic_reader.generation.answerer import open_answerer
from schematic_reader.io.tables import CLEAN, write_rows
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.predict import dropped_files, rendering, server
from schematic_reader.synthetic.sample import make_row
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import ModelAnswer
from schematic_reader.tasks.messages import chat
from stages import predict
from tests.support.adapters import save_random_adapter
from tests.support.foreign_files import BAD, pdf
from tests.support.paths import ROOT

SHEETS = (5, 6, 7)


@dataclass(frozen=True)
class Done:
    """What a run printed and how it ended."""

    out: str
    err: str
    log: str
    status: int

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


Predict = Callable[..., Done]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with params, the base model, an adapter of random weights and sheets in several forms."""
    folder = tmp_path_factory.mktemp("project")
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["evaluate"]["max_new_tokens"] = 24
    params["profiles"]["sample"]["image"]["max_side"] = 256
    # Exact products: what is said of a sheet must not depend on those beside it.
    params["profiles"]["sample"]["model"] |= {"batch_size": 2, "matmul": "highest"}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "models").mkdir()
    (folder / "models" / "tiny").symlink_to(ROOT / "models" / "tiny")
    (folder / "in").mkdir()
    for number in SHEETS:
        row = make_row(number, 42, width=640, height=448)
        (folder / "in" / f"{number}.png").write_bytes(row["image"]["bytes"])
        (folder / f"{number}.kicad_sch").write_text(row["schematic"])
    with chdir(folder):
        save_random_adapter(load_params(), folder / "models" / "adapter")
    return folder


@pytest.fixture
def run(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Predict:
    """Runs the command in the project's folder."""

    def run(*words: str, stdin: bytes = b"") -> Done:
        monkeypatch.setattr("sys.argv", ["predict", *words])
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        caplog.clear()
        with chdir(project), pytest.raises(SystemExit) as end:
            predict.run(predict.main)
        printed = capsys.readouterr()
        return Done(printed.out, printed.err, caplog.text, int(end.value.code or 0))

    return run


def found(done: Done) -> dict[str, dict[str, Any]]:
    """The sheets of a JSON output by the file's name without its folder."""
    return {Path(sheet["file"]).name: sheet for sheet in json.loads(done.out)["sheets"]}


@pytest.fixture(scope="module")
def examined(project: Path, tmp_path_factory: pytest.TempPathFactory) -> list[ModelAnswer]:
    """What the model answers where ``stages.evaluate`` asks it: clean rows, message rows, ``SheetImages``."""
    clean = tmp_path_factory.mktemp("clean")
    with chdir(project):
        params = load_params()
        sources = [make_row(number, 42, width=640, height=448) for number in SHEETS]
        rows = [
            dict.fromkeys(CLEAN.names, None)
            | {"id": str(i), "image": row["image"]["bytes"], "width": 640, "height": 448}
            for i, row in enumerate(sources)
        ]
        write_rows(clean / "test" / "part-00.parquet", CLEAN, rows)
        prompt = task_named("components").prompt(
            {"name": "unknown", "type": ".kicad_sch"}, form="compact", with_name=True
        )
        messages = [
            {"id": str(i), "part": "part-00.parquet", "row": i, "messages": chat(prompt, "R, C")}
            for i in range(len(rows))
        ]
        answerer = open_answerer(
            params.active.model,
            task_named("components"),
            params.evaluate,
            seed=1,
            adapter=Path("models/adapter"),
        )
        return answerer.answer(SheetImages(clean, "test", params.active.image), messages)


def test_it_asks_and_shows_exactly_what_evaluate_does(run: Predict, examined: list[ModelAnswer]) -> None:
    done = run("in", "--format", "json")
    assert (done.status, done.errors) == (0, [])
    assert [sheet["answer"] for sheet in found(done).values()] == [answer.text for answer in examined]
    assert len({answer.text for answer in examined}) > 1
    # The confidence of a name is the geometric mean over its tokens and the one behind it.
    first = found(done)["5.png"]["parts"][0]
    at = examined[0].text.index(first["part"]) + len(first["part"])
    last = next(i for i, end in enumerate(examined[0].ends) if end >= at)
    expected = np.exp(np.mean(np.log(examined[0].probabilities[: last + 2])))
    assert first["confidence"] == pytest.approx(expected, abs=2e-4)
    assert "confidences are uncalibrated token probabilities" in done.log


def test_the_same_sheet_in_another_form_and_from_standard_input(
    run: Predict, project: Path, examined: list[ModelAnswer]
) -> None:
    png = (project / "in" / "5.png").read_bytes()
    done = run("-", "5.kicad_sch", "in/6.png", "--ask", "--format", "json", stdin=png)
    sheets = found(done)
    assert list(sheets) == ["standard input", "5.kicad_sch", "6.png"]
    # The renderer draws the picture that the data set has.
    assert sheets["standard input"]["answer"] == sheets["5.kicad_sch"]["answer"] == examined[0].text
    assert sheets["6.png"]["answer"] == examined[1].text


def test_a_kicad_file_needs_no_model(run: Predict, project: Path) -> None:
    done = run("5.kicad_sch", "--adapter", "models/none", "--format", "json")
    assert (done.status, done.errors) == (0, [])
    (sheet,) = json.loads(done.out)["sheets"]
    assert sheet["read from"] == "file" and json.loads(done.out)["calibrated"]
    assert [part["part"] for part in sheet["parts"]] == make_row(5, 42, width=640, height=448)[
        "components_used"
    ]
    assert {part["confidence"] for part in sheet["parts"]} == {1.0}
    one = run("-", "--task", "yaml", stdin=(project / "5.kicad_sch").read_bytes())
    assert task_named("yaml").parse(one.out).valid


def test_csv_and_table_have_the_same_parts(run: Predict) -> None:
    rows = list(csv.DictReader(io.StringIO(run("in").out.removeprefix("\ufeff"))))
    table = run("in", "--format", "table").out.splitlines()
    assert table[0].split() == ["part", "kind", "seen", "in", "confidence"]
    assert len(rows) == len(table) - 1 > 0
    assert all(0 < float(row["confidence"]) <= 1 and row["seen in"] for row in rows)


def test_confidences_are_calibrated_where_a_calibration_goes_with_the_model(
    run: Predict, project: Path
) -> None:
    raw = found(run("in/5.png", "--format", "json"))["5.png"]["parts"]
    points = [{"raw": 0.1, "right": 0.2}, {"raw": 0.9, "right": 0.4}]
    path = project / "data" / "predictions" / "calibration.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"items": 50, "points": points}))
    try:
        done = run("in/5.png", "--format", "json")
    finally:
        shutil.rmtree(project / "data")
    assert json.loads(done.out)["calibrated"] and "what it says of itself" not in done.log
    for before, after in zip(raw, found(done)["5.png"]["parts"], strict=True):
        share = min(max((before["confidence"] - 0.1) / 0.8, 0), 1)
        assert after["confidence"] == pytest.approx(0.2 + 0.2 * share, abs=2e-4)


def test_bad_files_are_a_line_each_and_the_others_are_read(
    run: Predict, project: Path, tmp_path: Path, examined: list[ModelAnswer]
) -> None:
    for name, (data, _) in BAD.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "good.png").write_bytes((project / "in" / "5.png").read_bytes())
    (tmp_path / "two.pdf").write_bytes(pdf(content="0 0 99 99 re f", pages=2))
    names = [str(path) for path in sorted(tmp_path.iterdir())]
    done = run(*names, "missing.png", "--format", "json")
    assert done.status == len(BAD) + 1 == len(done.errors)
    for name, (_, line) in BAD.items():
        assert sum(f"{name}: " in error and line in error for error in done.errors) == 1
    assert "error: missing.png: no such file or directory" in done.errors
    assert "Traceback" not in done.err
    sheets = json.loads(done.out)["sheets"]
    assert [(Path(sheet["file"]).name, sheet["page"]) for sheet in sheets] == [
        ("good.png", None), ("two.pdf", 1), ("two.pdf", 2),
    ]  # fmt: skip
    assert sheets[0]["answer"] == examined[0].text


def test_only_bad_files_need_no_model_and_print_nothing(run: Predict) -> None:
    done = run("none.png", "nor.pdf")
    assert (done.out, done.status, len(done.errors)) == ("", 2, 2)
    assert "torch" not in done.log


@pytest.mark.parametrize(
    ("adapter", "line"),
    [
        ("models/none", "there is no folder models/none"),
        ("../none", "there is no folder ../none"),
        (
            "nobody/there-is-no-such-adapter",
            "no adapter 'nobody/there-is-no-such-adapter' here or on the Hub",
        ),
        ("in", "in holds no adapter_config.json"),
    ],
)
def test_an_adapter_that_does_not_exist(
    run: Predict, monkeypatch: pytest.MonkeyPatch, adapter: str, line: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    done = run("in/5.png", "--adapter", adapter)
    assert (done.out, done.status, len(done.err.splitlines())) == ("", 1, 1)
    assert done.errors[0].startswith(f"error: {line}")


def test_a_missing_adapter_says_how_to_get_one(run: Predict, project: Path, tmp_path: Path) -> None:
    shutil.move(project / "models" / "adapter", tmp_path / "adapter")
    try:
        done = run("in/5.png", "--adapter", "models/adapter")
    finally:
        shutil.move(tmp_path / "adapter", project / "models" / "adapter")
    assert done.status == 1
    assert "run `dvc repro` to train one, or `dvc pull`" in done.err


def test_an_adapter_of_a_base_that_does_not_exist_or_of_another_shape(
    run: Predict, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    shutil.copytree(project / "models" / "adapter", tmp_path / "a")
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    for key, value, line in (
        ("base_model_name_or_path", "nobody/no-such-model", "could be loaded from 'nobody/no-such-model'"),
        ("r", 8, "is damaged or was trained on another model than models/tiny"),
    ):
        (tmp_path / "a" / "adapter_config.json").write_text(json.dumps(config | {key: value}))
        done = run("in/5.png", "--adapter", str(tmp_path / "a"))
        assert (done.out, done.status, len(done.errors)) == ("", 1, 1)
        assert line in done.errors[0]


def test_a_whole_model_reads_too_and_the_adapter_made_a_difference(
    run: Predict, examined: list[ModelAnswer]
) -> None:
    files = [f"{number}.png" for number in SHEETS]
    done = run(*(f"in/{file}" for file in files), "--adapter", "models/tiny", "--format", "json")
    assert done.status == 0
    answers = [found(done)[file]["answer"] for file in files]
    assert all(answers) and answers != [answer.text for answer in examined]


def test_the_other_tasks_print_the_answer_itself(run: Predict) -> None:
    one = run("in/5.png", "--task", "yaml")
    assert "may not know yaml" in one.log
    two = run("in/5.png", "in/6.png", "--task", "yaml").out
    assert two.startswith(f"==> in/5.png <==\n{one.out}\n==> in/6.png <==\n")
    assert found(run("in/5.png", "--task", "yaml", "--format", "json"))["5.png"]["parts"] == []
    refused = run("in/5.png", "--task", "yaml", "--format", "csv")
    assert refused.status == 1 and "has no columns" in refused.err


@contextmanager
def edited(project: Path, *edits: tuple[str, str]) -> Iterator[None]:
    """params.yaml with these replacements."""
    path = project / "params.yaml"
    before = text = path.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


def test_answers_are_held_to_the_grammar_where_evaluate_does_so(run: Predict, project: Path) -> None:
    with edited(project, ("task: components", "task: json"), ("grammar: false", "grammar: true")):
        done = run("in/5.png")
    assert task_named("json").parse(done.out).valid
    with edited(project, ("task: components", "task: json")):
        assert not task_named("json").parse(run("in/5.png").out).valid


def test_pictures_of_another_profile_s_size_are_told(run: Predict, project: Path) -> None:
    """The adapter's base is that of the profile sample."""
    own, other = (
        load_params(project / "params.yaml").profiles[name].image for name in ("sample", "open-schematics")
    )
    line = "models/adapter has the base model of profile sample, and pictures have the size of profile open-"
    assert line not in run("in/5.png").log
    with edited(project, ("\nprofile: sample", "\nprofile: open-schematics")):
        assert line in run("in/5.png").log
        sizes = [
            f"max_pixels: {image.max_pixels}\n      max_side: {image.max_side}\n" for image in (own, other)
        ]
        with edited(project, (sizes[0], sizes[1])):
            assert line not in run("in/5.png").log


def test_a_cut_answer_is_told(run: Predict, project: Path) -> None:
    with edited(project, ("max_new_tokens: 24", "max_new_tokens: 1")):
        done = run("in/5.png", "--format", "json")
    assert found(done)["5.png"]["cut"]
    assert "in/5.png: answer truncated at evaluate.max_new_tokens" in done.log


@pytest.mark.parametrize("words", [[], ["--serve", "in/5.png"], ["in/5.png", "--format", "xls"]])
def test_a_command_line_that_makes_no_sense(run: Predict, words: list[str]) -> None:
    assert run(*words).status == 2


DOCUMENT = (ROOT / "docs" / "predicting.md").read_text()
COMMANDS = re.findall(r"^(python -m stages\.predict .*)$", DOCUMENT, re.MULTILINE)
ELSEWHERE = {"python -m stages.predict --serve"}  # run by test_predict_server.py


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - ELSEWHERE))
def test_the_commands_of_the_document(
    run: Predict, project: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command.endswith("# needs the network"):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert "here or on the Hub" in run(*shlex.split(command, comments=True)[3:]).errors[0]
        return
    sheet = (project / "in" / "5.png").read_bytes()
    (project / "scans").mkdir(exist_ok=True)
    for name in ("sheet.png", "scans/1.png"):
        (project / name).write_bytes(sheet)
    shutil.copyfile(project / "5.kicad_sch", project / "main.kicad_sch")
    (project / "board.pdf").write_bytes(pdf(content="0 0 99 99 re f"))
    line, _, _ = command.partition(" > ")
    line, _, piped = line.partition(" < ")
    done = run(*shlex.split(line)[3:], stdin=sheet if piped else b"")
    assert done.status == 0 and done.out


def test_the_document_s_limits_are_those_of_the_code() -> None:
    assert COMMANDS and set(COMMANDS) >= ELSEWHERE
    text = " ".join(DOCUMENT.split())
    for fact in (
        f"over {rendering.MAX_PAGES} pages",
        f"At most {server.MAX_FILES} files, {dropped_files.MAX_SHEETS} sheets and "
        f"{server.MAX_UPLOAD // 1_000_000} MB at once",
        f"({predict.MAX_EXIT_STATUS} at most)",
    ):
        assert fact in text


def test_help_needs_no_torch() -> None:
    code = "import runpy, sys\nsys.argv = ['predict', '--help']\ntry:\n    runpy.run_module('stages.predict', run_name='__main__')\nexcept SystemExit:\n    print('torch' in sys.modules, 'transformers' in sys.modules)"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--adapter" in done.stdout and done.stdout.endswith("False False\n")

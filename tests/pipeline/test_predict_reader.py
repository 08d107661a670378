"""The reader that ships: found first, asked as it was trained, and its answers as those to every task."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from schematic_reader.config import ImageLimits, load_params
from schematic_reader.io.adapter_digests import write_adapter_digests
from schematic_reader.io.picture import fitted_size, resized
from schematic_reader.io.reader_settings import ReaderSettings, weights_digest
from schematic_reader.predict.opened_sheet import render_scale
from schematic_reader.synthetic.sample import make_row
from schematic_reader.tasks import task as task_named
from stages import predict
from tests.support.adapters import save_random_adapter, save_reader
from tests.support.paths import ROOT

ANSWER = (
    '{"symbols":[["R1","Device:R","10k"],["R2","Device:R","10k"],["C1","Device:C","100n"],'
    '["power:GND","GND"]],"labels":["CLK"]}'
)
SETTINGS = ReaderSettings("json", "compact", False, ImageLimits(192, 65536), None, 120, None)
LINE = "read by models/reader on models/tiny, trained for the task json"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both adapters, and settings that are not those of the reader."""
    folder = tmp_path_factory.mktemp("project")
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["evaluate"]["max_new_tokens"] = 8
    params["profiles"]["sample"]["model"]["matmul"] = "highest"
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "models").mkdir()
    (folder / "models" / "tiny").symlink_to(ROOT / "models" / "tiny")
    row = make_row(5, 42, width=640, height=448)
    (folder / "sheet.png").write_bytes(row["image"]["bytes"])
    (folder / "sheet.kicad_sch").write_text(row["schematic"])
    with chdir(folder), Image.open("sheet.png") as file:
        limits = SETTINGS.image
        shown = fitted_size(*file.size, max_side=limits.max_side, max_pixels=limits.max_pixels)
        settings = replace(SETTINGS, base_weights=weights_digest(Path("models/tiny")))
        picture = resized(file.convert("RGB"), shown)
        save_reader(settings, load_params(), picture, ANSWER, folder / "models" / "reader")
        save_random_adapter(load_params(), folder / "models" / "adapter")
    return folder


@pytest.fixture
def own_copy(project: Path, tmp_path: Path) -> Path:
    """A copy of ``project`` to change."""
    return Path(shutil.copytree(project, tmp_path / "own", symlinks=True))


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str, int]]:
    """Runs the command in a folder; returns its output, what it says beside it, and its status."""
    caplog.set_level("INFO")

    def run(folder: Path, *words: str) -> tuple[str, str, int]:
        monkeypatch.setattr("sys.argv", ["predict", *words])
        capsys.readouterr()
        caplog.clear()
        with chdir(folder), pytest.raises(SystemExit) as end:
            predict.run(predict.main)
        printed = capsys.readouterr()
        return printed.out, printed.err + caplog.text, int(end.value.code or 0)

    return run


Run = Callable[..., tuple[str, str, int]]


def test_it_answers_first_as_it_was_trained_and_lists_parts(project: Path, run: Run) -> None:
    """By its own prompt, picture size and length of answer: those of params.yaml give another answer."""
    out, said, status = run(project, "sheet.png")
    assert (status, said.count("read by "), said.count(LINE)) == (0, 1, 1)
    assert "truncated" not in said and "may not know" not in said
    rows = list(csv.DictReader(io.StringIO(out.removeprefix("\ufeff"))))
    assert [(row["part"], row["kind"], row["seen in"]) for row in rows] == [
        ("C", "capacitor", "sheet.png"), ("GND", "power", "sheet.png"), ("R", "resistor", "sheet.png"),
    ]  # fmt: skip
    assert all(0.5 < float(row["confidence"]) <= 1 for row in rows)


def test_its_answer_is_one_to_every_task(project: Path, run: Run) -> None:
    expected = task_named("json").parse(ANSWER).items
    assert run(project, "sheet.png", "--task", "json")[0] == f"{ANSWER}\n"
    for name in ("yaml", "schematic"):
        out, said, status = run(project, "sheet.png", "--task", name)
        assert (status, task_named(name).parse(out).items) == (0, expected), said
    found = json.loads(run(project, "sheet.png", "--format", "json")[0])
    assert (found["task"], found["sheets"][0]["answer"]) == ("components", "R, C, GND")
    assert [(line["references"], line["quantity"], line["value"]) for line in found["bom"]] == [
        (["C1"], 1, "100n"), (["R1", "R2"], 2, "10k"),
    ]  # fmt: skip


def test_bill_of_materials_and_symbol_list(project: Path, run: Run) -> None:
    out, said, _ = run(project, "sheet.png", "--format", "bom")
    assert [line.rsplit(",", 2)[0] for line in out.splitlines()[1:]] == [
        "C1,100n,1,C,capacitor,sheet.png",
        '"R1, R2",10k,2,R,resistor,sheet.png',
    ]
    assert "names alone" not in said
    assert run(project, "sheet.png", "--format", "kicad")[0].count("(symbol") == 5
    assert run(project, "sheet.png", "--format", "table")[0].splitlines()[1].split()[:2] == ["C", "capacitor"]


def test_an_adapter_that_is_named_answers_instead(project: Path, run: Run) -> None:
    _, said, status = run(project, "sheet.png", "--adapter", "models/adapter")
    assert status == 0 and "read by models/adapter on models/tiny\n" in said and "models/reader" not in said
    assert run(project, "sheet.png", "--adapter", "models/reader")[0] == f"{ANSWER}\n"  # its own task
    listed = run(project, "sheet.png", "--adapter", "models/reader", "--format", "csv")[0]
    assert "R,resistor,sheet.png" in listed


def test_where_none_ships_the_checkout_s_own_adapter_answers(own_copy: Path, run: Run) -> None:
    shutil.rmtree(own_copy / "models" / "reader")
    assert "read by models/adapter on models/tiny\n" in run(own_copy, "sheet.png")[1]
    shutil.rmtree(own_copy / "models" / "adapter")
    out, said, status = run(own_copy, "sheet.png")
    assert (out, status, said.count("error: ")) == ("", 1, 1)
    assert "error: there is no folder models/reader: run `git checkout models/reader`, or name" in said


def test_an_adapter_that_knows_names_alone_is_not_asked_for_more(own_copy: Path, run: Run) -> None:
    adapter = own_copy / "models" / "adapter"
    replace(SETTINGS, task="components", answer_tokens=4).write(adapter)
    out, said, status = run(own_copy, "sheet.png", "--adapter", "models/adapter", "--task", "json")
    assert (out, status, said.count("error: ")) == ("", 1, 1)
    line = "error: models/adapter was trained for the task components, whose answers are names alone, without"
    assert line in said
    _, said, status = run(own_copy, "sheet.png", "--adapter", "models/adapter")
    assert status == 0 and "trained for the task components" in said
    # A KiCad file is read as it is, whatever the adapter knows.
    out, said, status = run(own_copy, "sheet.kicad_sch", "--adapter", "models/adapter", "--task", "yaml")
    assert status == 0 and task_named("yaml").parse(out).valid


@pytest.fixture
def other_base(own_copy: Path) -> Iterator[Path]:
    """A base model of the same shape whose weights are not those of the training."""
    (own_copy / "models" / "tiny").unlink()
    base = Path(shutil.copytree(ROOT / "models" / "tiny", own_copy / "models" / "tiny"))
    weights = sorted(base.glob("*.safetensors"))[-1]
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    yield own_copy


def test_its_base_is_of_another_version_or_missing(other_base: Path, run: Run) -> None:
    out, said, status = run(other_base, "sheet.png")
    assert (out, status, said.count("error: ")) == ("", 1, 1)
    assert "error: models/reader was trained on other weights than models/tiny has now: " in said
    shutil.rmtree(other_base / "models" / "tiny")
    out, said, status = run(other_base, "sheet.png")
    assert (out, status, said.count("error: ")) == ("", 1, 1)
    missing = "error: models/reader needs its base model models/tiny, which is not there: run `git checkout "
    assert missing in said


def test_a_whole_model_with_settings_follows_them(own_copy: Path, run: Run) -> None:
    model = shutil.copytree(ROOT / "models" / "tiny", own_copy / "whole")
    SETTINGS.write(model)
    _, said, status = run(own_copy, "sheet.png", "--adapter", "whole", "--task", "yaml")
    assert status == 0 and "read by whole, trained for the task json" in said


@pytest.mark.parametrize("listed", [True, False])
def test_damaged_settings_are_a_line(own_copy: Path, run: Run, listed: bool) -> None:
    reader = own_copy / "models" / "reader"
    (reader / "reader.json").write_text("{")
    if listed:
        write_adapter_digests(reader)
    out, said, status = run(own_copy, "sheet.png")
    assert (out, status, said.count("error: ")) == ("", 1, 1)
    assert "error: models/reader/reader.json is damaged: get the adapter anew" in said


def test_an_answer_that_says_nothing_readable_is_told(own_copy: Path, run: Run) -> None:
    """The first token of one in JSON, ``{``, is not."""
    reader = own_copy / "models" / "reader"
    replace(SETTINGS, answer_tokens=1).write(reader)
    write_adapter_digests(reader)
    settings = yaml.safe_load((own_copy / "params.yaml").read_text())
    settings["evaluate"]["max_new_tokens"] = 1
    (own_copy / "params.yaml").write_text(yaml.safe_dump(settings))
    out, said, status = run(own_copy, "sheet.png")
    assert (status, said.count("nothing was read"), said.count("truncated")) == (0, 1, 1)
    assert out.splitlines()[1] == ",nothing read,sheet.png,"


def test_drawn_sheets_have_the_scale_of_its_training() -> None:
    params = load_params(ROOT / "params.yaml")
    assert render_scale(params).canvas == (640, 448)
    assert render_scale(params, SETTINGS).canvas is None
    assert render_scale(params, replace(SETTINGS, canvas=(320, 240))).canvas == (320, 240)

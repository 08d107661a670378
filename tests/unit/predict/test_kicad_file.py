"""A KiCad file is read, not guessed: parts, references and values, through its sub-sheets."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits
from schematic_reader.kicad.kiutils import to_json
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.predict.batches import read_files
from schematic_reader.predict.kicad_file import KicadReading, read_kicad
from schematic_reader.predict.opened_sheet import OpenedSheet, SheetLimits
from schematic_reader.predict.output import as_csv, as_json, as_table
from schematic_reader.predict.parts import Part, Reading
from schematic_reader.predict.rendering import RenderScale
from schematic_reader.predict.server import read_upload
from schematic_reader.synthetic.sample import make_row
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import Form
from tests.support.foreign_files import picture
from tests.support.kicad_projects import (
    CHANNEL,
    PROJECT,
    ROOT_SHEET,
    box,
    placed,
    sheet,
    write_project,
    write_project_in_capitals,
)

LIMITS = SheetLimits(ImageLimits(1024, 1_048_576), 150_000_000, RenderScale(4.0, 1024, 1_048_576))
COMPONENTS = partial(read_kicad, task=task_named("components"), form="compact")
FILES = {
    "amp.kicad_sch": ROOT_SHEET.encode(),
    "parts/channel.kicad_sch": CHANNEL.encode(),
    "amp.kicad_pro": PROJECT.encode(),
}


CHANNEL_PART = placed("Device:R", "1", "R1", "1k")


class Model:
    """Stands where a model is asked: says one part for each picture, and which sheets it was asked about."""

    task, calibrated, batch_size = "components", False, 2

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.pictures: list[Image.Image] = []

    def read(self, sheets: list[OpenedSheet]) -> list[Reading]:
        self.asked += [Path(sheet.origin.file).name for sheet in sheets]
        self.pictures += [sheet.picture for sheet in sheets]
        return [Reading(sheet.origin, "X", (Part("X", 0.5),), cut=False) for sheet in sheets]


def run(*words: Path | str, kicad: Any = COMPONENTS) -> tuple[list[Reading], int, Model]:
    model = Model()
    load: Any = lambda: model  # noqa: E731
    readings, failed, _ = read_files([str(word) for word in words], LIMITS, load, kicad=kicad)
    return readings, failed, model


def test_a_sheet_that_is_hardly_readable_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.png"
    Image.effect_noise((64, 64), 99).convert("RGB").save(path)
    for readable, told in ((True, 0), (None, 0), (False, 1)):
        caplog.clear()
        parts = (Part("X", 0.1),)
        answered = partial(Reading, answer="X", parts=parts, cut=False, readable=readable)
        monkeypatch.setattr(
            Model, "read", lambda _, sheets, said=answered: [said(one.origin) for one in sheets]
        )
        assert run(path)[1] == 0
        assert caplog.text.count("a.png: does not look like the sheets") == told


def test_of_a_root_sheet_its_sub_sheets_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On a picture they are all that there is; those of a file are followed, so nothing is amiss."""
    Image.effect_noise((64, 64), 99).convert("RGB").save(tmp_path / "a.png")
    answered = partial(Reading, answer="", parts=(), cut=False, sub_sheets=("left", "ri\x1bght"))
    monkeypatch.setattr(Model, "read", lambda _, sheets: [answered(one.origin) for one in sheets])
    assert run(tmp_path / "a.png")[1] == 0
    assert "a.png: no part was read, but sub-sheets: left, ri\ufffdght" in caplog.text
    assert "nothing was read" not in caplog.text
    caplog.clear()
    (tmp_path / "root.kicad_sch").write_text(sheet("root", box("b", "left", "left.kicad_sch")))
    (tmp_path / "left.kicad_sch").write_text(sheet("left", CHANNEL_PART))
    (read, *_), _, _ = run(tmp_path / "root.kicad_sch")
    assert read.has_sub_sheets_alone and read.sub_sheets == ("left",)
    assert caplog.text == ""


def test_parts_references_and_values_are_those_of_the_file() -> None:
    found = COMPONENTS("amp.kicad_sch", FILES.get, project="amp.kicad_pro")
    assert [(str(r.origin), r.answer, r.parts) for r in found.readings] == [
        ("amp.kicad_sch", "R, GND", (Part("R", 1.0, (("R2", "1k"),)), Part("GND", 1.0, ()))),
        ("parts/channel.kicad_sch /Left/", "R", (Part("R", 1.0, (("R10", "10k"), ("R11", "4k7"))),)),
        ("parts/channel.kicad_sch /Right/", "R", (Part("R", 1.0, (("R20", "10k"), ("R21", "4k7"))),)),
    ]
    assert found.notes == [
        "amp.kicad_sch: sub-sheet 'gone.kicad_sch' (/Gone) is not there and is not followed",
        "amp.kicad_sch: sub-sheet 'amp.kicad_sch' (/Self) contains itself and is not followed",
    ]
    assert {reading.origin.file for reading in found.readings} == {"amp.kicad_sch", "parts/channel.kicad_sch"}


def test_generated_sheets_have_exactly_the_components_of_their_row() -> None:
    for number in (5, 6, 7):
        row = make_row(number, 42, width=640, height=448)
        found = COMPONENTS("a", {"a": row["schematic"].encode()}.get, project=None)
        assert [part.name for part in found.readings[0].parts] == row["components_used"]


def test_every_format_says_that_it_was_read_from_the_file() -> None:
    readings = COMPONENTS("amp.kicad_sch", FILES.get, project="amp.kicad_pro").readings
    rows = list(csv.reader(io.StringIO(as_csv(readings).removeprefix("\ufeff"))))
    assert rows[0] == ["part", "kind", "seen in", "confidence", "references", "values", "read from"]
    assert rows[2][4:] == ["R2; R10; R11; R20; R21", "1k; 10k; 4k7; 10k; 4k7", "file"]
    assert rows[1][3:] == ["1.000", "", "", "file"]
    assert as_table(readings).splitlines()[0].endswith("read from")
    sheets = json.loads(as_json(readings, task="components", calibrated=True))["sheets"]
    assert [(one["read from"], one["sheet"]) for one in sheets] == [
        ("file", "/"), ("file", "/Left/"), ("file", "/Right/"),
    ]  # fmt: skip
    assert sheets[0]["parts"][0] == {
        "part": "R",
        "kind": "resistor",
        "confidence": 1.0,
        "placed": [{"reference": "R2", "value": "1k"}],
    }


@pytest.mark.parametrize("form", ["compact", "verbatim"])
@pytest.mark.parametrize("name", ["yaml", "json", "schematic"])
def test_structured_tasks_get_the_answer_that_the_data_set_has(name: str, form: Form) -> None:
    row = make_row(5, 42, width=640, height=448)
    task = task_named(name)
    found = read_kicad("a", {"a": row["schematic"].encode()}.get, project=None, task=task, form=form)
    (reading,) = found.readings
    assert task.parse(reading.answer).items == task.parse(task.target(row, form=form) or "").items
    assert reading.parts == () and reading.from_file
    if (name, form) == ("json", "verbatim"):
        assert reading.answer == to_json(read_sheet(row["schematic"]))


def test_what_is_not_populated_and_variants_are_named() -> None:
    variant = '(variant (name "Lite") (dnp yes))'
    text = sheet(
        "r",
        placed("Device:R", "a", "R10", "1", more="(dnp yes)"),
        placed("Device:R", "b", "R9", "2", more="(dnp yes)", x=70),
        placed("Device:R", "c", "R1", "3", ("/r", "R1"), x=90).replace(
            '(reference "R1") (unit 1)', f'(reference "R1") (unit 1) {variant}'
        ),
    )
    assert COMPONENTS("a", {"a": text.encode()}.get, project=None).notes == [
        "a: /: do not populate R9, R10: only the bill of materials follows that",
        "a: /: variants Lite are not read: the parts are those of none",
    ]


def test_files_pictures_and_projects_come_in_their_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_project(tmp_path / "board")
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(picture())
    readings, failed, model = run(tmp_path / "1.png", root, tmp_path / "2.png")
    assert [Path(r.origin.file).name for r in readings] == [
        "1.png", "amp.kicad_sch", "channel.kicad_sch", "channel.kicad_sch", "2.png",
    ]  # fmt: skip
    assert [r.from_file for r in readings] == [False, True, True, True, False]
    assert (failed, model.asked) == (0, ["1.png", "2.png"])
    assert sum("is not followed" in line for line in caplog.messages) == 2
    names = [r.origin.file for r in run(root.with_suffix(".kicad_pro"))[0]]
    assert names == [str(root), *[str(root.parent / "parts" / "channel.kicad_sch")] * 2]


def test_a_folder_is_its_root_sheets_with_what_is_below_them(tmp_path: Path) -> None:
    write_project(tmp_path)
    (tmp_path / "alone.kicad_sch").write_text(sheet("x", placed("Device:R", "a", "R1", "1")))
    readings, failed, model = run(tmp_path)
    assert [(Path(r.origin.file).name, r.origin.sheet) for r in readings] == [
        ("alone.kicad_sch", "/"), ("amp.kicad_sch", "/"), ("channel.kicad_sch", "/Left/"),
        ("channel.kicad_sch", "/Right/"),
    ]  # fmt: skip
    assert (failed, model.asked) == (0, [])


@pytest.mark.parametrize("kicad", [COMPONENTS, None])
@pytest.mark.parametrize(
    "words",
    [
        ["amp.kicad_pro", "amp.kicad_sch", "parts"],  # as the shell makes of an asterisk
        ["amp.kicad_sch", "amp.kicad_pro"],
        ["parts/channel.kicad_sch", "amp.kicad_sch", "linked.kicad_sch"],
        ["parts/channel.kicad_sch", "amp.kicad_pro"],
        [".", "parts", "amp.kicad_sch"],
        ["amp.kicad_sch", "amp.kicad_sch"],
    ],
)
def test_what_a_command_line_names_twice_is_read_once(tmp_path: Path, words: list[str], kicad: Any) -> None:
    write_project(tmp_path)
    if "linked.kicad_sch" in words:
        (tmp_path / "linked.kicad_sch").symlink_to("amp.kicad_sch")
    readings, failed, _ = run(*(tmp_path / word for word in words), kicad=kicad)
    assert [str(reading.origin).replace(f"{tmp_path}/", "") for reading in readings] == [
        "amp.kicad_sch", "parts/channel.kicad_sch /Left/", "parts/channel.kicad_sch /Right/",
    ]  # fmt: skip
    assert failed == 0


def test_a_sub_sheet_that_is_named_alone_or_below_a_bad_root_is_read_by_itself(tmp_path: Path) -> None:
    root, part = write_project(tmp_path), tmp_path / "parts" / "channel.kicad_sch"
    assert [reading.origin.sheet for reading in run(part)[0]] == ["/"]
    root.write_text(ROOT_SHEET[:-50])
    readings, failed, _ = run(tmp_path / "amp.kicad_pro", part)
    assert ([reading.origin.sheet for reading in readings], failed) == (["/"], 1)
    (tmp_path / "amp.kicad_pro").write_text("no JSON")
    readings, failed, _ = run(tmp_path / "amp.kicad_pro", part)
    assert ([reading.origin.sheet for reading in readings], failed) == (["/"], 1)


@pytest.mark.parametrize("kicad", [COMPONENTS, None])
@pytest.mark.parametrize("named", ["amp.KICAD_SCH", "amp.KICAD_PRO", "."])
def test_a_suffix_in_capitals_is_that_suffix(tmp_path: Path, named: str, kicad: Any) -> None:
    write_project_in_capitals(tmp_path)
    readings, failed, _ = run(tmp_path / named, kicad=kicad)
    assert failed == 0
    assert [str(reading.origin).replace(f"{tmp_path}/", "") for reading in readings] == [
        "amp.KICAD_SCH", "parts/channel.KICAD_SCH /Left/", "parts/channel.KICAD_SCH /Right/",
    ]  # fmt: skip
    if kicad:
        assert ("R11", "4k7") in readings[1].parts[0].placed  # by the project file


@pytest.mark.parametrize("kicad", [COMPONENTS, None])
@pytest.mark.parametrize("named", ["amp.kicad_sch", "amp.kicad_pro", "."])
def test_a_sub_sheet_is_found_by_its_name_in_other_case(tmp_path: Path, named: str, kicad: Any) -> None:
    """Windows takes one for the other."""
    write_project(tmp_path)
    (tmp_path / "parts" / "channel.kicad_sch").rename(tmp_path / "parts" / "CHANNEL.KICAD_SCH")
    (tmp_path / "parts").rename(tmp_path / "Parts")
    readings, failed, _ = run(tmp_path / named, kicad=kicad)
    assert failed == 0
    assert [str(reading.origin).replace(f"{tmp_path}/", "") for reading in readings] == [
        "amp.kicad_sch", "Parts/CHANNEL.KICAD_SCH /Left/", "Parts/CHANNEL.KICAD_SCH /Right/",
    ]  # fmt: skip


def test_root_sheets_that_a_project_lists_in_other_case_are_one_project(tmp_path: Path) -> None:
    project = tmp_path / "p.kicad_pro"
    names = ("one.kicad_sch", "two.kicad_sch")
    listed = {"schematic": {"top_level_sheets": [{"filename": name} for name in names]}}
    project.write_text(json.dumps(listed))
    for name in names:
        (tmp_path / name.upper()).write_text(sheet(name, CHANNEL_PART))
    readings, failed, _ = run(project)
    assert failed == 0
    assert [(r.origin.file, r.origin.project) for r in readings] == [
        (str(tmp_path / name.upper()), str(project)) for name in names
    ]


@pytest.mark.parametrize("place", [".", "sub"])
def test_a_root_sheet_has_the_text_variables_of_the_project_that_lists_it(tmp_path: Path, place: str) -> None:
    """Another project may lie beside it, or none."""
    root = tmp_path / place / "a.kicad_sch"
    root.parent.mkdir(exist_ok=True)
    root.write_text(sheet("a", placed("Device:R", "1", "R1", "${OHMS}")))
    listed = {"schematic": {"top_level_sheets": [{"filename": f"{place}/a.kicad_sch"}]}}
    (tmp_path / "p.kicad_pro").write_text(json.dumps({"text_variables": {"OHMS": "4k7"}} | listed))
    (tmp_path / "q.kicad_pro").write_text("{}")
    (reading,), failed, _ = run(tmp_path / "p.kicad_pro")
    assert (reading.parts[0].placed, failed) == ((("R1", "4k7"),), 0)


@pytest.mark.parametrize("kicad", [COMPONENTS, None])
def test_in_a_folder_no_sheet_is_passed_over(tmp_path: Path, kicad: Any) -> None:
    """What is below a damaged root sheet, or in a circle without one, is read by itself."""
    write_project(tmp_path / "p").write_text(ROOT_SHEET[:-50])
    for one, other in ("ab", "ba"):
        (tmp_path / f"{one}.kicad_sch").write_text(
            sheet(one, CHANNEL_PART, box("x", "X", f"{other}.kicad_sch"))
        )
    readings, failed, _ = run(tmp_path, kicad=kicad)
    assert failed == 1
    assert [str(reading.origin.file)[len(str(tmp_path)) + 1 :] for reading in readings] == [
        "a.kicad_sch", "b.kicad_sch", "b.kicad_sch", "a.kicad_sch", "p/parts/channel.kicad_sch",
    ]  # fmt: skip


@pytest.mark.parametrize("named", ["amp.kicad_sch", "amp.kicad_pro", "."])
def test_ask_draws_each_use_of_each_sheet_and_names_what_it_does_not_follow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, named: str
) -> None:
    write_project(tmp_path)
    readings, failed, model = run(tmp_path / named, kicad=None)
    assert failed == 0 and not any(reading.from_file for reading in readings)
    channel = str(tmp_path / "parts" / "channel.kicad_sch")
    assert [str(reading.origin) for reading in readings] == [
        str(tmp_path / "amp.kicad_sch"), f"{channel} /Left/", f"{channel} /Right/",
    ]  # fmt: skip
    root, left, right = (np.asarray(picture) for picture in model.pictures)
    assert root.shape == left.shape == right.shape
    ys, xs = np.nonzero((left != right).any(axis=2))  # R10 and R20, R11 and R21
    assert 0 < len(ys) < 200 and np.ptp(ys) < 30 and np.ptp(xs) < 120
    assert [line for line in caplog.messages if "not followed" in line] == [
        f"{tmp_path / 'amp.kicad_sch'}: {line}"
        for line in (
            "sub-sheet 'gone.kicad_sch' (/Gone) is not there and is not followed",
            "sub-sheet 'amp.kicad_sch' (/Self) contains itself and is not followed",
        )
    ]


def test_a_project_file_that_is_damaged_is_an_error_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "amp.kicad_pro"
    project.write_text("no JSON")
    assert run(project)[1] == 1
    assert f"error: {project}: not a KiCad 6 to 10 project file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("listed", "line"),
    [
        ("amp.kicad_pro", "it lists 'amp.kicad_pro' as a root sheet, which is no .kicad_sch"),
        ("a\0b.kicad_sch", "no file can have this name"),
        ("a\ud800b.kicad_sch", "no file can have this name"),
        ("", "it lists '' as a root sheet"),
    ],
)
def test_a_root_sheet_that_is_none_is_an_error_and_the_others_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], listed: str, line: str
) -> None:
    project = tmp_path / "amp.kicad_pro"
    alone = tmp_path / "alone.kicad_sch"
    roots = [{"filename": name} for name in (listed, alone.name)]
    project.write_text(json.dumps({"schematic": {"top_level_sheets": roots}}))
    alone.write_text(sheet("x", placed("Device:R", "a", "R1", "1")))
    readings, failed, _ = run(project)
    assert ([reading.origin.file for reading in readings], failed) == ([str(alone)], 1)
    assert line in capsys.readouterr().err


def test_a_sub_sheet_that_no_file_can_be_is_not_followed_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, alone = tmp_path / "root.kicad_sch", tmp_path / "alone.kicad_sch"
    names = [f"{'a' * 300}.kicad_sch", "a\0b.kicad_sch"]
    root.write_text(sheet("r", *(box(str(number), f"S{number}", name) for number, name in enumerate(names))))
    alone.write_text(sheet("x", placed("Device:R", "a", "R1", "1")))
    (tmp_path / "loop.png").symlink_to("loop.png")
    readings, failed, _ = run(alone, root, tmp_path / "loop.png")
    assert [reading.origin.file for reading in readings] == [str(alone), str(root)]
    assert (failed, sum("is not followed" in line for line in caplog.messages)) == (1, 2)


def test_parts_that_a_sheet_box_leaves_out_are_named(tmp_path: Path) -> None:
    root = ROOT_SHEET.replace('(uuid "left")', '(dnp yes) (uuid "left")').replace(
        '(uuid "right")', '(in_bom no) (uuid "right")'
    )
    notes = COMPONENTS("a.kicad_sch", {**FILES, "a.kicad_sch": root.encode()}.get, project=None).notes
    follows = "only the bill of materials follows that"
    assert f"a.kicad_sch: /Left/: do not populate R10, R11: {follows}" in notes
    assert f"a.kicad_sch: /Right/: not in the bill of materials: R20, R21: {follows}" in notes


def test_a_file_outside_kicad_s_own_kinds_is_never_read(tmp_path: Path) -> None:
    root = tmp_path / "a.kicad_sch"
    (tmp_path / "secret.txt").write_text(CHANNEL)
    root.write_text(ROOT_SHEET.replace("gone.kicad_sch", "secret.txt"))
    assert [r.origin.sheet for r in run(root)[0]] == ["/"]


def test_sheets_dropped_together_are_one_project() -> None:
    model: Any = Model()
    root = ROOT_SHEET.replace("parts/channel", "channel")
    files = [
        ("1.png", picture()),
        ("channel.kicad_sch", CHANNEL.encode()),
        ("amp.kicad_pro", PROJECT.encode()),
        ("amp.kicad_sch", root.encode()),
    ]
    found = read_upload(model, LIMITS, files, COMPONENTS)
    assert [one["name"] for one in found["sheets"]] == [
        "1.png", "amp.kicad_sch", "channel.kicad_sch /Left/", "channel.kicad_sch /Right/",
    ]  # fmt: skip
    assert model.asked == ["1.png"]
    assert [one.get("read from") for one in found["sheets"]] == [None, "file", "file", "file"]
    assert len(found["errors"]) == 2 and all("not followed" in line for line in found["errors"])
    assert "R20" in found["csv"]


def test_a_bad_file_is_one_line() -> None:
    for data, line in ((b"(kicad_sch (version 1", "not KiCad text"), (b'(kicad_sch "\xb5")', "not UTF-8")):
        with pytest.raises(UserError, match=line):
            COMPONENTS("a", {"a": data}.get, project=None)
    found: KicadReading = COMPONENTS("a", {"a": ROOT_SHEET.encode(), "p": b"no"}.get, project="p")
    assert found.notes[0].startswith("a: p is passed over: not a KiCad 6 to 10 project file")

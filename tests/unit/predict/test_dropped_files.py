"""What is dropped on the page together: pictures, sheets of a project, and files that do not go together."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from schematic_reader.predict.kicad_file import ReadKicad
from schematic_reader.predict.server import read_upload
from tests.support.foreign_files import picture
from tests.support.kicad_projects import CHANNEL, PROJECT, ROOT_SHEET, box, placed, sheet
from tests.unit.predict.test_kicad_file import COMPONENTS, LIMITS, Model


def dropped(*files: tuple[str, str | bytes], kicad: ReadKicad | None = COMPONENTS) -> dict[str, Any]:
    """What the page answers to these files, with the model at hand."""
    model: Any = Model()
    encoded = [(name, data.encode() if isinstance(data, str) else data) for name, data in files]
    return read_upload(model, LIMITS, encoded, kicad)


def resistor(reference: str) -> str:
    return placed("Device:R", reference, reference, "1k")


EMPTY_PAPER = '(kicad_sch (version 20250114) (uuid "b") (paper "User" {} 50) (lib_symbols))'


@pytest.mark.parametrize(
    ("damaged", "line"),
    [
        (EMPTY_PAPER.format(50), "blank: the page shows nothing"),
        (EMPTY_PAPER.format(5000), "too narrow for a sheet"),
        (" " * 5000 + EMPTY_PAPER.format(50), "one.kicad_sch"),
    ],
)
def test_a_dropped_sheet_that_cannot_be_drawn_costs_no_other_sheet_of_its_project(
    damaged: str, line: str
) -> None:
    root = sheet("r", resistor("R1"), box("1", "One", "one.kicad_sch"), box("2", "Two", "two.kicad_sch"))
    found = dropped(
        ("r.kicad_sch", root), ("one.kicad_sch", damaged), ("two.kicad_sch", sheet("t", resistor("R2")))
    )
    rows = list(csv.DictReader(io.StringIO(found["bom"])))
    assert [row["\ufeffReference"] for row in rows] == ["R1, R2"]
    assert any(line in error for error in found["errors"])
    pictures = {one["name"]: one["picture"] for one in found["sheets"]}
    assert pictures["r.kicad_sch"] and pictures["two.kicad_sch /Two/"]
    assert pictures.get("one.kicad_sch /One/") is None


def test_with_ask_a_dropped_project_is_drawn_as_it_is_read() -> None:
    """The same sheets in the same pictures, the same lines; what is said of the parts is the model's."""
    root = ROOT_SHEET.replace("parts/channel", "channel")
    files = ("channel.kicad_sch", CHANNEL), ("amp.kicad_sch", root), ("amp.kicad_pro", PROJECT)
    asked, read = dropped(*files, kicad=None), dropped(*files)
    assert [one["name"] for one in asked["sheets"]] == [
        "amp.kicad_sch", "channel.kicad_sch /Left/", "channel.kicad_sch /Right/",
    ]  # fmt: skip
    for key in ("name", "picture"):
        assert [one[key] for one in asked["sheets"]] == [one[key] for one in read["sheets"]]
    assert asked["errors"] == read["errors"] and len(read["errors"]) == 2
    assert [one.get("read from") for one in asked["sheets"]] == [None] * 3
    (error,) = dropped(files[2], kicad=None)["errors"]
    assert error == "amp.kicad_pro: it holds no sheet: drop the project's .kicad_sch too"


def test_with_ask_a_root_that_cannot_be_drawn_is_a_line() -> None:
    root = EMPTY_PAPER.format(50)
    found = dropped(("r.kicad_sch", root), ("1.png", picture()), kicad=None)
    assert [one["name"] for one in found["sheets"]] == ["1.png"]
    assert found["errors"] == ["r.kicad_sch: blank: the page shows nothing"]


def test_dropped_sheets_of_the_same_name_are_not_taken_for_each_other() -> None:
    """A browser sends no folders, so two projects may have a ``power.kicad_sch`` each."""
    one, other = (("a.kicad_sch", sheet(name, resistor(name))) for name in ("R1", "R2"))
    found = dropped(one, other, ("b.kicad_sch", sheet("b", resistor("R3"))), ("a.kicad_sch", picture()))
    assert [one["name"] for one in found["sheets"]] == ["a.kicad_sch", "b.kicad_sch"]  # the picture, and b
    assert [one.get("read from") for one in found["sheets"]] == [None, "file"]
    assert found["errors"] == ["a.kicad_sch: 2 sheets have this name: drop one project at a time"]


def test_a_project_file_that_is_dropped_alone_is_told() -> None:
    found = dropped(("amp.kicad_pro", PROJECT), ("1.png", picture()))
    assert [one["name"] for one in found["sheets"]] == ["1.png"]
    assert found["errors"] == ["amp.kicad_pro: it holds no sheet: drop the project's .kicad_sch too"]


def test_a_dropped_sheet_is_drawn_as_its_project_uses_it() -> None:
    root = ROOT_SHEET.replace("parts/channel", "channel")
    found = dropped(("amp.kicad_sch", root), ("channel.kicad_sch", CHANNEL), ("amp.kicad_pro", PROJECT))
    left, right = (one["picture"] for one in found["sheets"] if one["file"] == "channel.kicad_sch")
    assert left != right  # R10 and R20, R11 and R21
    as_left = CHANNEL.replace('"Reference" "R1"', '"Reference" "R10"').replace(
        '"Reference" "R2"', '"Reference" "R11"'
    )
    (same,) = dropped(("channel.kicad_sch", as_left.replace("${CHANNEL}", "4k7")))["sheets"]
    assert left == same["picture"]


@pytest.mark.parametrize("kicad", [COMPONENTS, None])
@pytest.mark.parametrize("name", ["channel.kicad_sch", "CHANNEL.KICAD_SCH"])
def test_a_sub_sheet_of_a_folder_or_in_other_case_is_read_with_its_root(
    name: str, kicad: ReadKicad | None
) -> None:
    """The box names ``parts/channel.kicad_sch``; a browser sends the file's name alone."""
    found = dropped((name, CHANNEL), ("Amp.kicad_sch", ROOT_SHEET), ("amp.kicad_pro", PROJECT), kicad=kicad)
    assert [one["name"] for one in found["sheets"]] == [
        "Amp.kicad_sch", f"{name} /Left/", f"{name} /Right/",
    ]  # fmt: skip
    assert [line.split(": ")[1].split(" (")[0] for line in found["errors"]] == [
        "sub-sheet 'gone.kicad_sch'", "sub-sheet 'amp.kicad_sch'",
    ]  # fmt: skip
    if kicad:
        assert "4k7" in [line["value"] for line in found["sheets"][1]["bom"]]  # by the project file


def test_a_name_that_has_its_folder_goes_before_the_name_alone() -> None:
    """As a program may send it."""
    other = ("channel.kicad_sch", sheet("o", resistor("R7")))
    found = dropped(("amp.kicad_sch", ROOT_SHEET), ("parts/channel.kicad_sch", CHANNEL), other)
    assert [one["name"] for one in found["sheets"]] == [
        "amp.kicad_sch", "parts/channel.kicad_sch /Left/", "parts/channel.kicad_sch /Right/",
        "channel.kicad_sch",
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".kicad_pro", ".KICAD_PRO"])
def test_of_several_dropped_projects_a_sheet_has_that_of_its_own_name(suffix: str) -> None:
    variables = '{{"text_variables": {{"OHMS": "{}"}}}}'
    files = [(f"{name}.kicad_sch", sheet(name, placed("Device:R", "R1", "R1", "${OHMS}"))) for name in "ab"]
    projects = [(f"a{suffix}", variables.format("4k7")), (f"b{suffix}", variables.format("9k1"))]
    found = dropped(*files, *projects)
    assert {one["name"]: one["bom"][0]["value"] for one in found["sheets"]} == {
        "a.kicad_sch": "4k7",
        "b.kicad_sch": "9k1",
    }

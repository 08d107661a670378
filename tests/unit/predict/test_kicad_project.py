"""KiCad sheets read with the project file beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits
from schematic_reader.kicad.hierarchy import follow_sheets
from schematic_reader.kicad.model import Sheet
from schematic_reader.kicad.project_file import ProjectFile, read_project
from schematic_reader.kicad.project_folder import project_beside
from schematic_reader.predict.batches import opened
from schematic_reader.predict.kicad_file import KicadReading, read_kicad
from schematic_reader.predict.opened_sheet import OpenedSheet, SheetLimits
from schematic_reader.predict.output import as_json
from schematic_reader.predict.rendering import RenderScale
from schematic_reader.tasks import task
from tests.support.kicad_projects import box, placed, sheet

SHEET = '\ufeff(kicad_sch (version {}) (uuid "1") (paper "A4") (label "A{{I2C}}" (at 1 2 0)))'
LIMITS = SheetLimits(ImageLimits(1600, 2_000_000), 10_000_000, RenderScale(4.0, 1600, 2_000_000))
PROJECT = '{"text_variables": {"A": "1"}, "schematic": {"bus_aliases": {"I2C": ["SDA", "SCL"]}}}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "main.kicad_sch"
    file.write_text(SHEET.format(20260306), encoding="utf-8")
    return file


def read(path: Path) -> KicadReading:
    def data(name: str) -> bytes | None:
        file = path.with_name(name)
        return file.read_bytes() if file.is_file() else None

    project = project_beside(path)
    name = project.name if project else None
    return read_kicad(path.name, data, project=name, task=task("components"), form="compact")


def with_its_project(path: Path) -> Sheet:
    project = project_beside(path)
    known = read_project(project.read_text()) if project else ProjectFile()
    return follow_sheets(path.name, lambda _: path.read_text(encoding="utf-8-sig"), known).sheets[0].sheet


@pytest.mark.parametrize("name", ["main", "other"])
def test_the_project_is_that_of_its_name_or_the_only_one(path: Path, name: str) -> None:
    path.with_name(f"{name}.kicad_pro").write_text(PROJECT)
    found = with_its_project(path)
    assert (found.file_name, found.text_variables) == ("main.kicad_sch", (("A", "1"),))
    assert found.bus_aliases == (("I2C", ("SDA", "SCL")),)
    assert read(path).notes == []


def test_of_several_foreign_projects_none_is_taken(path: Path) -> None:
    for name in ("a", "b"):
        path.with_name(f"{name}.kicad_pro").write_text(PROJECT)
    assert with_its_project(path).text_variables == ()


@pytest.mark.parametrize(("version", "said"), [(20250114, False), (20260306, True)])
def test_a_missing_project_is_named_where_aliases_would_be(path: Path, version: int, said: bool) -> None:
    path.write_text(SHEET.format(version), encoding="utf-8")
    assert ("the bus label A{I2C} may name" in "".join(read(path).notes)) == said


@pytest.mark.parametrize("text", ["I2C", "~{CS}", "X_{1}", "A{SDA SCL}", "D[0..7]"])
def test_labels_that_name_no_alias_need_no_project(path: Path, text: str) -> None:
    path.write_text(SHEET.format(20260306).replace("A{I2C}", text), encoding="utf-8")
    assert read(path).notes == []


def test_a_broken_project_is_passed_over_with_a_line(path: Path) -> None:
    path.with_suffix(".kicad_pro").write_text("{")
    first, second = read(path).notes
    assert "main.kicad_pro is passed over: not a KiCad 6 to 10 project file" in first
    assert "the bus label A{I2C} may name" in second


def test_a_project_that_is_no_text_is_passed_over_with_a_line(path: Path) -> None:
    path.with_suffix(".kicad_pro").write_bytes(PROJECT.replace("1", "\xe4").encode("latin-1"))
    said = "main.kicad_sch: main.kicad_pro is passed over: it is not UTF-8: save it with KiCad 6 or later"
    assert read(path).notes[0] == said


def test_what_is_no_sheet_is_an_error(path: Path) -> None:
    path.write_text("(kicad_pcb)")
    with pytest.raises(UserError):
        read(path)


def test_json_has_the_nets_of_the_project_on_its_root_sheet(path: Path) -> None:
    pin = '(pin "IN" input (at 50 53.81 180))'
    root_box = box("b", "Sub", "sub.kicad_sch")
    path.write_text(sheet("root", placed("Device:R", "1", "R1", "1k"), f"{root_box[:-1]} {pin})"))
    label = '(hierarchical_label "IN" (shape input) (at 50 46.19 0))'
    path.with_name("sub.kicad_sch").write_text(sheet("s", placed("Device:R", "2", "R2", "2k"), label))
    found = json.loads(as_json(read(path).readings, task="components", calibrated=True))["sheets"]
    assert {"net": "/Sub/IN", "pins": [{"reference": "R1", "pin": "2"}, {"reference": "R2", "pin": "1"}]} in (
        found[0]["nets"]
    )
    assert len(found[0]["nets"]) == 3
    assert "nets" not in found[1]


def test_a_sheet_that_is_asked_about_is_drawn_with_its_project(path: Path) -> None:
    def drawn(text: str) -> bytes:
        path.write_text(
            f'(kicad_sch (version 20250114) (uuid "1") (paper "A4") (text "{text}" (at 50 50 0)))'
        )
        (found,) = opened([str(path)], LIMITS, None)
        assert isinstance(found, list)
        assert isinstance(found[0], OpenedSheet)
        return found[0].picture.tobytes()

    path.with_suffix(".kicad_pro").write_text(PROJECT)
    assert drawn("${A}") == drawn("1") != drawn("${B}")
    path.with_suffix(".kicad_pro").write_text("no project")
    assert drawn("${A}") != drawn("1")


def test_a_note_is_one_line_whatever_a_name_holds(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text(sheet("r", box("b", "Sub\\nERROR forged", "gone.kicad_sch")))
    list(opened([str(path)], LIMITS, None))
    (line,) = caplog.messages
    assert "\n" not in line and "/Sub\ufffdERROR forged" in line

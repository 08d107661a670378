"""Sheets loaded with the project file beside them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.sheet_file import load_sheet

SHEET = '\ufeff(kicad_sch (version {}) (uuid "1") (paper "A4") (label "A{{I2C}}" (at 1 2 0)))'
PROJECT = '{"text_variables": {"A": "1"}, "schematic": {"bus_aliases": {"I2C": ["SDA", "SCL"]}}}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "main.kicad_sch"
    file.write_text(SHEET.format(20260306), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["main", "other"])
def test_the_project_is_that_of_its_name_or_the_only_one(path: Path, name: str) -> None:
    path.with_name(f"{name}.kicad_pro").write_text(PROJECT)
    sheet = load_sheet(path)
    assert (sheet.file_name, sheet.text_variables) == ("main.kicad_sch", (("A", "1"),))
    assert sheet.bus_aliases == (("I2C", ("SDA", "SCL")),)


def test_of_several_foreign_projects_none_is_taken(path: Path) -> None:
    for name in ("a", "b"):
        path.with_name(f"{name}.kicad_pro").write_text(PROJECT)
    assert load_sheet(path).text_variables == ()


@pytest.mark.parametrize(("version", "said"), [(20250114, False), (20260306, True)])
def test_a_missing_project_is_named_where_aliases_would_be(
    path: Path, caplog: pytest.LogCaptureFixture, version: int, said: bool
) -> None:
    path.write_text(SHEET.format(version), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        load_sheet(path)
    assert ("the bus label A{I2C} may name" in caplog.text) == said


@pytest.mark.parametrize("text", ["I2C", "~{CS}", "X_{1}", "A{SDA SCL}", "D[0..7]"])
def test_labels_that_name_no_alias_need_no_project(
    path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path.write_text(SHEET.format(20260306).replace("A{I2C}", text), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        load_sheet(path)
    assert caplog.text == ""


def test_a_broken_project_is_passed_over_with_a_line(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.with_suffix(".kicad_pro").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert load_sheet(path).text_variables == ()
    assert "main.kicad_pro is passed over: not a KiCad 6 to 10 project file" in caplog.text


def test_what_is_no_sheet_is_an_error(path: Path) -> None:
    path.write_text("(kicad_pcb)")
    with pytest.raises(KicadError):
        load_sheet(path)

"""Which sheets of a folder are roots: those that project files list, and those that no other sheet names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.kicad_projects import placed, sheet, write_project, write_project_in_capitals
from tests.unit.importing.test_folder import imported, shown


def test_several_root_sheets_of_a_project_of_kicad_10(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "p").mkdir(parents=True)
    listed = [{"filename": "a.kicad_sch"}, {"filename": "b.kicad_sch"}]
    project = {"text_variables": {"X": "7k"}, "schematic": {"top_level_sheets": listed}}
    (folder / "p" / "p.kicad_pro").write_text(json.dumps(project))
    (folder / "p" / "q.kicad_pro").write_text('{"text_variables": {"X": "wrong"}}')
    for name in "ab":
        part = placed("Device:R", "1", "R1", "${X}")
        (folder / "p" / f"{name}.kicad_sch").write_text(sheet(name, part, version=20260306))
    (folder / "p" / "q.kicad_sch").write_text(
        sheet("q", placed("Device:R", "1", "R1", "7k"), version=20260306)
    )
    rows, _ = imported(folder, tmp_path / "own.parquet")
    assert [row["image"]["path"] for row in rows] == ["a.png", "b.png", "q.png"]
    different = (shown(rows[0]) != shown(rows[2])).any(axis=2)
    assert different.mean() < 1e-3  # 7k on both; the names in the frames differ


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("loop.kicad_sch", "its root sheet loop.kicad_sch is not there"),
        ("\0.kicad_sch", "is not there"),
        (f"{'a' * 300}.kicad_sch", "is not there"),
        ("amp.sch", "it lists 'amp.sch' as a root sheet, which is no .kicad_sch"),
    ],
    ids=["circle", "NUL", "too long", "other kind"],
)
def test_a_listed_root_sheet_that_is_no_file_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, said: str
) -> None:
    folder = tmp_path / "in" / "p"
    write_project(folder)
    (folder / "loop.kicad_sch").symlink_to("loop.kicad_sch")
    (folder / "amp.sch").write_text("EESchema")
    project = {"schematic": {"top_level_sheets": [{"filename": name}]}}
    (folder / "new.kicad_pro").write_text(json.dumps(project))
    rows, _ = imported(tmp_path / "in", tmp_path / "own.parquet")
    assert len(rows) == 3
    told = [line for line in caplog.messages if line.startswith(f"{folder}/new.kicad_pro is left out: ")]
    assert said in " ".join(told)


def test_a_project_that_is_no_text_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    project = write_project(tmp_path / "in").with_suffix(".kicad_pro")
    project.write_bytes(b'{"text_variables": {"A": "\xe4"}}')
    _, summary = imported(tmp_path / "in", tmp_path / "own.parquet")
    assert summary.left_out == 1
    assert f"{project} is left out: it is not UTF-8: save it with KiCad 6 or later" in caplog.messages


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("place", [".", "p"])
def test_a_root_sheet_outside_the_folder_counts_as_beside_its_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, absolute: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    root = write_project(tmp_path / "common")
    project = Path("in", place, "board.kicad_pro")
    project.parent.mkdir(parents=True)
    name = str(root) if absolute else os.path.relpath(root, project.parent)
    project.write_text(json.dumps({"schematic": {"top_level_sheets": [{"filename": name}]}}))
    for folder in (Path("in"), tmp_path / "in"):
        rows, _ = imported(folder, tmp_path / "own.parquet")
        assert {row["name"] for row in rows} == {"in/p" if place == "p" else "in/amp"}
    monkeypatch.chdir("in")
    rows, _ = imported(Path(), tmp_path / "own.parquet")
    assert {row["name"] for row in rows} == {"in/p" if place == "p" else "in/amp"}


def test_a_suffix_in_capitals_is_that_suffix(tmp_path: Path) -> None:
    write_project_in_capitals(tmp_path / "in")
    rows, summary = imported(tmp_path / "in", tmp_path / "own.parquet")
    assert [(row["name"], row["image"]["path"]) for row in rows] == [
        ("in/amp", "amp.png"), ("in/amp", "channel-Left.png"), ("in/amp", "channel-Right.png"),
    ]  # fmt: skip
    assert summary.left_out == 0


@pytest.mark.parametrize("of", ["", "amp.kicad_pro", "amp.kicad_sch"])
def test_a_sub_sheet_is_found_by_its_name_in_other_case(tmp_path: Path, of: str) -> None:
    folder = tmp_path / "in"
    write_project(folder)
    (folder / "parts" / "channel.kicad_sch").rename(folder / "parts" / "CHANNEL.KICAD_SCH")
    rows, summary = imported(folder / of, tmp_path / "own.parquet")
    assert [(row["name"], row["image"]["path"]) for row in rows] == [
        ("in/amp", "amp.png"), ("in/amp", "CHANNEL-Left.png"), ("in/amp", "CHANNEL-Right.png"),
    ]  # fmt: skip
    assert summary.left_out == 0


def test_an_autosave_is_no_sheet_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "in" / "p"
    write_project(folder)
    rows, summary = imported(tmp_path / "in", tmp_path / "own.parquet")
    (folder / "_autosave-amp.kicad_sch").write_text(sheet("a", placed("Device:R", "1", "R7", "1k")))
    caplog.clear()
    again, of_again = imported(tmp_path / "in", tmp_path / "again.parquet")
    assert len(again) == len(rows)
    assert of_again.left_out == summary.left_out + 1
    assert f"{folder}/_autosave-amp.kicad_sch is left out: KiCad's autosave of a sheet" in caplog.messages

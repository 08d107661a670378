"""Which files of a KiCad project are roots, and which are below others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schematic_reader.kicad import project_folder
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_folder import (
    below_others,
    file_in,
    project_beside,
    root_sheets,
    sheet_text,
)
from tests.support.kicad_projects import box, sheet, write_project


def test_sheets_below_others(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    channel = root.parent / "parts" / "channel.kicad_sch"
    assert below_others([root, channel]) == {channel}  # the root names itself, which does not count
    assert below_others([channel]) == set()


def test_two_that_name_each_other(tmp_path: Path) -> None:
    one, two, alone = (tmp_path / f"{name}.kicad_sch" for name in ("one", "two", "alone"))
    one.write_text(sheet("1", box("b", "B", two.name)))
    two.write_text(sheet("2", box("b", "B", one.name)))
    assert below_others([one, two]) == set()
    alone.write_text(sheet("3"))
    assert below_others([one, two, alone]) == set()
    alone.write_text(sheet("3", box("b", "B", one.name)))
    assert below_others([one, two, alone]) == {one, two}


def test_one_that_cannot_be_read_names_none(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    assert below_others([root, tmp_path / "gone.kicad_sch"]) == {tmp_path / "gone.kicad_sch"}


@pytest.mark.parametrize("name", ["loop.kicad_sch", "a\0b.kicad_sch", f"{'a' * 300}.kicad_sch"])
def test_a_sub_sheet_that_is_no_file_hides_no_other(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop.kicad_sch").symlink_to("loop.kicad_sch")
    root, part = tmp_path / "root.kicad_sch", tmp_path / "part.kicad_sch"
    root.write_text(sheet("r", box("a", "A", name), box("b", "B", part.name)))
    part.write_text(sheet("p"))
    assert below_others([root, part]) == {part}


def test_root_sheets_of_a_project_file(tmp_path: Path) -> None:
    project = tmp_path / "amp.kicad_pro"
    assert root_sheets(project, b"{}") == [tmp_path / "amp.kicad_sch"]
    files = ("a.kicad_sch", "sub\\b.KICAD_SCH", "amp.sch")
    listed = {"schematic": {"top_level_sheets": [{"filename": name} for name in files]}}
    *roots, refused = root_sheets(project, json.dumps(listed).encode())
    assert roots == [tmp_path / "a.kicad_sch", tmp_path / "sub" / "b.KICAD_SCH"]
    assert str(refused) == "it lists 'amp.sch' as a root sheet, which is no .kicad_sch"
    for data, said in (
        (b"no json", "not a KiCad 6 to 10 project file: no JSON"),
        (b"\xff", "it is not UTF-8"),
    ):
        with pytest.raises(KicadError, match=f"^{said}"):
            root_sheets(project, data)


@pytest.mark.parametrize("root_suffix", [".kicad_sch", ".KICAD_SCH"])
@pytest.mark.parametrize("suffix", [".kicad_pro", ".KICAD_PRO"])
def test_a_project_goes_with_the_sheet_of_its_name(tmp_path: Path, suffix: str, root_suffix: str) -> None:
    project, root = tmp_path / f"amp{suffix}", tmp_path / f"amp{root_suffix}"
    for path in (project, root, tmp_path / "other.KICAD_PRO", tmp_path / "other.kicad_sch"):
        path.write_text("{}")
    assert (root_sheets(project, b"{}"), project_beside(root)) == ([root], project)


def test_a_file_is_found_by_its_name_else_by_the_only_one_in_other_case(tmp_path: Path) -> None:
    (tmp_path / "Parts").mkdir()
    for name in (
        "SUB.KICAD_SCH",
        "Parts/Channel.kicad_sch",
        "a.kicad_sch",
        "A.kicad_sch",
        "B.kicad_sch",
        "b.Kicad_Sch",
    ):
        (tmp_path / name).write_text("")
    (tmp_path / "Gro\u0308\u00dfe.kicad_sch").write_text("")  # as macOS writes an umlaut
    named = {
        "sub.kicad_sch": "SUB.KICAD_SCH",
        "parts/channel.kicad_sch": "Parts/Channel.kicad_sch",
        "parts/../sub.kicad_sch": "Parts/../SUB.KICAD_SCH",
        "gr\u00f6\u00dfe.kicad_sch": "Gro\u0308\u00dfe.kicad_sch",
        "a.kicad_sch": "a.kicad_sch",
        "A.kicad_sch": "A.kicad_sch",
        "b.kicad_sch": "b.kicad_sch",  # which of two is not known
        "gone/sub.kicad_sch": "gone/sub.kicad_sch",
        "parts": "parts",
        "a\0b.kicad_sch": "a\0b.kicad_sch",
        "": "",
    }
    assert {name: file_in(tmp_path, name) for name in named} == named
    assert file_in(tmp_path, f"{tmp_path}/sub.kicad_sch") == f"{tmp_path}/SUB.KICAD_SCH"


def test_sheets_and_projects_go_together_in_any_case(tmp_path: Path) -> None:
    """As a project of Windows has them, which was unpacked where case counts."""
    root, part, project = (tmp_path / name for name in ("Amp.kicad_sch", "SUB.KICAD_SCH", "AMP.kicad_pro"))
    root.write_text(sheet("r", box("b", "B", "sub.kicad_sch")))
    part.write_text(sheet("p"))
    for path in (project, tmp_path / "other.kicad_pro"):
        path.write_text("{}")
    assert below_others([root, part]) == {part}
    assert (root_sheets(project, b"{}"), project_beside(root)) == ([root], project)
    listed = {"schematic": {"top_level_sheets": [{"filename": "sub.kicad_sch"}]}}
    assert root_sheets(project, json.dumps(listed).encode()) == [part]


def test_a_text_is_utf_8_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sheet_text(b"\xef\xbb\xbf(kicad_sch)") == "(kicad_sch)"
    with pytest.raises(KicadError, match="not UTF-8"):
        sheet_text(b"\xff")
    monkeypatch.setattr(project_folder, "MAX_SHEET_BYTES", 1_000_000)
    with pytest.raises(KicadError, match="^over 1 MB: remove pictures from it, or split it into sub-sheets$"):
        sheet_text(b"x" * 1_000_001)

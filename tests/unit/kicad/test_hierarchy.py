"""A project's sheets: each sub-sheet as often as it is used, with the references of each use."""

from __future__ import annotations

import pytest

from schematic_reader.kicad.hierarchy import MAX_USES, follow_sheets
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_file import ProjectFile, read_project
from tests.support.kicad_projects import CHANNEL, PROJECT, ROOT_SHEET, box, placed, sheet

FILES = {"amp.kicad_sch": ROOT_SHEET, "parts/channel.kicad_sch": CHANNEL}


def test_each_use_has_its_own_references() -> None:
    found = follow_sheets("amp.kicad_sch", FILES.get, read_project(PROJECT))
    assert [(used.name, used.file) for used in found.sheets] == [
        ("/", "amp.kicad_sch"), ("/Left/", "parts/channel.kicad_sch"), ("/Right/", "parts/channel.kicad_sch"),
    ]  # fmt: skip
    assert [[(s.reference, s.value) for s in used.sheet.symbols] for used in found.sheets] == [
        [("R2", "1k"), ("#PWR01", "GND")],
        [("R10", "10k"), ("R11", "4k7")],
        [("R20", "10k"), ("R21", "4k7")],
    ]
    assert found.unread == [
        "sub-sheet 'gone.kicad_sch' (/Gone) is not there and is not followed",
        "sub-sheet 'amp.kicad_sch' (/Self) contains itself and is not followed",
    ]


def test_variables_of_the_place_are_those_of_each_use() -> None:
    """As kicad-cli 9.0.2 exports them; the file's and the project's names are the root's on all sheets."""
    value = "${SHEETNAME}|${SHEETPATH}|${SHEETFILE}|${FILENAME}|${PROJECTNAME}"
    part = placed("Device:R", "s1", "R1", value)
    files = {
        "amp.kicad_sch": sheet(
            "root", part, box("a", "Left", "x/m.kicad_sch"), box("b", "Right", "x/m.kicad_sch")
        ),
        "x/m.kicad_sch": sheet("m", part, box("d", "Deep", "low.kicad_sch")),
        "x/low.kicad_sch": sheet("l", part),
    }
    found = follow_sheets("amp.kicad_sch", files.get, ProjectFile())
    assert [symbol.value for used in found.sheets for symbol in used.sheet.symbols] == [
        "|/|amp.kicad_sch|amp.kicad_sch|amp",
        "Left|/Left/|m.kicad_sch|amp.kicad_sch|amp",
        "Deep|/Left/Deep/|low.kicad_sch|amp.kicad_sch|amp",
        "Right|/Right/|m.kicad_sch|amp.kicad_sch|amp",
        "Deep|/Right/Deep/|low.kicad_sch|amp.kicad_sch|amp",
    ]


def test_kicad_6_keeps_the_references_with_the_root() -> None:
    channel = sheet("c", placed("Device:R", "s1", "R1", "10k"), version=20211123)
    instances = "".join(
        f'(path "/{path}/s1" (reference "{reference}") (unit 1) (value "{value}") (footprint ""))'
        for path, reference, value in (("left", "R7", "1k"), ("right", "R8", "2k"))
    )
    root = sheet(
        "root",
        box("left", "Left", "channel.kicad_sch"),
        box("right", "Right", "channel.kicad_sch"),
        f"(symbol_instances {instances})",
        version=20211123,
    )
    files = {"a.kicad_sch": root, "channel.kicad_sch": channel}
    found = follow_sheets("a.kicad_sch", files.get, ProjectFile())
    assert [[(s.reference, s.value) for s in used.sheet.symbols] for used in found.sheets] == [
        [], [("R7", "1k")], [("R8", "2k")],
    ]  # fmt: skip


def test_a_damaged_sub_sheet_is_named_and_a_damaged_root_is_an_error() -> None:
    files = {"a": sheet("r", box("b", "B", "b"), box("c", "C", "")), "b": "(kicad_sch"}
    found = follow_sheets("a", files.get, ProjectFile())
    assert len(found.sheets) == 1
    assert found.unread[0].startswith("sub-sheet 'b' (/B) is not followed: not KiCad text")
    assert found.unread[1] == "sub-sheet /C names no file"
    with pytest.raises(KicadError):
        follow_sheets("b", files.get, ProjectFile())
    with pytest.raises(KicadError, match="there is no such file"):
        follow_sheets("c", files.get, ProjectFile())


def test_a_project_that_doubles_at_each_level_ends() -> None:
    files = {
        str(level): sheet(str(level), *(box(f"{level}{side}", side, str(level + 1)) for side in "ab"))
        for level in range(40)
    }
    found = follow_sheets("0", files.get, ProjectFile())
    assert len(found.sheets) == MAX_USES
    assert any("over 1000 sheets" in line for line in found.unread)


def test_half_of_a_surrogate_pair_in_a_project_file_is_replaced() -> None:
    """JSON can escape it; no text file, parquet file or terminal takes it."""
    project = read_project(
        r'{"text_variables": {"\ud83d": "a\udc00b", "OK": "\ud83d\ude00"},'
        r' "schematic": {"bus_aliases": {"\ud83d": ["\ud83d"]}}}'
    )
    assert project.text_variables == (("\ufffd", "a\ufffdb"), ("OK", "\U0001f600"))
    assert project.bus_aliases == (("\ufffd", ("\ufffd",)),)


def test_a_chain_of_sheets_that_is_too_deep_is_told_as_that() -> None:
    files = {str(level): sheet(str(level), box("b", "B", str(level + 1))) for level in range(40)}
    found = follow_sheets("0", files.get, ProjectFile())
    assert len(found.sheets) == 31
    (line,) = found.unread
    assert line.endswith(" is not followed: over 1000 sheets or 30 levels")


def test_what_a_sheet_box_says_of_its_parts_holds_all_the_way_down() -> None:
    """``dnp`` and ``in_bom`` of a box, from KiCad 9 on."""
    part = placed("Device:R", "s", "R1", "1")
    files = {
        "root": sheet(
            "root",
            part,
            box("a", "A", "middle").replace("(uuid", "(dnp yes) (uuid"),
            box("b", "B", "middle").replace("(uuid", "(in_bom no) (dnp no) (uuid"),
            box("c", "C", "middle").replace("(uuid", "(in_bom yes) (uuid"),
        ),
        "middle": sheet("m", part, box("d", "D", "low")),
        "low": sheet("l", part),
    }
    found = follow_sheets("root", files.get, ProjectFile()).sheets
    assert {used.name: [(s.dnp, s.in_bom) for s in used.sheet.symbols] for used in found} == {
        "/": [(False, True)],
        "/A/": [(True, True)], "/A/D/": [(True, True)],
        "/B/": [(False, False)], "/B/D/": [(False, False)],
        "/C/": [(False, True)], "/C/D/": [(False, True)],
    }  # fmt: skip


def test_a_sub_sheet_that_is_no_text_is_named() -> None:
    def read(file: str) -> str:
        if file == "b":
            raise KicadError("it is not UTF-8")
        return sheet("r", box("b", "B", "b"))

    assert follow_sheets("a", read, ProjectFile()).unread == [
        "sub-sheet 'b' (/B) is not followed: it is not UTF-8"
    ]


def test_a_box_that_names_its_own_sheet_in_other_case_contains_itself() -> None:
    files = {"A.kicad_sch": sheet("r", box("b", "B", "a.KICAD_SCH"), box("c", "C", "C.kicad_sch"))}
    files["c.kicad_sch"] = sheet("c")

    def find(name: str) -> str:
        return {"a.KICAD_SCH": "A.kicad_sch", "C.kicad_sch": "c.kicad_sch"}[name]

    found = follow_sheets("A.kicad_sch", files.get, ProjectFile(), find)
    assert [used.file for used in found.sheets] == ["A.kicad_sch", "c.kicad_sch"]
    assert found.unread == ["sub-sheet 'a.KICAD_SCH' (/B) contains itself and is not followed"]

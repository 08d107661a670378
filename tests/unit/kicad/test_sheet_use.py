"""The text of one use of a sheet reads by itself as the sheet does in its project."""

from __future__ import annotations

import pytest

from schematic_reader.kicad.hierarchy import follow_sheets
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_file import ProjectFile
from schematic_reader.kicad.read_symbols import SheetUse
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.sheet_use import text_of_use
from tests.support.kicad_projects import CHANNEL, ROOT_SHEET, box, placed, sheet

FILES = {"amp.kicad_sch": ROOT_SHEET, "parts/channel.kicad_sch": CHANNEL}


def alone(text: str) -> list[tuple[str, str, str, int]]:
    return [(s.reference, s.designator, s.value, s.unit) for s in read_sheet(text).symbols]


def test_each_use_reads_by_itself_with_its_own_references() -> None:
    found = follow_sheets("amp.kicad_sch", FILES.get, ProjectFile())
    texts = [text_of_use(FILES[used.file], used.use) for used in found.sheets]
    assert alone(texts[0])[0] == ("R2", "R2", "1k", 1)
    assert alone(texts[1]) == [("R10", "R10", "10k", 1), ("R11", "R11", "${CHANNEL}", 1)]
    assert alone(texts[2]) == [("R20", "R20", "10k", 1), ("R21", "R21", "${CHANNEL}", 1)]
    assert "R10" not in texts[2]


def test_a_text_that_reads_so_already_stays_to_the_byte() -> None:
    once = sheet("c", placed("Device:R", "s", "R7", "1k", ("/root/b", "R7"))).replace(") (", ")  (")
    assert text_of_use(once, SheetUse("/root/b", {})) == once
    assert text_of_use(ROOT_SHEET.replace("R?", "R2"), SheetUse("/root", {})) == ROOT_SHEET.replace(
        "R?", "R2"
    )


def test_a_unit_is_that_of_the_use() -> None:
    text = sheet("c", placed("Device:R", "s", "R7", "1k", ("/root/b", "R7"))).replace(
        "(unit 1)))", "(unit 2)))"
    )
    assert alone(text_of_use(text, SheetUse("/root/b", {}))) == [("R7", "R7", "1k", 2)]


def test_kicad_6_keeps_uses_with_the_root() -> None:
    """The sub-sheet was once a root itself, and says so still."""
    stale = '(symbol_instances (path "/s1" (reference "R99") (unit 1) (value "9k") (footprint "")))'
    channel = sheet("c", placed("Device:R", "s1", "R1", "10k"), stale, version=20211123)
    instance = '(path "/b/s1" (reference "R7") (unit 1) (value "2k") (footprint ""))'
    root = sheet("root", box("b", "B", "c"), f"(symbol_instances {instance})", version=20211123)
    files = {"root": root, "c": channel}
    above, below = follow_sheets("root", files.get, ProjectFile()).sheets
    assert alone(text_of_use(channel, below.use)) == [("R7", "R7", "2k", 1)]
    assert text_of_use(root, above.use) == root


def test_a_sheet_that_was_once_a_root_keeps_no_use_of_that_time() -> None:
    text = sheet("c", placed("Device:R", "s", "R7", "1k", ("/c", "R99"), ("/root/b", "R7")))
    assert alone(text)[0][1] == "R99"
    assert alone(text_of_use(text, SheetUse("/root/b", {}))) == [("R7", "R7", "1k", 1)]


def test_what_is_no_sheet_is_refused() -> None:
    with pytest.raises(KicadError):
        text_of_use("(kicad_pcb)", SheetUse("/", {}))

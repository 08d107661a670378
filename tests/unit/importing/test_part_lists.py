"""Lists of parts as people and KiCad write them."""

from __future__ import annotations

import pytest

from schematic_reader.importing import part_lists
from schematic_reader.importing.part_lists import PartList, PartListError, read_part_list
from schematic_reader.predict.opened_sheet import SheetOrigin
from schematic_reader.predict.output import as_csv
from schematic_reader.predict.parts import Part, Reading

# What KiCad's own scripts and exports write, but for the number of parts.
NATIVE = '"Refs","Value","Footprint","Qty","DNP"\n"C1,C2","100n","C_0603","2",""\n"U1","NE555","","1","DNP"\n'
SYMBOLS = (
    NATIVE.replace('"DNP"\n', '"Symbol Name"\n', 1).replace('2",""', '2","C"').replace('"DNP"', '"NE555P"')
)
COLLATED = """"Source:","/home/me/amp.kicad_sch"
"Date:","2026-11-27 12:00:00"
"Tool:","Eeschema 9.0.2"
"Generator:","/usr/share/kicad/plugins/bom_csv_grouped_by_value.py"
"Component Count:","3"

"Individual Components:"

"Item","Qty","Reference(s)","Value","LibPart","Footprint","Datasheet"
"","","C1","100n","Device:C","C_0603","~"
"","","U1","NE555","Timer:NE555P","",""


"Collated Components:"

"Item","Qty","Reference(s)","Value","LibPart","Footprint","Datasheet"
"1","2","C1, C2","100n","Device:C","C_0603","~"
"2","1","U1","NE555","Timer:NE555P","",""
"""
BY_NAME = (
    "Source:,amp.kicad_sch\nComponent Count:,3\nRef,Qnty,Value,Cmp name,Footprint\nC1 C2,2,100n,C,C_0603\n"
    "U1,1,NE555,NE555P,\n"
)


def names(text: str, suffix: str = ".csv") -> tuple[str, ...]:
    return read_part_list(text.encode(), suffix).names


def test_a_text_has_one_name_a_line_each_once() -> None:
    assert names("\ufeff R \r\n\nDevice:C\nR\n+3V3\n", ".txt") == ("R", "C", "+3V3")


@pytest.mark.parametrize("text", [SYMBOLS, COLLATED, BY_NAME], ids=["native", "collated", "by name"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_bills_of_materials_of_kicad(text: str, delimiter: str) -> None:
    if delimiter != ",":
        text = text.replace("C1,C2", "C1 C2").replace("C1, C2", "C1 C2").replace(",", delimiter)
    assert names(text) == ("C", "NE555P")


def test_values_are_taken_where_there_are_no_symbols() -> None:
    assert read_part_list(NATIVE.encode(), ".csv") == PartList(("100n", "NE555"), "Value", by_value=True)
    assert not read_part_list(BY_NAME.encode(), ".csv").by_value


def test_excel_s_ways() -> None:
    assert names("sep=;\r\nPart;Qty\r\nR, thin;2\r\n") == ("R, thin",)
    assert read_part_list("Part,Qty\nΩ,1\n".encode("utf-16"), ".csv").names == ("Ω",)


def test_what_predict_writes_is_read_back() -> None:
    parts = (Part("+3V3", 0.5), Part("R", 0.5), Part("a,b", 0.5))
    written = as_csv([Reading(SheetOrigin("a.png"), "", parts, cut=False)])
    assert sorted(names(written)) == ["+3V3", "R", "a,b"]


def test_one_column_needs_no_heading() -> None:
    assert names("R\nC\n") == ("R", "C")


@pytest.mark.parametrize(
    ("data", "suffix", "said"),
    [
        (b"", ".txt", "names no part"),
        (b" \n\n", ".csv", "names no part"),
        (b"Part,Qty\n,1\n", ".csv", "names no part"),
        (b"Refs,Qty\nR1,2\n", ".csv", "no column is called Symbol"),
        ("Größe".encode("latin-1"), ".txt", "not UTF-8"),
        (b"\xff\xfea", ".csv", "not UTF-8"),
        (b"Part,Qty\n" + b"x" * 200_000 + b",1\n", ".csv", "is no CSV"),
    ],
)
def test_what_is_no_list_is_told_in_a_line(data: bytes, suffix: str, said: str) -> None:
    with pytest.raises(PartListError, match=said):
        read_part_list(data, suffix)


def test_a_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_lists, "MAX_LIST_BYTES", 1_000_000)
    with pytest.raises(PartListError, match="over 1 MB"):
        read_part_list(b"R\n" * 600_000, ".txt")

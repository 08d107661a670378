"""The parts of a sheet as a bill of materials lists them."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schematic_reader.kicad.bom import ListedSymbol, grouped, listed_symbols, parts_of, reference_ranges
from schematic_reader.kicad.reader import read_sheet
from tests.support.kicad_projects import placed, sheet
from tests.support.paths import shared_folder


@pytest.mark.parametrize(
    ("references", "text"),
    [
        ([], ""),
        (["R1"], "R1"),
        (["C5", "C3", "C1", "C4"], "C1, C3-C5"),
        (["R2", "R1"], "R1, R2"),
        (["R10", "R9", "R11", "R2"], "R2, R9-R11"),
        (["D1", "C1", "D2", "C2", "D3", "C3"], "C1-C3, D1-D3"),
        (["R1", "R1", "R2", "R2", "R3"], "R1-R3"),
        (["R?", "R1", "R2", "R3"], "R1-R3, R?"),
        (["R?", "R1", "R?"], "R1, R?, R?"),
        (["U01", "U02", "U03"], "U01, U02, U03"),
        (["C2", "C0", "C1"], "C0-C2"),
        (["SW10", "SW1_r1", "SW2", "SW1"], "SW1, SW1_r1, SW2, SW10"),
        (["R8", "R9", "R010", "R10"], "R8, R9, R010, R10"),
        (["J1A", "J2A", "J3A"], "J1A, J2A, J3A"),
        (["TP", "TP1", "TP2"], "TP, TP1, TP2"),
    ],
)
def test_references_in_ranges(references: list[str], text: str) -> None:
    assert reference_ranges(references) == text


@given(st.sets(st.integers(0, 60)))
def test_ranges_name_exactly_the_references(numbers: set[int]) -> None:
    named: set[int] = set()
    for text in filter(None, reference_ranges(f"R{number}" for number in numbers).split(", ")):
        first, _, last = text.replace("R", "").partition("-")
        named |= set(range(int(first), int(last or first) + 1))
    assert named == numbers


def symbol(reference: str, value: str = "10k", name: str = "Device:R", **more: object) -> ListedSymbol:
    return ListedSymbol(name, reference, value, **more)  # type: ignore[arg-type]


def references(symbols: list[ListedSymbol]) -> list[str]:
    return [one.reference for one in symbols]


def test_power_symbols_flags_and_what_is_excluded_are_no_parts() -> None:
    symbols = [symbol(reference) for reference in ("R10", "#PWR01", "#FLG01", "", "R9")]
    others = [symbol("R1", in_bom=False), symbol("GND1", power=True)]
    assert references(parts_of([*symbols, *others])) == ["R9", "R10"]


def test_the_units_of_a_part_count_once_with_all_their_values() -> None:
    units = [symbol("U1", "b", unit=2), symbol("U1", "a"), symbol("U2", "a"), symbol("U2", "a", unit=2)]
    assert [(one.reference, one.value) for one in parts_of(units)] == [("U1", "a,b"), ("U2", "a")]


def test_symbols_without_a_number_are_a_part_each() -> None:
    symbols = [symbol(reference) for reference in ("R?", "R?", "R1", "R1")]
    assert references(parts_of(symbols)) == ["R1", "R?", "R?"]


def test_another_key_tells_apart_what_shares_a_reference() -> None:
    read = [symbol("R1", "10k"), symbol("R1", "4k7"), symbol("R1", "10k")]
    assert [one.value for one in parts_of(read)] == ["10k,4k7"]
    assert [one.value for one in parts_of(read, lambda one: (one.reference, one.value))] == ["10k", "4k7"]


def test_a_line_has_parts_of_one_value_symbol_and_population() -> None:
    parts = [
        symbol("R10"),
        symbol("R2"),
        symbol("R3", "4k7"),
        symbol("R4", name="Device:R_Small"),
        symbol("R5", name="other:R"),
        symbol("R1", dnp=True),
    ]
    assert [references(group) for group in grouped(parts)] == [["R1"], ["R2", "R5", "R10"], ["R3"], ["R4"]]


def test_a_sheet_s_symbols_have_the_references_of_its_use() -> None:
    text = sheet(
        "root",
        placed("Device:R", "a", "R?", "1k", ("/root", "R2"), more="(in_bom no) (dnp yes)"),
        placed("power:GND", "b", "#PWR01", "~"),
        version=20250318,
    )
    assert listed_symbols(read_sheet(text)) == (
        ListedSymbol("Device:R", "R2", "1k", dnp=True, in_bom=False),
        ListedSymbol("power:GND", "#PWR01", "~", power=True),
    )
    assert listed_symbols(read_sheet(text.replace("20250318", "20250114")))[1].value == ""


@pytest.mark.parametrize(("text", "dnp"), [("DNP", True), ("1", True), ("no", False), (" ", False)])
def test_a_field_says_that_a_part_is_not_populated(text: str, dnp: bool) -> None:
    field = f'(property "DNP" "{text}" (at 1 1 0))'
    (found,) = listed_symbols(read_sheet(sheet("r", placed("Device:R", "a", "R1", " 1k ", more=field))))
    assert (found.dnp, found.value) == (dnp, "1k")


@pytest.mark.slow
def test_parts_are_those_of_kicad_s_own_netlists() -> None:
    """Of the mini set, whose netlists list what is excluded from a bill of materials, too."""
    mini = shared_folder("open-schematics-mini")
    texts = [
        text
        for path in sorted(mini.glob("*.parquet"))
        for text in pq.read_table(path, columns=["schematic"])["schematic"].to_pylist()
    ]
    compared = 0
    with gzip.open(shared_folder("kicad-netlists") / "mini.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            netlist = json.loads(line)
            symbols = listed_symbols(read_sheet(texts[netlist["row_index"]]))
            parts = parts_of(replace(one, in_bom=True) for one in symbols)
            ours = {one.reference: one.value or "~" for one in parts if one.is_annotated}
            theirs = {
                one["ref"]: one["value"].strip() for one in netlist["components"] if "?" not in one["ref"]
            }
            assert ours.keys() == theirs.keys(), netlist["row_index"]
            # Of symbols that share a reference but no value a netlist has one.
            differing = {one for one, value in ours.items() if value != theirs[one]}
            assert all(theirs[one] in ours[one].split(",") for one in differing), netlist["row_index"]
            compared += len(ours) - len(differing)
    assert compared > 6000

"""Nets of the data set's mapping (json, yaml) by hand, and mappings that a model should not write."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.kicad.reader import read_sheet
from schematic_reader.scoring.connectivity import ReadNets, described_nets
from schematic_reader.scoring.described_sheet import MAX_COMPARED, described_sheet
from tests.support.described_sheets import NETS, OWN, document, label, pin, symbol_entry, wire


def read(mapping: object, own: str = OWN) -> ReadNets:
    found = described_nets("json", json.dumps(mapping), read_sheet(own))
    assert found is not None
    return found


def pins(found: ReadNets) -> set[frozenset[tuple[str, str]]]:
    return {net.pins for net in found.nets}


def test_nets_by_hand() -> None:
    found = read(document())
    assert pins(found) == NETS
    assert (found.unread, found.unresolved) == (0, 0)


def test_yaml_holds_the_same() -> None:
    found = described_nets("yaml", f"```yaml\n{yaml.safe_dump(document())}```", read_sheet(OWN))
    assert found is not None and pins(found) == NETS


def test_kiutils_own_layout_holds_the_same() -> None:
    text = (
        json.dumps(document())
        .replace('"x"', '"X"')
        .replace('"y"', '"Y"')
        .replace('"angle": 0', '"angle": null')
    )
    more = '{"libSymbols": [{"entryName": "R", "units": []}], "texts": [], "uuid": "0", '
    found = described_nets("json", more + text[1:], read_sheet(OWN))
    assert found is not None and (pins(found), found.unread) == (NETS, 0)


def test_neither_order_nor_a_shift_nor_the_librarys_nickname_matters() -> None:
    mapping = document()
    mapping["schematicSymbols"].reverse()
    for symbol in mapping["schematicSymbols"]:
        symbol["libraryNickname"] = None
    places = [entry["position"] for entries in mapping.values() for entry in entries if "position" in entry]
    places += [point for item in mapping["graphicalItems"] for point in item.get("points", [])]
    for place in places:
        place["x"], place["y"] = round(place["x"] + 10.16, 2), round(place["y"] + 7.62, 2)
    assert pins(read(mapping)) == NETS


def test_the_angle_is_the_answers_own() -> None:
    mapping = document()
    mapping["schematicSymbols"][2]["position"]["angle"] = 270  # R1 the other way round
    assert pins(read(mapping)) == {
        frozenset({("R1", "1"), ("U1", "2")}), frozenset({("U1", "1"), ("U1", "3")}),
        frozenset({("R1", "2"), ("R2", "2")}), frozenset({("R2", "1")}),
    }  # fmt: skip


def test_a_unit_is_that_of_the_nearest() -> None:
    mapping = document()
    mapping["schematicSymbols"][1]["position"]["y"] = 60  # nearer to unit 1, which is there twice then
    found = read(mapping)
    assert ("U1", "3") not in {pin for net in found.nets for pin in net.pins}
    assert frozenset({("U1", "1")}) in pins(found)


def test_a_wrong_reference_has_the_pins_of_its_library_symbol() -> None:
    mapping = document()
    mapping["schematicSymbols"][3] = symbol_entry("L:R", "R9", 150, 50)
    assert pins(read(mapping)) == {
        frozenset((("R9", number) if name == "R2" else (name, number)) for name, number in net)
        for net in NETS
    }


def test_the_nearest_with_the_same_reference_comes_before_a_nearer_one() -> None:
    mapping = document()
    mapping["schematicSymbols"][3] = symbol_entry("L:R", "R2", 60, 50)  # nearer to R1, which is the short one
    mapping["graphicalItems"].append(wire((60, 55.08), (60, 60)))
    mapping["labels"].append(label("GND", 60, 60))
    assert pins(read(mapping)) == NETS


def test_a_symbol_that_the_sheet_does_not_have_has_no_pins_and_is_counted() -> None:
    mapping = document()
    mapping["schematicSymbols"][0] = symbol_entry("L:LM358", "U1", 100, 50)
    mapping["schematicSymbols"].append(symbol_entry("L:R_long", "R7", 20, 20))
    found = read(mapping)
    assert found.unresolved == 2
    assert pins(found) == {
        frozenset({("R1", "2")}), frozenset({("U1", "3")}),
        frozenset({("R1", "1"), ("R2", "2")}), frozenset({("R2", "1")}),
    }  # fmt: skip
    # Nor does one whose symbol is missing in the sheet's own library.
    assert read(document(), OWN.replace('(symbol "L:GND" (power)', '(symbol "L:X" (power)')).unresolved == 2


def test_buses_and_sheet_pins_join_as_in_kicads_text() -> None:
    mapping = document()
    mapping["graphicalItems"] += [
        wire((10, 10), (10, 20), kind="bus"),
        wire((150, 44.92), (150, 12.54), (12.54, 12.54)),
        wire((12.54, 17.54), (47.46, 17.54)),
    ]
    mapping["busEntries"] = [
        {"position": {"x": 10, "y": 10}, "size": {"x": 2.54, "y": 2.54}},
        {"position": {"x": 10, "y": 15}, "size": {"x": 2.54, "y": 2.54}},
    ]
    mapping["sheets"] = [{"position": {"x": 0, "y": 70}, "pins": [label("", 105.08, 74.92) | {"name": "IN"}]}]
    assert pins(read(mapping)) == NETS  # entries of a bus do not join each other
    mapping["labels"].append(label("OUT", 12.54, 12.54))
    assert pins(read(mapping)) == {
        frozenset({("R1", "2"), ("U1", "2")}), frozenset({("U1", "1"), ("U1", "3"), ("R2", "1")}),
        frozenset({("R1", "1"), ("R2", "2")}),
    }  # fmt: skip


def test_aliases_of_buses_are_those_of_the_sheet() -> None:
    mapping = document()
    mapping["graphicalItems"].append(wire((10, 10), (20, 10), kind="bus"))
    mapping["labels"] += [label("x{D}", 10, 10), label("y{D}", 20, 10)]
    mapping["labels"] += [label("x.A", 150, 44.92), label("y.A", 52.54, 50)]
    assert pins(read(mapping)) == NETS
    own = OWN.replace("(lib_symbols", '(bus_alias "D" (members "A" "B")) (lib_symbols')
    assert frozenset({("R1", "2"), ("U1", "2"), ("R2", "1")}) in pins(read(mapping, own))


BAD = {
    "schematicSymbols": [
        5, None, [], {}, symbol_entry("L:R", "R5", 0, 0) | {"position": None},
        symbol_entry("L:R", "R5", 0, 0) | {"position": {"x": 0}},
        symbol_entry("L:R", "R5", 0, 0) | {"position": {"x": [0], "y": 0}},
        symbol_entry("L:R", "R5", 0, 0) | {"position": {"x": True, "y": 0}},
        *(symbol_entry("L:R", "R5", x, 0) for x in (float("nan"), float("inf"), 1e300)),
        symbol_entry("L:R", "R5", 0, 0) | {"position": {"x": "zero", "y": 0}},
        *(symbol_entry("L:R", "R5", 0, 0) | {"properties": value} for value in ("R5", [5])),
        symbol_entry("L:R", "R5", 0, 0) | {"properties": [{"key": "Reference", "value": ["R5"]}]},
        symbol_entry("L:R", "R5", 0, 0) | {"entryName": ["R"]},
    ],
    "graphicalItems": [wire() | {"points": 5}, wire() | {"points": [5]}, wire((0, float("nan")))],
    "labels": [label("X", 0, 0) | {"text": ["X"]}, {"text": "X"}, "X"],
    "junctions": [{}, [0, 0]],
    "noConnects": [{"position": "here"}],
    "busEntries": [{"position": {"x": 0, "y": 0}}],
    "sheets": [{"position": {"x": 0, "y": 0}, "pins": {"name": "A"}}],
}  # fmt: skip


@pytest.mark.parametrize("section", BAD)
def test_entries_of_another_layout_are_left_out_and_counted(section: str) -> None:
    for entry in BAD[section]:
        mapping = document()
        mapping.setdefault(section, []).append(entry)
        found = read(mapping)
        assert (pins(found), found.unread) == (NETS, 1), entry
    # A section that is no list counts as one entry, and its own are missing.
    assert read(document() | {section: "none"}).unread == 1
    assert read(document() | {"noConnects": None}).unread == 0


def test_symbols_that_say_little_are_read_in_part() -> None:
    bare = {"schematicSymbols": [{"entryName": "R", "position": {"x": 0, "y": 0, "angle": None}}] * 2}
    assert pins(read(bare)) == {frozenset({("", "1")}), frozenset({("", "2")})}
    twice = {"schematicSymbols": [symbol_entry("L:R", "R1", 0, 0), symbol_entry("L:R", "R1", 0, 50.8)]}
    assert [len(net.pins) for net in read(twice).nets] == [1] * 4


DENSE = "".join(pin(i, 0, 0) for i in range(3000))
DENSE_SHEET = OWN.replace(pin(1, 0, 0, "power_in"), DENSE)
POINT = {"position": {"x": 1, "y": 1}}
HOSTILE: dict[str, str] = {
    "cut": json.dumps(document())[:-9],
    "a list": "[]",
    "a number": "1e999999999",
    "nothing of a sheet": '{"symbols": [["R1", "L:R", "1k"]], "a": 5}',
    "blank": "  ",
    "prose": "R1 and U1",
    "10,000 deep": '{"labels":' * 10_000,
    "10,000 lists": '{"labels":' + "[" * 10_000 + "]" * 10_000 + "}",
    "10 MB": json.dumps({"labels": ["x" * 10_000_000]}),
    "NUL": '{"labels": ["\0"]}',
    "unpaired surrogate": '{"labels": ["\ud800"]}',
    "many pins on many symbols": json.dumps(
        {"schematicSymbols": [{"entryName": "GND"} | POINT] * 20_000}, separators=(",", ":")
    ),
    "many wires through many junctions": json.dumps(
        {"graphicalItems": [wire((0, 0), (99, 99))] * 20_000, "junctions": [POINT] * 15_000},
        separators=(",", ":"),
    ),
    "many wide buses": json.dumps({"labels": [label(f"D[0..{i}99]", i, 0) for i in range(9_000)]}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_are_not_read(name: str) -> None:
    """Most would take hours or all memory, so that no clock is needed to tell."""
    assert described_nets("json", HOSTILE[name], read_sheet(DENSE_SHEET)) is None


def test_so_many_symbols_are_not_compared() -> None:
    sheet = read_sheet(OWN)
    many = replace(sheet, symbols=sheet.symbols[-1:] * 1000)
    entries = [{"entryName": "GND", "position": {"x": "0", "y": "0"}}] * (MAX_COMPARED // 1000 + 1)
    assert described_sheet({"schematicSymbols": entries}, many) is None
    assert described_sheet({"schematicSymbols": entries[:99]}, many) is not None


def test_huge_numbers_and_escaped_surrogates_do_no_harm() -> None:
    text = (
        json.dumps(document())[:-1] + ', "junctions": [{"position": {"x": ' + "9" * 100_000 + ', "y": 1}}], '
    )
    found = described_nets("json", text + '"noConnects": NaN, "sheets": -Infinity}', read_sheet(OWN))
    assert found is not None and (pins(found), found.unread) == (NETS, 3)
    assert read({"labels": [label("\ud800", 0, 0)]}).nets == []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "R", "wire", "1"])
SECTIONS = ["schematicSymbols", "graphicalItems", "junctions", "noConnects", "busEntries", "sheets", "labels"]
INNER = ["position", "x", "y", "angle", "size", "text", "type", "points", "pins", "name", "entryName"]
KEYS = st.sampled_from([*SECTIONS, *INNER, "properties", "key", "value"])
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=40,
)


@pytest.mark.slow
@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.dictionaries(KEYS, ANY, max_size=6))
def test_any_json_is_read_or_not_but_never_raises(mapping: dict[str, Any]) -> None:
    found = described_nets("json", json.dumps(mapping), read_sheet(OWN))
    assert found is None or found.unread >= 0

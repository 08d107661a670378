"""kiutils' mapping: a sheet small enough to read, and all good real rows byte for byte."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from schematic_reader.kicad.kiutils import LABEL_KINDS, read_mapping, to_json, to_mapping, to_yaml
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet
from tests.support.kicad_sheets import every_feature


def test_every_section() -> None:
    description = to_mapping(every_feature())
    assert list(description) == [
        "libSymbols",
        "schematicSymbols",
        "junctions",
        "noConnects",
        "busEntries",
        "graphicalItems",
        "labels",
        "globalLabels",
        "hierarchicalLabels",
        "sheets",
        "sheetInstances",
    ]
    assert description["libSymbols"] == ["Device:R", "Logic:Gate", "power:GND"]
    assert description["schematicSymbols"][0] == {
        "libraryNickname": "Device",
        "entryName": "R",
        "position": {"x": 50.8, "y": 50.8, "angle": 0},
        "properties": [
            {"key": "Reference", "value": "R1"},
            {"key": "Value", "value": "4k7"},
            {"key": "MPN", "value": "X-1"},
        ],
    }
    assert description["junctions"][1] == {"position": {"x": 60.96, "y": 40.64}, "diameter": 1.016}
    assert description["noConnects"] == [{"position": {"x": 63.5, "y": 63.5}}]
    assert description["busEntries"] == [
        {"position": {"x": 101.6, "y": 30.48}, "size": {"x": 2.54, "y": 2.54}}
    ]
    assert [item["type"] for item in description["graphicalItems"]] == [
        "wire",
        "text",
        "polyline",
        "bus",
        "textBox",
    ]
    assert description["labels"] == [{"text": "NET_1", "position": {"x": 50.8, "y": 40.64, "angle": 0}}]
    assert description["globalLabels"] == [
        {"text": "GLOBAL", "shape": "bidirectional", "position": {"x": 120, "y": 40, "angle": 180}}
    ]
    assert description["hierarchicalLabels"][0]["shape"] == "output"
    assert description["sheets"] == [
        {
            "position": {"x": 150, "y": 50},
            "width": 30,
            "height": 20,
            "sheetName": "Power",
            "fileName": "power.kicad_sch",
            "pins": [
                {
                    "name": "IN",
                    "connectionType": "input",
                    "position": {"x": 150, "y": 60, "angle": 180},
                },
                {"name": "OUT", "connectionType": "output", "position": {"x": 180, "y": 60, "angle": 0}},
            ],
        }
    ]
    assert description["sheetInstances"] == [{"instancePath": "/", "page": "1"}]


def test_yaml_and_json_say_the_same() -> None:
    sheet = every_feature()
    assert yaml.safe_load(to_yaml(sheet)) == yaml.safe_load(to_json(sheet)) == to_mapping(sheet)
    assert not re.search(r"[0-9]\.0\b", to_json(read_sheet(write_sheet(sheet))))


def as_loaded(text: str) -> object:
    """The document as the tasks' loader leaves it: numbers as text."""
    return json.loads(text, parse_int=str, parse_float=str)


def test_what_is_written_is_read() -> None:
    sheet = every_feature()
    found = read_mapping(as_loaded(to_json(sheet)))
    assert found is not None and found.unread == 0
    read = found.sheet
    assert [(one.at, one.angle, one.reference, one.value) for one in read.symbols] == [
        (one.at, one.angle, one.reference, one.value) for one in sheet.symbols
    ]
    assert [one.lib_id for one in read.symbols] == [one.lib_id.split(":")[1] for one in sheet.symbols]
    assert [(one.kind, one.points) for one in read.lines] == [(one.kind, one.points) for one in sheet.lines]
    assert (read.bus_entries, read.junctions) == (sheet.bus_entries, sheet.junctions)
    assert read.no_connects == sheet.no_connects
    kinds = [kind for kind in LABEL_KINDS.values() for label in sheet.labels if label.kind == kind]
    assert len(kinds) >= 3 and [label.kind for label in read.labels] == kinds
    assert {(one.kind, one.text, one.at) for one in read.labels} == {
        (one.kind, one.text, one.at) for one in sheet.labels if one.kind in kinds
    }
    assert [(box.at, [(pin.name, pin.at) for pin in box.pins]) for box in read.sheets] == [
        (box.at, [(pin.name, pin.at) for pin in box.pins]) for box in sheet.sheets
    ]


def test_malformed_entries_are_counted_and_left_out() -> None:
    at = {"x": "1", "y": "2"}
    found = read_mapping(
        {
            "junctions": [
                {"position": at},
                {"position": {"x": "nan", "y": "2"}},
                {"position": {"X": "1"}},
                5,
            ],
            "noConnects": [{"position": {"X": "3", "Y": "4"}}],
            "labels": "none",
            "sheets": None,
        }
    )
    assert found is not None
    assert (found.sheet.junctions, found.sheet.no_connects) == (((1.0, 2.0),), ((3.0, 4.0),))
    assert found.unread == 4
    assert read_mapping([]) is read_mapping({"libSymbols": []}) is None


def test_components_are_the_placed_ones_once_in_library_order() -> None:
    sheet = every_feature()
    assert sheet.component_names == ["R", "Gate", "GND"]
    text = write_sheet(sheet).replace('(lib_id "Logic:Gate")', '(lib_name "R_1")\n\t\t(lib_id "Device:R")')
    text = text.replace('(symbol "Logic:Gate"', '(symbol "R_1"')
    assert read_sheet(text).component_names == ["R", "R_1", "GND"]


@pytest.mark.slow
def test_all_good_real_rows(mini: Path) -> None:
    with (mini / "manifest.csv").open() as file:
        dirt = [row["dirt"] for row in csv.DictReader(file)]
    columns = ["schematic", "components_used", "json", "yaml"]
    rows = [
        row
        for shard in sorted(mini.glob("*.parquet"))
        for row in pq.read_table(shard, columns=columns).to_pylist()
    ]
    good = [row for row, why in zip(rows, dirt, strict=True) if not why]
    assert len(good) == 260
    for number, row in enumerate(good):
        sheet = read_sheet(row["schematic"])
        assert to_json(sheet) == row["json"]
        assert sheet.component_names == row["components_used"]
        if number % 20 == 0:  # PyYAML takes as long for one sheet as all the rest for several
            assert to_yaml(sheet) == row["yaml"]
            assert to_json(read_sheet(write_sheet(sheet))) == row["json"]

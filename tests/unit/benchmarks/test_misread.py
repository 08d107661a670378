"""Parts that an answer has right or wrong, by what is in the way of reading them."""

from __future__ import annotations

import json
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import misread
from benchmarks.common import results
from benchmarks.misread import JudgedPart, judged_parts, shares
from schematic_reader.config import ImageLimits
from schematic_reader.kicad.bom import read_symbol
from schematic_reader.kicad.model import Line, PlacedSymbol, Property, Sheet, TextStyle
from schematic_reader.kicad.writer import write_sheet
from tests.support.kicad_sheets import GROUND, RESISTOR
from tests.support.predicted_sheet import write_predicted_sheet


def resistor(
    reference: str, value: str, *, angle: float = 0, text: float = 0, hidden: bool = False
) -> PlacedSymbol:
    large = TextStyle(size=2.54 if reference == "R1" else 1.27)
    fields = (
        Property("Reference", reference, (50, 50), style=large),
        Property("Value", value, (50, 53), angle=text, hidden=hidden),
    )
    return PlacedSymbol("Device:R", (50, 50), angle=angle, properties=fields)


SHEET = Sheet(
    lib_symbols={"Device:R": RESISTOR, "power:GND": GROUND},
    symbols=(
        resistor("R1", "1k"),
        resistor("R2", "2k", angle=90),
        resistor("R3", "R", angle=90, text=90),
        resistor("R4", "4k", hidden=True),
        PlacedSymbol(
            "power:GND", (9, 9), properties=(Property("Reference", "#PWR01"), Property("Value", "GND"))
        ),
    ),
)
SAID = [
    read_symbol("Device:R", "R1", "1k"),
    read_symbol("Device:R", "R2", "7k"),
    read_symbol("Device:C", "R3", "R"),
]


def judged(sheet: Sheet, width: float = 1122.5) -> list[JudgedPart]:
    return list(judged_parts(write_sheet(sheet), SAID, width))


def test_each_part_is_judged_by_reference_value_and_symbol() -> None:
    assert [(one.reference, one.value, one.symbol) for one in judged(SHEET)] == [
        (True, True, True),
        (True, False, True),
        (True, True, False),
        (False, False, False),
    ]
    assert shares(judged(SHEET)) == {"parts": 4, "references": 0.75, "values": 0.667, "symbols": 0.667}


def test_groups_tell_text_height_direction_and_what_is_printed() -> None:
    groups = [set(one.groups) for one in judged(SHEET)]  # 3.78 pixels per mm
    assert ["text under 6.5 px" in one for one in groups] == [False, True, True, True]
    assert ["text of 6.5 px and more" in one for one in groups] == [True, False, False, False]
    assert ["value printed across" in one for one in groups] == [True, False, True, False]
    assert ["value printed upright" in one for one in groups] == [False, True, False, False]
    assert ["value not printed" in one for one in groups] == [False, False, False, True]
    assert ["symbol named by its value" in one for one in groups] == [False, False, True, False]
    assert all("up to 20 parts" in one and "sheet without buses" in one for one in groups)
    larger = judged(SHEET, 1.5 * 1122.5)
    assert all("text of 6.5 px and more" in one.groups for one in larger)
    nameless = replace(
        SHEET.symbols[0], properties=tuple(replace(one, hidden=True) for one in SHEET.symbols[0].properties)
    )
    (one,) = judged(replace(SHEET, symbols=(nameless,)))
    assert "reference not printed" in one.groups and not any("px" in group for group in one.groups)
    bus = replace(SHEET, lines=(Line(((0, 0), (9, 0)), kind="bus"),))
    assert all("sheet with buses" in one.groups for one in judged(bus))


@pytest.mark.parametrize(
    ("limits", "width"),
    [
        (ImageLimits(480, 10**6, 1), 480),
        (ImageLimits(10**4, 250_000, 1), 1000 / 2),  # four times as many pixels as allowed
        (ImageLimits(768, 400_000, 24), 1500),
        (ImageLimits(10**4, 10**7, 1), 1000),
    ],
)
def test_the_width_is_that_of_the_picture_that_the_model_gets(limits: ImageLimits, width: float) -> None:
    assert abs(misread.width_as_seen(1000, 1000, limits) - width) <= 1


def test_a_text_that_is_no_sheet_has_no_parts() -> None:
    assert list(judged_parts("(kicad_sch", SAID, 100)) == []


def test_a_line_of_results_has_all_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.jsonl")
    write_predicted_sheet(tmp_path)
    monkeypatch.setattr("sys.argv", ["misread", "--task", "json"])
    with chdir(tmp_path):
        misread.main()
    found = json.loads((tmp_path / "results.jsonl").read_text())
    assert (found["benchmark"], found["references"], found["values"], found["symbols"]) == (
        "misread",
        1,
        1,
        1,
    )
    assert found["parts"] > 3
    assert (
        sum(found["groups"][name]["parts"] for name in found["groups"] if "buses" in name) == found["parts"]
    )

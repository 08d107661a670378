"""The bill of materials of what was read: grouped, power symbols left out, safe to open."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
from PIL import Image

from schematic_reader.config import Messages
from schematic_reader.importing.part_lists import read_part_list
from schematic_reader.kicad.bom import read_symbol
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.sexpr import parse
from schematic_reader.predict.bom import bill_of_materials, bom_notes
from schematic_reader.predict.kicad_file import read_kicad
from schematic_reader.predict.opened_sheet import OpenedSheet, SheetOrigin
from schematic_reader.predict.output import as_bom, as_json, as_kicad
from schematic_reader.predict.parts import Part, Reading
from schematic_reader.predict.sheet_reader import SheetReader
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import ModelAnswer
from schematic_reader.tasks.description import Description, DescriptionTask
from schematic_reader.tasks.description import symbol as symbol_entry
from tests.support.kicad_projects import CHANNEL, PROJECT, ROOT_SHEET, placed, sheet

FILES = {
    "amp.kicad_sch": ROOT_SHEET.encode(),
    "parts/channel.kicad_sch": CHANNEL.encode(),
    "amp.kicad_pro": PROJECT.encode(),
}
HEADINGS = ["Reference", "Value", "Qty", "Symbol", "Kind", "Sheet", "Confidence", "DNP"]
READ = partial(read_kicad, task=task_named("components"), form="compact")


def rows(readings: Sequence[Reading]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(as_bom(readings).removeprefix("\ufeff"))))


def answered(file: str, *symbols: tuple[str, str, str], page: int | None = None) -> Reading:
    """The reading of a picture with an answer to a structured task."""
    listed = tuple(read_symbol(library, reference, value) for reference, library, value in symbols)
    return Reading(SheetOrigin(file, page), "...", (), cut=False, symbols=listed)


def test_a_kicad_project_is_one_list_without_power_symbols() -> None:
    readings = READ("amp.kicad_sch", FILES.get, project="amp.kicad_pro").readings
    channels = "parts/channel.kicad_sch /Left/; parts/channel.kicad_sch /Right/"
    assert rows(readings) == [
        HEADINGS,
        ["R2", "1k", "1", "R", "resistor", "amp.kicad_sch", "1.000", ""],
        ["R10, R20", "10k", "2", "R", "resistor", channels, "1.000", ""],
        ["R11, R21", "4k7", "2", "R", "resistor", channels, "1.000", ""],
    ]


def test_what_the_file_says_of_populating_and_of_the_list_is_followed() -> None:
    text = sheet(
        "r",
        *(placed("Device:R", f"a{n}", f"R{n}", "1k", x=50 + n) for n in (1, 2, 3, 7)),
        placed("Device:R", "b", "R4", "1k", more="(dnp yes)"),
        placed("Device:R", "c", "R5", "1k", more="(in_bom no)"),
        placed("Device:R", "d", "R6", "1k DNP"),
    )
    readings = READ("a", {"a": text.encode()}.get, project=None).readings
    assert [row[:3] + row[7:] for row in rows(readings)[1:]] == [
        ["R1-R3, R7", "1k", "4", ""],
        ["R4", "1k", "1", "DNP"],
        ["R6", "1k DNP", "1", ""],  # as in KiCad, whose own flag is what counts
    ]


@pytest.mark.parametrize(
    ("value", "dnp"),
    [("DNP", True), ("10k (dnp)", True), ("100n/DNI", True), ("1k NO POP", True), ("Do not populate", True),
     ("10k", False), ("DNP4148", False), ("XDNP", False), ("", False)],
)  # fmt: skip
def test_a_picture_says_in_the_value_what_is_not_populated(value: str, dnp: bool) -> None:
    (line,) = bill_of_materials([answered("a.png", ("R1", "Device:R", value))])
    assert (line.dnp, line.value) == (dnp, value)


def test_an_answer_names_a_part_of_several_units_or_pages_once() -> None:
    readings = [
        answered("a.pdf", *[("U1", "TL072", "TL072")] * 2, ("", "power:GND", "GND"), page=1),
        answered("a.pdf", ("U1", "TL072", "TL072"), ("R1", "Device:R", "1k"), ("R1", "R", "2k"), page=2),
    ]
    assert [[*row[:4], row[5]] for row in rows(readings)[1:]] == [
        ["R1", "1k", "1", "R", "a.pdf page 2"],
        ["R1", "2k", "1", "R", "a.pdf page 2"],
        ["U1", "TL072", "1", "TL072", "a.pdf page 1"],
    ]
    assert list(bom_notes(readings)) == []


def test_files_are_projects_of_their_own_and_a_line_says_so() -> None:
    readings = [answered(f"{name}.png", ("R1", "R", "1k"), ("C?", "C", "1n")) for name in "ab"]
    assert [row[:3] for row in rows(readings)[1:]] == [["C?, C?", "1n", "2"], ["R1", "1k", "2"]]
    (note,) = bom_notes(readings)
    assert note.startswith("several files have R1, counted once for each file")
    forged = [answered(f"{name}.png", ("R\n1", "R", "1k")) for name in "ab"]
    assert [note.splitlines()[1:] for note in bom_notes(forged)] == [[]]


def test_names_alone_have_no_quantity_and_a_line_says_what_would() -> None:
    parts = (Part("R", 0.9), Part("GND", 0.8), Part("+3V3", None))
    readings = [Reading(SheetOrigin(name), "R, GND, +3V3", parts, cut=False) for name in ("a.png", "b.png")]
    assert rows(readings)[1:] == [["", "", "", "R", "resistor", "a.png; b.png", "0.900", ""]]
    (note,) = bom_notes(readings)
    assert note.startswith("a.png and 1 more: names alone: references, values and quantities are in answers")


def test_an_answer_of_which_nothing_can_be_read_is_named() -> None:
    broken = Reading(SheetOrigin("a.png"), '{"symbols":[["R1"', (), cut=True)
    empty = Reading(SheetOrigin("b.png"), "", (), cut=False)
    assert rows([broken, empty]) == [HEADINGS]
    assert list(bom_notes([broken, empty])) == [
        "a.png: no symbol can be read from the answer, so none is in the bill of materials"
    ]


def test_json_has_the_same_lines() -> None:
    readings = READ("amp.kicad_sch", FILES.get, project="amp.kicad_pro").readings
    lines = json.loads(as_json(readings, task="components", calibrated=True))["bom"]
    assert lines[1] == {
        "references": ["R10", "R20"],
        "value": "10k",
        "quantity": 2,
        "symbol": "R",
        "kind": "resistor",
        "sheets": ["parts/channel.kicad_sch /Left/", "parts/channel.kicad_sch /Right/"],
        "confidence": 1.0,
        "dnp": False,
    }
    assert len(lines) == 3


def test_spreadsheets_open_it_unharmed_and_import_reads_it() -> None:
    evil = '=HYPERLINK("http://x")'
    text = as_bom([answered("=a.png", (evil, evil, evil), ("R1", "Device:R", "+5"), ("R2", "R", "a;=1"))])
    for row in list(csv.reader(io.StringIO(text)))[1:]:
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert "a;'=1" in text and "'+5" in text
    assert pd.read_csv(io.StringIO(text))["Qty"].tolist() == [1, 1, 1]
    assert read_part_list(text.encode(), ".csv").column == "Symbol"


def test_the_symbol_list_becomes_a_sheet_when_a_script_adds_places() -> None:
    readings = READ("amp.kicad_sch", FILES.get, project="amp.kicad_pro").readings
    head, *nodes = parse(as_kicad(readings))
    assert head == "symbols" and len(nodes) == 6
    named = as_kicad([Reading(SheetOrigin("a\x1b.png"), "R", (Part("R", 0.9),), cut=False)])
    assert '(lib_id "R")' in named and "\x1b" not in named
    text = as_kicad(readings)[len("(symbols") :].replace("(lib_id", "(at 10 10 0) (lib_id")
    found = read_sheet(f'(kicad_sch (version 20250114) (uuid "u") (paper "A4") {text}')
    assert [(one.lib_id, one.reference, one.value, one.value_of("Sheet")) for one in found.symbols][:3] == [
        ("Device:R", "R2", "1k", "amp.kicad_sch"),
        ("power:GND", "#PWR01", "GND", "amp.kicad_sch"),
        ("Device:R", "R10", "10k", "parts/channel.kicad_sch /Left/"),
    ]


def test_a_line_is_doubtful_by_its_lowest_part_where_confidences_are_calibrated() -> None:
    plain = answered("a.png", ("R1", "R", "1k"), ("R2", "R", "1k"), ("R3", "R", "2k"), ("", "GND", "GND"))
    sure = zip(plain.symbols, (0.9, 0.49, 0.5, 0.1), strict=True)
    reading = replace(plain, symbols=tuple(replace(symbol, confidence=said) for symbol, said in sure))
    assert rows([reading])[0] == HEADINGS and "Doubtful" not in as_kicad([reading])

    marked = replace(reading, calibrated=True)
    assert [(row[0], row[6], row[7], row[8]) for row in rows([marked])] == [
        ("Reference", "Confidence", "Doubtful", "DNP"),
        ("R1, R2", "0.490", "doubtful", ""),
        ("R3", "0.500", "", ""),
    ]
    listed = parse(as_kicad([marked]))[1:]
    assert [["property", "Doubtful", "yes"] in node for node in listed] == [False, True, False, True]
    bom = json.loads(as_json([marked], task="json", calibrated=True))["bom"]
    assert [line["doubtful"] for line in bom] == [True, False]


@pytest.mark.parametrize("name", ["json", "yaml", "schematic"])
def test_a_structured_answer_has_symbols_with_the_confidence_of_their_tokens(name: str) -> None:
    """One character a token: those of R1's entry have 0.5, of the entries after it 0.25."""
    symbols = [
        ("R1", "Device:R", "1k"),
        ("R10", "Device:R", "2\"k'\\"),  # escaped in each layout
        ("", "power:GND", "GND"),
        ("R2", "R", "1"),
    ]
    task = task_named(name)
    assert isinstance(task, DescriptionTask)
    entries = [symbol_entry(reference, library, value) for reference, library, value in symbols]
    text = task.write(Description(entries))
    end = text.index("R10")
    chars = range(1, len(text) + 2)
    probabilities = [0.5 if number <= end - 2 else 0.25 for number in chars]
    answer = ModelAnswer(text, len(text), "stop", list(chars), probabilities)
    messages = Messages("compact", 1, "drop", False)
    reader = SheetReader(lambda *_: [answer], task, messages, None)
    assert not reader.calibrated
    (reading,) = reader.read([OpenedSheet(SheetOrigin("a.png"), Image.new("RGB", (64, 64)))])
    found = [(one.reference, one.lib_id, one.value) for one in reading.symbols]
    assert found == symbols
    confidences = [one.confidence for one in reading.symbols]
    said = [text[text.index("R1") : text.index("1k") + 3], text[text.index("R2") : text.rindex("1") + 2]]
    assert confidences[0] == pytest.approx(0.5 ** (len(said[0]) - len("Device:")))
    assert confidences[3] == pytest.approx(0.25 ** len(said[1]))

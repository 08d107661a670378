"""The drawn sheets that show what the reader gets wrong: what is drawn, how it is judged and marked."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks.common.results import RESULTS
from benchmarks.failures import PICTURES, StandIn, dense_sheet, marked, stand_ins, upright_sheet, verdict
from schematic_reader.kicad.bom import listed_symbols, read_symbol
from schematic_reader.kicad.model import Sheet
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet
from tests.support.paths import ROOT

GREEN, AMBER, RED = (0, 140, 60), (235, 150, 0), (215, 0, 45)


@pytest.fixture(scope="module")
def drawn() -> dict[str, StandIn]:
    return {one.name: one for one in stand_ins()}


def colour(one: StandIn, said: list[str], reference: str) -> tuple[int, ...]:
    """That of the mark on a part, after an answer with these parts."""
    parts = [read_symbol(*text.split(" ")) for text in said]
    picture, _ = marked(one, parts)
    (placed,) = [symbol for symbol in one.sheet.symbols if symbol.reference == reference]
    return tuple(
        np.asarray(picture.convert("RGB"))[tuple(int(at) for at in one.pixel(placed.at)[::-1])].tolist()
    )


def test_a_part_is_right_with_reference_value_and_symbol() -> None:
    true = read_symbol("Device:R", "R1", "1k")
    assert verdict(true, [read_symbol("R", "R1", "1k"), read_symbol("C", "R1", "1k")]) == "right"
    assert verdict(true, [read_symbol("R", "R1", "2k"), read_symbol("C", "R1", "1k")]) == "partly"
    assert verdict(true, [read_symbol("R", "R2", "1k")]) == "missed"


@pytest.mark.parametrize("name", ["plain", "turned", "small", "upright"])
def test_marks_are_on_the_parts_however_the_picture_lies(drawn: dict[str, StandIn], name: str) -> None:
    one = drawn[name]
    (true,) = [symbol for symbol in listed_symbols(one.sheet) if symbol.reference == "R1"]
    assert colour(one, [f"{true.lib_id} R1 {true.value}"], "R1") == GREEN
    assert colour(one, [f"{true.lib_id} R1 wrong"], "R1") == AMBER
    assert colour(one, [], "R1") == RED


def test_the_committed_pictures_have_the_marks_that_are_counted(drawn: dict[str, StandIn]) -> None:
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    counted = {line["variant"]: line for line in lines if line["benchmark"] == "failures"}
    for name, one in drawn.items():
        pixels = np.asarray(Image.open(PICTURES / f"{name}.png").convert("RGB"))
        parts = [
            placed
            for placed, listed in zip(one.sheet.symbols, listed_symbols(one.sheet), strict=True)
            if listed.is_part
        ]
        places = [tuple(int(at) for at in one.pixel(placed.at)[::-1]) for placed in parts]
        marks = [tuple(pixels[place].tolist()) for place in places]
        shown = [marks.count(colour) for colour in (GREEN, AMBER, RED)]
        assert shown == [counted[name][verdict] for verdict in ("right", "partly", "missed")], name


def test_turned_places_show_what_the_plain_ones_do(drawn: dict[str, StandIn]) -> None:
    plain, turned = drawn["plain"], drawn["turned"]
    back = turned.picture.transpose(Image.Transpose.ROTATE_270)
    assert back.tobytes() == plain.picture.tobytes()
    for symbol in plain.sheet.symbols:
        x, y = plain.pixel(symbol.at)
        assert turned.pixel(symbol.at) == (y, plain.picture.width - x)  # a quarter to the left


def test_the_sheets_differ_in_what_they_are_named_after(drawn: dict[str, StandIn]) -> None:
    assert drawn["small"].picture.width * 5 == drawn["plain"].picture.width * 2
    assert drawn["copied"].picture.size == drawn["plain"].picture.size
    shown = [
        sum(not field.hidden for symbol in drawn[name].sheet.symbols for field in symbol.properties)
        for name in ("plain", "unnamed")
    ]
    parts = sum(symbol.is_part for symbol in listed_symbols(drawn["plain"].sheet))
    assert shown[0] - shown[1] == parts


@pytest.mark.parametrize(("sheet", "parts"), [(dense_sheet(), 18), (upright_sheet(), 12)])
def test_the_sheets_that_are_made_here_are_kicad_files(sheet: Sheet, parts: int) -> None:
    again = read_sheet(write_sheet(sheet))
    assert sum(symbol.is_part for symbol in listed_symbols(again)) == parts
    assert all(symbol.library_key in again.lib_symbols for symbol in again.symbols)


def test_the_page_has_the_pictures_and_the_figures_of_the_newest_run(drawn: dict[str, StandIn]) -> None:
    page = (ROOT / "docs" / "failures.md").read_text()
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    newest = {line["variant"]: line for line in lines if line["benchmark"] == "failures"}
    for name in drawn:
        assert (ROOT / PICTURES / f"{name}.png").is_file()
        (row,) = re.findall(rf"^\| \[{name}\]\(failures/{name}\.png\) \|.*\|$", page, re.MULTILINE)
        line = newest[name]
        figures = [line[key] for key in ("parts", "right", "partly", "missed", "invented")]
        assert [int(cell) for cell in row.strip("| ").split(" | ")[-5:]] == figures
    (line,) = [one for one in lines if one["benchmark"] == "misread"][-1:]
    for group, shares in {"all parts": line, **line["groups"]}.items():
        (row,) = re.findall(rf"^\| {re.escape(group)} \|.*\|$", page, re.MULTILINE)
        assert [float(cell.replace(",", "")) for cell in row.strip("| ").split(" | ")[1:]] == [
            shares[key] for key in ("parts", "references", "values", "symbols")
        ]

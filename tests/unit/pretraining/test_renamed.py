"""Rows to tune on: names and printed values still belong together after both have changed."""

from __future__ import annotations

import io
import random
import re
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pretraining import renamed
from pretraining.material import gather
from pretraining.renamed import Copy, Renamer, RowMaker, copies
from schematic_reader.io.tables import RAW
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.model import PlacedSymbol, Property, Sheet
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet
from tests.support.pretraining import annotated, generated


def placed(lib_id: str, reference: str, value: str, x: float) -> PlacedSymbol:
    texts = (("Reference", reference), ("Value", value))
    return PlacedSymbol(lib_id, (x, 50.0), properties=tuple(Property(k, v, (x, 45.0)) for k, v in texts))


@pytest.fixture(scope="module")
def sheet():
    """A sheet with a chip that is called as its value says, one with a longer name, and two supplies."""
    sheet = annotated(3)
    box = next(symbol for symbol in sheet.lib_symbols.values() if not symbol.power)
    supply = next(symbol for symbol in sheet.lib_symbols.values() if symbol.name == "GND")
    library = {
        "Device:R": replace(box, lib_id="Device:R"),
        "MCU:ATMEGA328-P": replace(box, lib_id="MCU:ATMEGA328-P"),
        "MCU:LM75_SOIC": replace(box, lib_id="MCU:LM75_SOIC"),
        "power:+3V3": replace(supply, lib_id="power:+3V3"),
        "power:GND": supply,
    }
    symbols = (
        placed("Device:R", "R7", "4k7", 20),
        placed("MCU:ATMEGA328-P", "U3", "ATMEGA328-P", 60),
        placed("MCU:LM75_SOIC", "U4", "LM75", 100),
        placed("power:+3V3", "#PWR01", "+3V3", 140),
        placed("power:GND", "#PWR02", "GND", 160),
    )
    return replace(sheet, lib_symbols=library, symbols=symbols, sheets=(), graphical_order="")


@pytest.fixture(scope="module")
def made(sheet):
    """Thirty copies of the sheet."""
    others = [(f"owner/{n}", generated(n)) for n in range(4)]
    renamer = Renamer(gather([*others, ("owner/x", sheet)], ()))
    return [renamer(sheet, random.Random(seed)) for seed in range(30)]


def part(sheet: Sheet, number: int) -> tuple[str, str]:
    """Name and value of a part by its place in the sheet."""
    symbol = sheet.symbols[number]
    return sheet.lib_symbols[symbol.library_key].name, symbol.value


def test_a_name_changes_together_with_the_value_that_says_it(made):
    names = {part(sheet, 1) for sheet in made}
    assert len(names) > 5
    assert all(name == value for name, value in names)
    longer = {part(sheet, 2) for sheet in made}
    assert len(longer) > 5
    assert all(name == f"{value}_SOIC" for name, value in longer)
    supplies = {part(sheet, 3) for sheet in made}
    assert len(supplies) > 2 and all(name == value for name, value in supplies)


def test_a_quantity_changes_and_ground_stays(made):
    assert len({part(sheet, 0)[1] for sheet in made}) > 10
    assert {part(sheet, 4) for sheet in made} == {("GND", "GND")}


def test_few_quantities_are_much_longer_than_the_one_before(made):
    """Where parts stand side by side, a longer one would run over its neighbour's."""
    values = [part(sheet, 0)[1] for sheet in made]
    assert sum(len(value) > 6 for value in values) <= 1


def test_a_part_that_its_drawing_tells_is_called_as_its_drawing_is(sheet):
    usual = sheet.lib_symbols["Device:R"]
    other = replace(usual, lib_id="Other:R_US", pin_numbers_hidden=not usual.pin_numbers_hidden)
    elsewhere = replace(
        sheet,
        lib_symbols={"Other:R_US": other, "Device:R": usual},
        symbols=(placed("Other:R_US", "R1", "10k", 20), placed("Device:R", "R2", "R", 40)),
    )
    renamer = Renamer(gather([("owner/y", elsewhere), ("owner/x", sheet)], ()))
    found = [renamer(sheet, random.Random(seed)) for seed in range(60)]
    assert {part(copy, 0)[0] for copy in found} == {"R", "R_US"}
    for copy in found:
        drawn = copy.symbols[0]
        hidden = copy.lib_symbols[drawn.lib_id].pin_numbers_hidden
        assert (hidden != usual.pin_numbers_hidden) == (drawn.lib_id == "Other:R_US")
    named = [renamer(elsewhere, random.Random(seed)) for seed in range(60)]
    assert all(copy.symbols[1].lib_id == "Device:R" for copy in named if copy.symbols[1].value == "R")


def test_values_that_say_something_of_their_own_change_alike(sheet):
    plug = sheet.lib_symbols["MCU:LM75_SOIC"]
    symbols = tuple(
        placed("Device:Plug", reference, value, 20 * number)
        for number, (reference, value) in enumerate((("J1", "Power"), ("J2", "Power"), ("J3", "USB in")), 1)
    )
    own = replace(sheet, lib_symbols={"Device:Plug": replace(plug, lib_id="Device:Plug")}, symbols=symbols)
    renamer = Renamer(gather([("owner/x", own), ("owner/y", generated(1))], ()))
    found = [[s.value for s in renamer(own, random.Random(seed)).symbols] for seed in range(60)]
    assert all(first == second for first, second, _ in found)
    assert len({first for first, *_ in found}) > 20 and len({third for *_, third in found}) > 20


def test_some_references_begin_with_other_letters(made):
    prefixes = [[re.split(r"\d", s.reference)[0] for s in sheet.symbols] for sheet in made]
    assert all(supply == "#PWR" for *_, supply, _ in prefixes)
    assert all(first == second for _, first, second, *_ in prefixes)
    assert 1 < len({first for _, first, *_ in prefixes}) < 15


def test_some_sheets_are_not_annotated_yet(sheet):
    renamer = Renamer(gather([("owner/x", sheet)], ()))
    found = [renamer(sheet, random.Random(seed)).symbols for seed in range(200)]
    parts = [[s.reference for s in symbols if not s.reference.startswith("#")] for symbols in found]
    without = [references for references in parts if references[0].endswith("?")]
    assert 3 < len(without) < 30
    assert all(reference.endswith("?") for references in without for reference in references)
    assert sum("?" in reference for references in parts for reference in references) == 3 * len(without)
    assert all(symbols[3].reference.startswith("#PWR") for symbols in found)


def test_some_shown_texts_run_upward(made):
    shown = [field.angle for sheet in made for symbol in sheet.symbols for field in symbol.properties]
    assert 0.03 < sum(angle == 90 for angle in shown) / len(shown) < 0.25


def test_symbols_stand_in_the_order_of_the_file_format(made):
    for sheet in made:
        assert list(sheet.lib_symbols) == sorted(sheet.lib_symbols)


def test_a_row_says_what_its_own_text_and_picture_show(sheet):
    maker = RowMaker(Renamer(gather([("owner/x", sheet)], ())), seed=3)
    row = maker(Copy(5, "owner/x", sheet))
    read = read_sheet(row["schematic"])
    assert row["components_used"] == read.component_names and row["name"] == "owner/x"
    picture = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
    assert picture.tobytes() == draw_sheet(read).convert("RGB").tobytes()
    assert all(name in row["json"] for name in row["components_used"])
    assert maker(Copy(5, "owner/x", sheet)) == row
    assert maker(Copy(6, "owner/x", sheet))["schematic"] != row["schematic"]


def test_copies_come_turn_by_turn_each_with_its_number(sheet):
    found = list(copies([("a", sheet), ("b", sheet)], 2))
    assert [(copy.number, copy.name) for copy in found] == [(0, "a"), (1, "b"), (2, "a"), (3, "b")]


def test_the_command_writes_rows_that_the_pipeline_takes(tmp_path, monkeypatch):
    rows = [{"name": f"owner/{n}", "schematic": write_sheet(generated(n))} for n in range(3)]
    renamed.write_rows(tmp_path / "train-00.parquet", RAW, rows)
    out = tmp_path / "renamed.parquet"
    monkeypatch.setattr(renamed, "cores", lambda: 1)
    monkeypatch.setattr("sys.argv", ["renamed", "--rows", str(tmp_path), "--out", str(out), "--copies", "2"])
    renamed.main()
    table = pq.read_table(out)
    assert table.schema.equals(RAW) and table["name"].to_pylist() == ["owner/0", "owner/1", "owner/2"] * 2
    texts = table["schematic"].to_pylist()
    assert len(set(texts)) == 6 and all(re.match(r"\(kicad_sch", text) for text in texts)

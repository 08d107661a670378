"""What is written is KiCad's text and reads back equal."""

from __future__ import annotations

import dataclasses
import re

import pytest

from schematic_reader.kicad.model import (
    AlternatePin,
    LibSymbol,
    Pin,
    PlacedSymbol,
    Sheet,
    SymbolUnit,
    Text,
    TextStyle,
)
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.sexpr import dump, parse
from schematic_reader.kicad.writer import format_number, write_sheet
from tests.support.kicad_sheets import RESISTOR, every_feature


def test_a_sheet_with_everything_reads_back_equal() -> None:
    sheet = every_feature()
    again = read_sheet(write_sheet(sheet))
    for field in dataclasses.fields(Sheet):
        if field.name in ("symbols", "sheets"):
            items = getattr(again, field.name)
            assert tuple(dataclasses.replace(item, uuid="") for item in items) == getattr(sheet, field.name)
        else:
            assert getattr(again, field.name) == getattr(sheet, field.name), field.name


def test_a_sub_sheet_keeps_its_uuid() -> None:
    """Paths of references lead through it."""
    sheet = read_sheet(write_sheet(every_feature()))
    given = dataclasses.replace(sheet.sheets[0], uuid="11111111-2222-4333-8444-555555555555")
    again = read_sheet(write_sheet(dataclasses.replace(sheet, sheets=(given,))))
    assert again.sheets == (given,)


def test_writing_again_changes_nothing() -> None:
    text = write_sheet(every_feature())
    assert write_sheet(every_feature()) == text
    assert write_sheet(read_sheet(text)) == text
    assert dump(parse(text)) == text


def test_uuids_are_all_different_and_depend_on_the_sheet() -> None:
    text = write_sheet(every_feature())
    uuids = re.findall(r'\(uuid "([^"]*)"\)', text)
    assert len(uuids) == len(set(uuids)) > 20
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid) for uuid in uuids)
    other = write_sheet(dataclasses.replace(every_feature(), uuid="00000000-0000-0000-0000-000000000001"))
    assert not set(uuids) & set(re.findall(r'\(uuid "([^"]*)"\)', other))


def test_a_symbol_in_kicad_8s_own_words() -> None:
    sheet = Sheet(uuid="6a31734e-65de-48f3-8156-2b24b665b183", lib_symbols={"Device:R": RESISTOR})
    text = write_sheet(sheet)
    assert text.startswith(
        '(kicad_sch\n\t(version 20231120)\n\t(generator "eeschema")\n\t(generator_version "8.0")\n'
        '\t(uuid "6a31734e-65de-48f3-8156-2b24b665b183")\n\t(paper "A4")\n\t(lib_symbols\n'
        '\t\t(symbol "Device:R"\n\t\t\t(pin_numbers hide)\n\t\t\t(pin_names\n\t\t\t\t(offset 0)\n\t\t\t)\n'
        "\t\t\t(exclude_from_sim no)\n\t\t\t(in_bom yes)\n\t\t\t(on_board yes)\n"
        '\t\t\t(property "Reference" "R"\n\t\t\t\t(at 2.032 0 90)\n\t\t\t\t(effects\n\t\t\t\t\t(font\n'
        "\t\t\t\t\t\t(size 1.27 1.27)\n\t\t\t\t\t)\n\t\t\t\t)\n\t\t\t)\n"
    )
    assert (
        '\t\t\t\t(pin passive line\n\t\t\t\t\t(at 0 3.81 270)\n\t\t\t\t\t(length 1.27)\n\t\t\t\t\t(name "~"\n'
    ) in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.00001, "0"),
        (1.27, "1.27"),
        (100, "100"),
        (-2.54, "-2.54"),
        (0.1 + 0.2, "0.3"),
        (1e-4, "0.0001"),
    ],
)
def test_numbers_as_kicad_prints_them(value: float, text: str) -> None:
    assert format_number(value) == text


def test_fonts_and_pin_functions_read_back_equal() -> None:
    style = TextStyle(size=2, width=3, face="DejaVu Sans")
    pin = Pin("3", "GPIO", (0, 0), 0, alternates=(AlternatePin("SDA", "bidirectional", "line"),))
    library = LibSymbol("t:U", units=(SymbolUnit(1, 1, pins=(pin,)),))
    symbol = PlacedSymbol("t:U", (10, 10), uuid="7", pin_functions=(("3", "SDA"),))
    sheet = Sheet(graphics=(Text("a", (1, 2), style=style),), lib_symbols={"t:U": library}, symbols=(symbol,))
    again = read_sheet(write_sheet(sheet))
    assert again.graphics == sheet.graphics
    assert again.lib_symbols["t:U"].units == library.units
    assert again.symbols[0].pin_functions == symbol.pin_functions


def test_only_what_differs_from_the_default_is_written_of_a_style() -> None:
    label = every_feature().labels[0]
    style = TextStyle(size=2, h_align="right", v_align="bottom", bold=True, thickness=0.5, mirrored=True)
    sheet = Sheet(labels=(dataclasses.replace(label, style=style),))
    node = next(node for node in parse(write_sheet(sheet)) if node[0] == "label")
    assert node[3] == [
        "effects",
        ["font", ["size", "2", "2"], ["thickness", "0.5"], ["bold", "yes"]],
        ["justify", "right", "bottom", "mirror"],
    ]

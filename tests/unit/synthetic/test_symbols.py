"""The generator's own library symbols."""

from __future__ import annotations

from collections import Counter

import pytest

from schematic_reader.kicad.model import Polyline, Rectangle
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet
from schematic_reader.synthetic.symbols import GROUNDS, KINDS, SUPPLIES
from schematic_reader.synthetic.symbols.shapes import chip

FIELD_RULES = {"side", "right", "left", "corner", "above", "box", "amplifier", "power"}


def test_there_are_many_kinds_under_the_names_of_real_sheets() -> None:
    assert len(KINDS) >= 200
    for name in (
        *("R", "R_Small", "R_US", "C", "C_Small", "C_Polarized", "L", "L_Small", "Ferrite_Bead", "D", "LED"),
        *("D_Schottky", "D_Zener", "D_TVS", "Q_NPN_BCE", "Q_PNP_BCE", "Q_NMOS_GSD", "Q_PMOS_GSD", "Crystal"),
        *("Crystal_GND24", "SW_Push", "SW_SPST", "Fuse", "Fuse_Small", "Polyfuse", "Conn_01x02_Pin"),
        *("Conn_01x08_Pin", "Conn_01x04_Socket", "Conn_02x05_Odd_Even", "USB_C_Receptacle_USB2.0"),
        *("USB_B_Micro", "Barrel_Jack", "TestPoint", "MountingHole", "Battery_Cell", "Speaker", "Buzzer"),
        *("R_Potentiometer", "LM358", "TL072", "AMS1117-3.3", "LM7805_TO220", "ATmega328P-A", "RP2040"),
        *("ATtiny85-20S", "STM32F103C8Tx", "ESP32-WROOM-32", "74HC595", "74HC00", "74LVC1T45", "CH340C"),
        *("MAX232", "24LC256", "DS18B20", "NE555P", "ULN2003A", "TP4056", "BSS138", "GND", "GNDA", "GNDD"),
        *("+3V3", "+3.3V", "+5V", "+12V", "VCC", "VDD", "VBUS", "PWR_FLAG"),
    ):
        assert name in KINDS, name


@pytest.mark.parametrize("name", sorted(KINDS))
def test_symbol(name: str) -> None:
    kind = KINDS[name]
    symbol = kind.symbol
    assert symbol.name == name and ":" in symbol.lib_id
    assert kind.fields in FIELD_RULES and kind.prefix and kind.value
    assert {p.key for p in symbol.properties} == {"Reference", "Value", "Footprint", "Datasheet"}
    pins = [pin for unit in symbol.units for pin in unit.pins]
    for pin in pins:
        for value in pin.at:
            assert abs(value / 1.27 - round(value / 1.27)) < 1e-9, pin
        assert pin.angle in (0.0, 90.0, 180.0, 270.0)
    numbers = Counter(pin.number for pin in pins)
    assert not pins or max(numbers.values()) == 1
    for unit in symbol.units:
        assert len({pin.at for pin in unit.pins}) == len(unit.pins)
    assert any(unit.graphics for unit in symbol.units)
    assert symbol.power == (kind.prefix in ("#PWR", "#FLG"))


def test_look_alikes_are_drawn_differently() -> None:
    for names in (
        ("R", "R_Small", "R_US"),
        ("C", "C_Small", "C_Polarized"),
        ("D", "D_Schottky", "D_Zener", "LED"),
    ):
        drawn = {KINDS[name].symbol.units[0].graphics for name in names}
        assert len(drawn) == len(names)
    assert KINDS["Q_NPN_BCE"].symbol.units[0] != KINDS["Q_PNP_BCE"].symbol.units[0]


def test_power_symbols_have_one_pin_at_their_origin() -> None:
    for name in (*GROUNDS, *SUPPLIES, "PWR_FLAG"):
        (pin,) = [pin for unit in KINDS[name].symbol.units for pin in unit.pins]
        assert pin.at == (0.0, 0.0) and pin.hidden and KINDS[name].value == name


def test_units_of_an_amplifier_are_those_of_its_data_sheet() -> None:
    units = {unit.unit: {pin.number for pin in unit.pins} for unit in KINDS["LM358"].symbol.units}
    assert units == {1: {"1", "2", "3"}, 2: {"5", "6", "7"}, 3: {"4", "8"}}


def test_a_chip_is_a_box_with_pins_two_steps_apart() -> None:
    symbol = chip(
        "Lib", "X", left="1 A i, -, 2 ~{B}", right="3 OUT o", top="4 VCC p", bottom="5 GND p"
    ).symbol
    (unit,) = symbol.units
    pins = {pin.number: pin for pin in unit.pins}
    (body,) = unit.graphics
    assert isinstance(body, Rectangle) and body.fill == "background"
    left, top = body.start
    assert pins["1"].at == (round(left - 2.54, 4), 2.54) and pins["2"].at == (round(left - 2.54, 4), -2.54)
    assert pins["3"].at == (round(-left + 2.54, 4), 2.54) and pins["3"].angle == 180.0
    assert pins["4"].at == (0.0, round(top + 2.54, 4)) and pins["4"].angle == 270.0
    assert [pins[n].kind for n in "1234"] == ["input", "bidirectional", "output", "power_in"]
    assert pins["2"].name == "~{B}"


def test_bodies_are_closed_where_they_are_filled() -> None:
    for name, kind in KINDS.items():
        for unit in kind.symbol.units:
            for graphic in unit.graphics:
                if isinstance(graphic, Polyline) and graphic.fill != "none":
                    assert graphic.points[0] == graphic.points[-1], name


def test_symbols_survive_a_file() -> None:
    from schematic_reader.kicad.model import Sheet

    symbols = {kind.symbol.lib_id: kind.symbol for kind in KINDS.values()}
    assert read_sheet(write_sheet(Sheet(lib_symbols=symbols))).lib_symbols == symbols

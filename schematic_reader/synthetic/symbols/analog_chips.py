"""Amplifiers, voltage regulators, references, timers and chargers."""

from __future__ import annotations

from schematic_reader.kicad.model import SymbolUnit
from schematic_reader.synthetic.symbols.shapes import (
    DOWN,
    LEFT,
    RIGHT,
    THIN,
    UP,
    Kind,
    chip,
    line,
    make_units,
    pin,
)

_SO8 = "Package_SO:SOIC-8_3.9x4.9mm_P1.27mm"


def _amplifier(
    unit: int, plus: str, minus: str, out: str, supply: tuple[str, str] | None = None
) -> SymbolUnit:
    """A triangle with the signs of its inputs; a single amplifier has its supply pins on it too."""
    body = (
        line((-4, 4), (4, 0), (-4, -4), (-4, 4), fill="background"),
        line((-3.4, 2), (-2.4, 2), width=THIN),
        line((-2.9, 2.5), (-2.9, 1.5), width=THIN),
        line((-3.4, -2), (-2.4, -2), width=THIN),
    )
    pins = [
        pin(out, 6, 0, LEFT, 2, "~", "o"),
        pin(minus, -6, -2, RIGHT, 2, "~", "i"),
        pin(plus, -6, 2, RIGHT, 2, "~", "i"),
    ]
    if supply:
        pins.append(pin(supply[0], -2, 6, DOWN, 3, "~", "p"))
        pins.append(pin(supply[1], -2, -6, UP, 3, "~", "p"))
    return SymbolUnit(unit, 1, body, tuple(pins))


def _supply(unit: int, plus: str, minus: str) -> SymbolUnit:
    pins = (pin(plus, 0, 5, DOWN, 2, "V+", "p"), pin(minus, 0, -5, UP, 2, "V-", "p"))
    return SymbolUnit(unit, 1, (), pins)


def _dual(name: str, library: str = "Amplifier_Operational", value: str = "") -> Kind:
    units = (_amplifier(1, "3", "2", "1"), _amplifier(2, "5", "6", "7"), _supply(3, "8", "4"))
    return make_units(library, name, "U", units, fields="amplifier", value=value or name, footprint=_SO8)


def _quad(name: str) -> Kind:
    units = (
        _amplifier(1, "3", "2", "1"),
        _amplifier(2, "5", "6", "7"),
        _amplifier(3, "10", "9", "8"),
        _amplifier(4, "12", "13", "14"),
        _supply(5, "4", "11"),
    )
    return make_units("Amplifier_Operational", name, "U", units, fields="amplifier")


def _single(name: str, library: str, plus: str, minus: str, out: str, supply: tuple[str, str]) -> Kind:
    units = (_amplifier(1, plus, minus, out, supply),)
    return make_units(library, name, "U", units, fields="amplifier", value=name.removesuffix("R"))


def _linear(
    name: str, vin: str, vout: str, gnd: str, *, in_name: str = "VI", out_name: str = "VO", low: str = "GND"
) -> Kind:
    return chip(
        "Regulator_Linear",
        name,
        left=f"{vin} {in_name} p",
        right=f"{vout} {out_name} P",
        bottom=f"{gnd} {low} p",
        width=10,
    )


ANALOG: tuple[Kind, ...] = (
    _dual("LM358"),
    _dual("TL072"),
    _dual("MCP6002-xSN", value="MCP6002"),
    _dual("NE5532"),
    _dual("LM393", "Comparator"),
    _quad("TL074"),
    _quad("LM324"),
    _single("LMV321", "Amplifier_Operational", "1", "3", "4", ("5", "2")),
    _single("OPA340NA", "Amplifier_Operational", "3", "4", "1", ("5", "2")),
    _single("MCP6001R", "Amplifier_Operational", "3", "4", "1", ("2", "5")),
    _linear("AMS1117-3.3", "3", "2", "1"),
    _linear("AMS1117-5.0", "3", "2", "1"),
    _linear("LM7805_TO220", "1", "3", "2"),
    _linear("LM7812_TO220", "1", "3", "2"),
    _linear("L7805", "1", "3", "2", in_name="IN", out_name="OUT"),
    _linear("LD1117S33TR_SOT223", "3", "2", "1"),
    _linear("MCP1700x-330xxTT", "3", "2", "1"),
    _linear("HT7333-A", "2", "3", "1", in_name="VIN", out_name="VOUT"),
    _linear("LM317_TO-220", "3", "2", "1", low="ADJ"),
    _linear("LM1117DT-ADJ", "3", "2", "1", low="ADJ"),
    chip(
        "Regulator_Linear",
        "AP2112K-3.3",
        left="1 VIN p, 3 EN i",
        right="5 VOUT P, 4 NC n",
        bottom="2 GND p",
    ),
    chip(
        "Regulator_Linear",
        "MIC5219-3.3YM5",
        left="1 IN p, 3 EN i",
        right="5 OUT P, 4 BP",
        bottom="2 GND p",
    ),
    chip(
        "Regulator_Switching",
        "LM2596S-5",
        left="1 VIN p, 5 ~{ON}/OFF i",
        right="4 FB i, 2 OUT o",
        bottom="3 GND p",
    ),
    chip(
        "Regulator_Switching",
        "MT3608",
        left="5 IN p, 4 EN i",
        right="1 SW o, 3 FB i",
        bottom="2 GND p",
        width=12,
    ),
    chip(
        "Battery_Management",
        "TP4056",
        left="4 VCC p, 8 CE i, 2 PROG, 1 TEMP i",
        right="5 BAT P, -, 7 ~{CHRG} c, 6 ~{STDBY} c",
        bottom="3 GND p",
    ),
    chip(
        "Battery_Management",
        "MCP73831-2-OT",
        left="4 VDD p, 5 PROG",
        right="3 VBAT P, 1 STAT o",
        bottom="2 VSS p",
    ),
    chip(
        "Timer",
        "NE555P",
        left="4 ~{R} i, 7 DIS, 6 THR i, 2 TR i",
        right="3 Q o, -, -, 5 CV",
        top="8 VCC p",
        bottom="1 GND p",
    ),
    chip(
        "Timer",
        "ICM7555xB",
        left="4 ~{R} i, 7 DIS, 6 THR i, 2 TR i",
        right="3 Q o, -, -, 5 CV",
        top="8 VCC p",
        bottom="1 GND p",
    ),
    chip(
        "Amplifier_Current",
        "INA219AxDCN",
        left="1 IN+ i, 2 IN- i, -, 8 A0 i, 7 A1 i",
        right="5 SDA, 6 SCL",
        top="4 VS p",
        bottom="3 GND p",
    ),
    chip(
        "Amplifier_Audio",
        "LM386",
        left="3 +IN i, 1 GAIN, 2 -IN i",
        right="5 OUT o, 7 BYP, 8 GAIN",
        top="6 VS p",
        bottom="4 GND p",
    ),
    chip(
        "Amplifier_Audio",
        "PAM8302AAD",
        left="4 IN- i, 3 IN+ i, 1 ~{SD} i",
        right="5 VO+ o, 8 VO- o",
        top="6 VDD p",
        bottom="7 GND p",
    ),
)

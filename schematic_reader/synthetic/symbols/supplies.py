"""Power symbols: one pin, whose net is the symbol's value."""

from __future__ import annotations

from schematic_reader.kicad.model import Graphic, Pin, SymbolUnit
from schematic_reader.synthetic.symbols.shapes import DOWN, THIN, UP, Kind, at, line, make_units

_ARROW = (line((-0.6, 1.3), (0, 2), (0.6, 1.3), width=THIN), line((0, 0), (0, 2), width=THIN))
_BAR = (line((-0.7, 1.6), (0.7, 1.6)), line((0, 0), (0, 1.6), width=THIN))
_SIGNAL_GROUND = (line((0, 0), (0, -1), (1, -1), (0, -2), (-1, -1), (0, -1), width=THIN),)
_ANALOG_GROUND = (
    line((0, 0), (0, -1), (1, -1), (0, -2), (-1, -1), (0, -1), width=THIN),
    line((-0.5, -1.5), (0.5, -1.5), width=THIN),
)
_DIGITAL_GROUND = (
    line((0, 0), (0, -1), width=THIN),
    line((-1, -1), (1, -1)),
    line((-1, -1), (-0.6, -1.8), (0.6, -1.8), (1, -1), width=THIN),
)
_EARTH = (
    line((0, 0), (0, -1), width=THIN),
    line((-1, -1), (1, -1)),
    line((-0.65, -1.45), (0.65, -1.45)),
    line((-0.3, -1.9), (0.3, -1.9)),
)
_CHASSIS = (
    line((0, 0), (0, -1), width=THIN),
    line((-1, -1), (1, -1)),
    *(line((x, -1), (x - 0.5, -1.9), width=THIN) for x in (-0.9, -0.1, 0.7)),
)
_FLAG = (line((0, 0), (0, 1), (-0.8, 1.5), (0, 2), (0.8, 1.5), (0, 1), width=THIN),)

GROUNDS = ("GND", "GNDA", "GNDD", "GNDPWR", "Earth")
SUPPLIES = (
    *("+3V3", "+3.3V", "+5V", "+12V", "+9V", "+24V", "+15V", "-12V", "-15V", "+1V8", "+1V1", "+2V5"),
    *("+3.3VA", "+5VA", "VCC", "VDD", "VBUS", "VSYS", "+BATT", "+VDC"),
)


def _power(
    name: str, graphics: tuple[Graphic, ...], down: bool, kind: str = "power_in", prefix: str = "#PWR"
) -> Kind:
    one = Pin("1", "~", at(0, 0), DOWN if down else UP, 0.0, kind, hidden=True)
    units = (SymbolUnit(0, 1, graphics), SymbolUnit(1, 1, (), (one,)))
    return make_units("power", name, prefix, units, fields="power", numbers=False, names=False, power=True)


_GROUND_SHAPES = (_SIGNAL_GROUND, _ANALOG_GROUND, _DIGITAL_GROUND, _CHASSIS, _EARTH)

POWER: tuple[Kind, ...] = (
    *(_power(name, shape, True) for name, shape in zip(GROUNDS, _GROUND_SHAPES, strict=True)),
    *(_power(name, _BAR if name in ("VCC", "VDD") else _ARROW, False) for name in SUPPLIES),
    _power("PWR_FLAG", _FLAG, False, "power_out", "#FLG"),
)

"""Resistors, capacitors, inductors, crystals and fuses."""

from __future__ import annotations

from schematic_reader.kicad.model import Graphic, Pin, Text, TextStyle
from schematic_reader.synthetic.symbols.shapes import (
    BOLD,
    DOWN,
    LEFT,
    RIGHT,
    THIN,
    UP,
    Kind,
    arc,
    arrow,
    at,
    box,
    line,
    make,
    pin,
)

_R = "Resistor_SMD:R_0603_1608Metric"
_C = "Capacitor_SMD:C_0603_1608Metric"


def _ends(reach: float, body: float) -> list[Pin]:
    """The two pins of an upright part: ends at ``reach``, body from ``-body`` to ``body``."""
    return [pin("1", 0, reach, DOWN, reach - body), pin("2", 0, -reach, UP, reach - body)]


def _flat_ends(reach: float, body: float) -> list[Pin]:
    return [pin("1", -reach, 0, RIGHT, reach - body), pin("2", reach, 0, LEFT, reach - body)]


def _zigzag(half: float, amplitude: float, peaks: int = 6) -> Graphic:
    step = 2 * half / (2 * peaks)
    points = [(0.0, half)]
    points += [(amplitude * (1 if i % 2 == 0 else -1), half - step * (2 * i + 1)) for i in range(peaks)]
    return line(*points, (0.0, -half))


def _coil(half: float, turns: int = 4) -> list[Graphic]:
    radius = half / turns
    tops = [half - 2 * radius * i for i in range(turns)]
    return [arc((0, y), (radius, y - radius), (0, y - 2 * radius)) for y in tops]


def _plates(gap: float, half: float, width: float) -> list[Graphic]:
    return [line((-half, y), (half, y), width=width) for y in (gap / 2, -gap / 2)]


def _polarized(gap: float, half: float, thick: float) -> list[Graphic]:
    """IEC electrolytic: the positive plate is an open box, the other one is filled."""
    upper = gap / 2
    plus = upper + thick + 0.75
    return [
        box(-half, upper + thick, half, upper, width=THIN),
        box(-half, -upper, half, -upper - thick, width=THIN, fill="outline"),
        line((-half, plus), (-half + 0.9, plus), width=THIN),
        line((-half + 0.45, plus - 0.45), (-half + 0.45, plus + 0.45), width=THIN),
    ]


def _resistor(name: str, body: list[Graphic], reach: float, half: float) -> Kind:
    return make("Device", name, "R", body, _ends(reach, half), footprint=_R)


_RECT = box(-0.75, 2, 0.75, -2)


def _bead(half: float, width: float) -> list[Graphic]:
    return [
        line(
            (-width, half - 0.9),
            (-width + 0.5, half - 0.2),
            (width, -half + 0.9),
            (width - 0.5, -half + 0.2),
            (-width, half - 0.9),
            width=THIN if half < 2 else BOLD,
        ),
        line((0, half), (0, half * 0.62), width=THIN),
        line((0, -half), (0, -half * 0.62), width=THIN),
    ]


def _crystal(gap: float, tall: float) -> list[Graphic]:
    return [
        box(-gap + 0.45, tall, gap - 0.45, -tall),
        line((-gap, tall * 0.75), (-gap, -tall * 0.75), width=0.4),
        line((gap, tall * 0.75), (gap, -tall * 0.75), width=0.4),
    ]


def _can() -> list[Graphic]:
    """The grounded case around a four-pin crystal, open where the signal pins pass."""
    return [
        line((-2, 1.2), (-2, 2), (2, 2), (2, 1.2), width=THIN),
        line((-2, -1.2), (-2, -2), (2, -2), (2, -1.2), width=THIN),
    ]


def _pot(extra: list[Graphic]) -> list[Graphic]:
    return [_RECT, *arrow(1.9, 0, -1.1, 0), *extra]


_THREE = [pin("1", 0, 3, DOWN, 1), pin("2", 3, 0, LEFT, 1), pin("3", 0, -3, UP, 1)]

PASSIVES: tuple[Kind, ...] = (
    _resistor("R", [_RECT], 3, 2),
    _resistor("R_Small", [box(-0.55, 1.35, 0.55, -1.35, width=0.2032)], 2, 1.35),
    _resistor("R_US", [_zigzag(2, 0.85)], 3, 2),
    _resistor("R_Small_US", [_zigzag(1.35, 0.6)], 2, 1.35),
    make("Device", "R_Potentiometer", "RV", _pot([]), _THREE, fields="left"),
    make(
        "Device",
        "R_Potentiometer_Trim",
        "RV",
        [_RECT, line((1.9, 0), (1.0, 0), width=THIN), line((0.95, 0.6), (0.95, -0.6))],
        _THREE,
        fields="left",
    ),
    make(
        "Device",
        "Thermistor_NTC",
        "TH",
        [
            _RECT,
            line((-1.6, 1.9), (-1.6, 1.3), (1.5, -1.3), width=THIN),
            Text("-t", at(-2.2, -0.4), style=TextStyle(size=1.0)),
        ],
        _ends(3, 2),
    ),
    make(
        "Device",
        "R_Photo",
        "R",
        [_RECT, *arrow(-2.6, 1.6, 1.5, -0.8), *arrow(-2.6, 0.4, 1.5, -0.8)],
        _ends(3, 2),
    ),
    make("Device", "C", "C", _plates(1.2, 1.6, 0.508), _ends(3, 0.6), footprint=_C),
    make("Device", "C_Small", "C", _plates(0.8, 1.2, 0.3302), _ends(2, 0.4), footprint=_C),
    make("Device", "C_Polarized", "C", _polarized(0.8, 1.7, 0.5), _ends(3, 0.9)),
    make("Device", "C_Polarized_Small", "C", _polarized(0.55, 1.2, 0.4), _ends(2, 0.675)),
    make(
        "Device",
        "C_Polarized_US",
        "C",
        [
            line((-1.6, 0.6), (1.6, 0.6), width=0.508),
            arc((-1.6, -1.1), (0, -0.5), (1.6, -1.1)),
            line((-1.5, 1.6), (-0.7, 1.6), width=THIN),
            line((-1.1, 2.0), (-1.1, 1.2), width=THIN),
        ],
        [pin("1", 0, 3, DOWN, 2.4), pin("2", 0, -3, UP, 2.5)],
    ),
    make("Device", "L", "L", _coil(2), _ends(3, 2)),
    make("Device", "L_Small", "L", _coil(1.6), _ends(2, 1.6)),
    make(
        "Device",
        "L_Ferrite",
        "L",
        [
            *_coil(2),
            *[line((1.0, y), (1.0, y - 0.7), width=THIN) for y in (1.9, 0.9, -0.1, -1.1)],
        ],
        _ends(3, 2),
    ),
    make("Device", "Ferrite_Bead", "FB", _bead(2, 1.5), _ends(3, 2)),
    make("Device", "FerriteBead_Small", "FB", _bead(1.4, 1.05), _ends(2, 1.4)),
    make(
        "Device",
        "Crystal",
        "Y",
        _crystal(1.6, 2),
        [pin("1", -3, 0, RIGHT, 1.4), pin("2", 3, 0, LEFT, 1.4)],
    ),
    make(
        "Device",
        "Crystal_Small",
        "Y",
        _crystal(1.0, 1.2),
        [pin("1", -2, 0, RIGHT, 1), pin("2", 2, 0, LEFT, 1)],
    ),
    make(
        "Device",
        "Crystal_GND24",
        "Y",
        [*_crystal(1.2, 1.5), *_can()],
        [
            pin("1", -3, 0, RIGHT, 1.8),
            pin("2", 0, 4, DOWN, 2),
            pin("3", 3, 0, LEFT, 1.8),
            pin("4", 0, -4, UP, 2),
        ],
        fields="corner",
    ),
    make("Device", "Fuse", "F", [_RECT, line((0, 2), (0, -2), width=THIN)], _ends(3, 2)),
    make(
        "Device",
        "Fuse_Small",
        "F",
        [box(-1.35, 0.55, 1.35, -0.55, width=0.2032), line((-1.35, 0), (1.35, 0), width=THIN)],
        _flat_ends(2, 1.35),
    ),
    make(
        "Device",
        "Polyfuse",
        "F",
        [_RECT, line((-1.7, 1.9), (-1.7, 1.3), (1.7, -1.3), (1.7, -1.9), width=THIN)],
        _ends(3, 2),
    ),
    make(
        "Device",
        "Polyfuse_Small",
        "F",
        [
            box(-0.55, 1.35, 0.55, -1.35, width=0.2032),
            line((-1.1, 1.4), (-1.1, 1.0), (1.1, -1.0), (1.1, -1.4), width=THIN),
        ],
        _ends(2, 1.35),
    ),
    make(
        "Device",
        "Battery_Cell",
        "BT",
        [
            line((-1.6, 0.5), (1.6, 0.5), width=0.4),
            line((-0.8, -0.5), (0.8, -0.5), width=0.6),
            line((1.0, 1.9), (2.0, 1.9), width=THIN),
            line((1.5, 2.4), (1.5, 1.4), width=THIN),
        ],
        [pin("1", 0, 3, DOWN, 2.5, "+"), pin("2", 0, -3, UP, 2.5, "-")],
    ),
    make(
        "Device",
        "Battery",
        "BT",
        [
            line((-1.6, 1.3), (1.6, 1.3), width=0.4),
            line((-0.8, 0.6), (0.8, 0.6), width=0.6),
            line((0, 0.6), (0, -0.6), width=THIN),
            line((-1.6, -0.6), (1.6, -0.6), width=0.4),
            line((-0.8, -1.3), (0.8, -1.3), width=0.6),
            line((1.0, 2.5), (2.0, 2.5), width=THIN),
            line((1.5, 3.0), (1.5, 2.0), width=THIN),
        ],
        [pin("1", 0, 4, DOWN, 2.7, "+"), pin("2", 0, -4, UP, 2.7, "-")],
    ),
    make(
        "Device",
        "Varistor",
        "RV",
        [
            _RECT,
            line((-1.7, -1.9), (-1.0, -1.9), (1.7, 1.7), width=THIN),
            Text("U", at(-1.8, 0.6), style=TextStyle(size=1.0)),
        ],
        _ends(3, 2),
    ),
)

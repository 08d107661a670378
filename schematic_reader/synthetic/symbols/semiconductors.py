"""Diodes, transistors and optocouplers."""

from __future__ import annotations

from schematic_reader.kicad.model import Graphic, Pin
from schematic_reader.synthetic.symbols.shapes import (
    DOWN,
    LEFT,
    RIGHT,
    THIN,
    UP,
    Kind,
    arrow,
    box,
    circle,
    line,
    make,
    pin,
)

_SOD = "Diode_SMD:D_SOD-123"
_SOT = "Package_TO_SOT_SMD:SOT-23"


def _triangle(half: float, fill: str = "none") -> Graphic:
    """The anode's triangle: it points left, to the cathode."""
    return line((half, half), (half, -half), (-half, 0), (half, half), fill=fill)


def _bar(half: float, kind: str) -> Graphic:
    x, y, hook = -half, half, half * 0.45
    if kind == "schottky":
        points = [(x + hook, y - hook), (x + hook, y), (x, y), (x, -y), (x - hook, -y), (x - hook, -y + hook)]
    elif kind == "zener":
        points = [(x + hook, y), (x, y), (x, -y), (x - hook, -y)]
    else:
        points = [(x, y), (x, -y)]
    return line(*points)


def _diode_pins(reach: float, half: float) -> list[Pin]:
    return [pin("1", -reach, 0, RIGHT, reach - half, "K"), pin("2", reach, 0, LEFT, reach - half, "A")]


def _diode(
    name: str, bar: str = "plain", *, small: bool = False, extra: tuple[Graphic, ...] = (), prefix: str = "D"
) -> Kind:
    half, reach = (0.75, 2) if small else (1.0, 3)
    body: list[Graphic] = [_triangle(half), _bar(half, bar), line((half, 0), (-half, 0), width=THIN), *extra]
    named = name not in _GENERIC
    return make(
        "Diode" if named else "Device",
        name,
        prefix,
        body,
        _diode_pins(reach, half),
        value=name,
        footprint=_SOD,
    )


_GENERIC = {
    "D",
    "D_Small",
    "D_Schottky",
    "D_Schottky_Small",
    "D_Zener",
    "D_Zener_Small",
    "LED",
    "LED_Small",
} | {"D_Photo"}


def _rays(small: bool, inward: bool = False) -> tuple[Graphic, ...]:
    """Two arrows over the body: away from it for light given, towards it for light received."""
    scale = 0.8 if small else 1.0
    shapes: list[Graphic] = []
    for x in (-0.2, -1.1):
        x0, y0, x1, y1 = x * scale, 1.2 * scale, (x - 1.1) * scale, 2.3 * scale
        if inward:
            x0, y0, x1, y1 = x1, y1, x0, y0
        shapes += arrow(x0, y0, x1 - x0, y1 - y0, size=0.6 * scale)
    return tuple(shapes)


def _tvs() -> Kind:
    body = [
        line((0, 0), (2, 1), (2, -1), (0, 0)),
        line((0, 0), (-2, 1), (-2, -1), (0, 0)),
        line((0.45, 1), (0, 1), (0, -1), (-0.45, -1)),
    ]
    return make(
        "Device", "D_TVS", "D", body, [pin("1", -3, 0, RIGHT, 1, "A1"), pin("2", 3, 0, LEFT, 1, "A2")]
    )


def _bridge() -> Kind:
    """Four diodes in a diamond; the alternating side is left and right."""
    body: list[Graphic] = [line((-4, 0), (0, 4), (4, 0), (0, -4), (-4, 0), width=THIN)]
    for cx, cy, ux, uy in ((-2, 2, 1, 1), (2, 2, -1, 1), (-2, -2, -1, 1), (2, -2, 1, 1)):
        # (ux, uy) is the current's way, from the negative corner below to the positive one above
        px, py = -uy, ux
        tip, foot = (cx + 0.5 * ux, cy + 0.5 * uy), (cx - 0.4 * ux, cy - 0.4 * uy)
        body.append(
            line(
                tip,
                (foot[0] + 0.6 * px, foot[1] + 0.6 * py),
                (foot[0] - 0.6 * px, foot[1] - 0.6 * py),
                tip,
                fill="background",
            )
        )
        body.append(line((tip[0] + 0.6 * px, tip[1] + 0.6 * py), (tip[0] - 0.6 * px, tip[1] - 0.6 * py)))
    pins = [
        pin("1", 0, 6, DOWN, 2, "+"),
        pin("2", 0, -6, UP, 2, "-"),
        pin("3", -6, 0, RIGHT, 2),
        pin("4", 6, 0, LEFT, 2),
    ]
    return make("Diode_Bridge", "D_Bridge_+-AA", "D", body, pins, fields="corner")


def _bipolar(name: str, pnp: bool, library: str = "Device", order: str = "BCE") -> Kind:
    body: list[Graphic] = [
        circle(1, 0, 2.2),
        line((0.4, 1.4), (0.4, -1.4), width=0.508),
        line((0.4, 0.5), (2, 2), width=THIN),
        line((0.4, -0.5), (2, -2), width=THIN),
        line((-1.2, 0), (0.4, 0), width=THIN),
    ]
    body += arrow(1.9, -1.9, -0.9, 0.85)[1:] if pnp else arrow(0.7, -0.8, 1.1, -1.02)[1:]
    # a PNP transistor is drawn with its emitter above as often as below; here it is below, and the
    # circuits turn it
    spots = {
        "B": pin(str(order.index("B") + 1), -4, 0, RIGHT, 2.8, "B", "i"),
        "C": pin(str(order.index("C") + 1), 2, 4, DOWN, 2, "C"),
        "E": pin(str(order.index("E") + 1), 2, -4, UP, 2, "E"),
    }
    return make(
        library, name, "Q", body, [spots[k] for k in order], fields="right", value=name, footprint=_SOT
    )


def _mosfet(name: str, p_channel: bool, library: str = "Device", order: str = "GSD") -> Kind:
    body: list[Graphic] = [
        circle(1, 0, 2.35),
        line((-0.2, 1.4), (-0.2, -1.4)),
        *[line((0.4, y + 0.45), (0.4, y - 0.45), width=0.4) for y in (1.3, 0, -1.3)],
        line((0.4, 1.3), (2, 1.3), (2, 2), width=THIN),
        line((0.4, -1.3), (2, -1.3), (2, -2), width=THIN),
        line((0.4, 0), (2, 0), (2, -1.3), width=THIN),
        line((2, 1.3), (2.7, 1.3), (2.7, -1.3), (2, -1.3), width=THIN),
        line((-1.4, 0), (-0.2, 0), width=THIN),
    ]
    body += arrow(1.0, 0, 0.9, 0)[1:] if p_channel else arrow(1.5, 0, -1.0, 0)[1:]
    way = 1 if not p_channel else -1
    body += [
        line(
            (2.7, 0.3 * way),
            (2.45, -0.2 * way),
            (2.95, -0.2 * way),
            (2.7, 0.3 * way),
            width=THIN,
            fill="outline",
        ),
        line((2.4, 0.3 * way), (3.0, 0.3 * way), width=THIN),
    ]
    spots = {
        "G": pin(str(order.index("G") + 1), -4, 0, RIGHT, 2.6, "G", "i"),
        "D": pin(str(order.index("D") + 1), 2, 4, DOWN, 2, "D"),
        "S": pin(str(order.index("S") + 1), 2, -4, UP, 2, "S"),
    }
    return make(
        library, name, "Q", body, [spots[k] for k in order], fields="right", value=name, footprint=_SOT
    )


def _opto(name: str) -> Kind:
    body: list[Graphic] = [
        box(-4, 3, 4, -3, fill="background"),
        line((-4, 2), (-2, 2), (-2, -2), (-4, -2), width=THIN),
        line((-2.8, 0.6), (-1.2, 0.6), (-2, -0.6), (-2.8, 0.6)),
        line((-2.8, -0.6), (-1.2, -0.6)),
        *arrow(-0.8, 0.6, 1.4, 0),
        *arrow(-0.8, -0.4, 1.4, 0),
        line((1.4, 1.2), (1.4, -1.2), width=0.4),
        line((1.4, 0.5), (3, 2), (4, 2), width=THIN),
        line((1.4, -0.5), (3, -2), (4, -2), width=THIN),
        *arrow(1.8, -0.88, 0.9, -0.84)[1:],
    ]
    pins = [
        pin("1", -6, 2, RIGHT, 2),
        pin("2", -6, -2, RIGHT, 2),
        pin("3", 6, -2, LEFT, 2),
        pin("4", 6, 2, LEFT, 2),
    ]
    return make("Isolator", name, "U", body, pins, fields="above", numbers=True, value=name)


SEMICONDUCTORS: tuple[Kind, ...] = (
    _diode("D"),
    _diode("D_Small", small=True),
    _diode("D_Schottky", "schottky"),
    _diode("D_Schottky_Small", "schottky", small=True),
    _diode("D_Zener", "zener"),
    _diode("D_Zener_Small", "zener", small=True),
    _diode("LED", extra=_rays(False)),
    _diode("LED_Small", small=True, extra=_rays(True)),
    _diode("D_Photo", extra=_rays(False, inward=True)),
    _diode("1N4148"),
    _diode("1N4007"),
    _diode("1N5819", "schottky"),
    _diode("SS34", "schottky"),
    _diode("BZX84Cxx", "zener"),
    _tvs(),
    _bridge(),
    _bipolar("Q_NPN_BCE", False),
    _bipolar("Q_PNP_BCE", True),
    _bipolar("Q_NPN_BEC", False, order="BEC"),
    _bipolar("2N3904", False, "Transistor_BJT", "EBC"),
    _bipolar("BC847", False, "Transistor_BJT", "BEC"),
    _bipolar("BC557", True, "Transistor_BJT", "CBE"),
    _mosfet("Q_NMOS_GSD", False),
    _mosfet("Q_PMOS_GSD", True),
    _mosfet("BSS138", False, "Transistor_FET"),
    _mosfet("2N7002", False, "Transistor_FET"),
    _mosfet("AO3400A", False, "Transistor_FET"),
    _mosfet("AO3401A", True, "Transistor_FET"),
    _mosfet("IRLZ44N", False, "Transistor_FET", "GDS"),
    _opto("PC817"),
    _opto("LTV-817"),
)

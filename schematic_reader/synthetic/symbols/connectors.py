"""Connectors, switches, test points and what else a board has that is not a chip."""

from __future__ import annotations

from schematic_reader.kicad.model import Graphic
from schematic_reader.synthetic.symbols.shapes import (
    BOLD,
    DOWN,
    LEFT,
    RIGHT,
    THIN,
    UP,
    Kind,
    arc,
    box,
    chip,
    circle,
    line,
    make,
    pin,
)


def _header(count: int, style: str) -> Kind:
    """A row of contacts. Pins and sockets are wired from the right, the plain one from the left."""
    top = count - 1
    ys = [top - 2 * i for i in range(count)]
    graphics: list[Graphic] = []
    if style == "Pin":
        for y in ys:
            graphics.append(box(0.1, y + 0.12, 0.9, y - 0.12, width=THIN, fill="outline"))
            graphics.append(line((0.9, y), (1, y), width=THIN))
        pins = [pin(str(i + 1), 4, y, LEFT, 3, f"Pin_{i + 1}") for i, y in enumerate(ys)]
    elif style == "Socket":
        for y in ys:
            graphics.append(arc((0.5, y + 0.45), (0.05, y), (0.5, y - 0.45)))
            graphics.append(line((0.05, y), (1, y), width=THIN))
        pins = [pin(str(i + 1), 4, y, LEFT, 3, f"Pin_{i + 1}") for i, y in enumerate(ys)]
    else:
        graphics.append(box(-1, top + 1, 1, -top - 1, fill="background"))
        graphics += [box(-1, y + 0.1, 0, y - 0.1, width=THIN) for y in ys]
        pins = [pin(str(i + 1), -4, y, RIGHT, 3, f"Pin_{i + 1}") for i, y in enumerate(ys)]
    library = "Connector_Generic" if style == "" else "Connector"
    name = f"Conn_01x{count:02d}" + (f"_{style}" if style else "")
    return make(library, name, "J", graphics, pins, fields="above", numbers=True, value=name)


def _double_header(rows: int) -> Kind:
    top = rows - 1
    ys = [top - 2 * i for i in range(rows)]
    graphics: list[Graphic] = [box(-2, top + 1, 2, -top - 1, fill="background")]
    pins = []
    for i, y in enumerate(ys):
        graphics.append(box(-2, y + 0.1, -1, y - 0.1, width=THIN))
        graphics.append(box(1, y + 0.1, 2, y - 0.1, width=THIN))
        pins.append(pin(str(2 * i + 1), -5, y, RIGHT, 3, f"Pin_{2 * i + 1}"))
        pins.append(pin(str(2 * i + 2), 5, y, LEFT, 3, f"Pin_{2 * i + 2}"))
    name = f"Conn_02x{rows:02d}_Odd_Even"
    return make("Connector_Generic", name, "J", graphics, pins, fields="above", numbers=True, value=name)


def _screw_terminal(count: int) -> Kind:
    top = count - 1
    ys = [top - 2 * i for i in range(count)]
    graphics: list[Graphic] = [box(-1, top + 1, 1, -top - 1, fill="background")]
    for y in ys:
        graphics.append(circle(0, y, 0.5, width=THIN))
        graphics.append(line((-0.42, y + 0.27), (0.27, y - 0.42), width=THIN))
        graphics.append(line((-0.27, y + 0.42), (0.42, y - 0.27), width=THIN))
    pins = [pin(str(i + 1), -4, y, RIGHT, 3, f"Pin_{i + 1}") for i, y in enumerate(ys)]
    name = f"Screw_Terminal_01x{count:02d}"
    return make("Connector", name, "J", graphics, pins, fields="above", numbers=True, value=name)


def _barrel(name: str, switch: bool) -> Kind:
    graphics: list[Graphic] = [
        box(-4, 3, 4, -3, fill="background"),
        box(-2.6, 2.6, 3.0, 1.4, fill="outline"),
        arc((-2.6, 2.6), (-3.2, 2.0), (-2.6, 1.4)),
        line((4, 2), (3, 2), width=THIN),
        line((4, -2), (1, -2), (0, -0.8), (-1, -2), (-2.4, -2)),
    ]
    pins = [pin("1", 6, 2, LEFT), pin("2", 6, -2, LEFT)]
    if switch:
        graphics.append(line((4, 0), (0, 0), (0, -0.6), width=THIN))
        pins.append(pin("3", 6, 0, LEFT))
    return make("Connector", name, "J", graphics, pins, fields="above", numbers=True, value=name)


def _switch(name: str) -> Kind:
    graphics: list[Graphic] = [circle(-1.6, 0, 0.4), circle(1.6, 0, 0.4)]
    if name == "SW_Push":
        graphics += [line((-1.8, 1), (1.8, 1)), line((0, 1), (0, 2.4))]
    else:
        graphics += [line((-1.25, 0.2), (1.4, 1.5))]
    pins = [pin("1", -4, 0, RIGHT, 2), pin("2", 4, 0, LEFT, 2)]
    return make("Switch", name, "SW", graphics, pins, value=name)


def _changeover() -> Kind:
    graphics: list[Graphic] = [
        circle(-1.6, 0, 0.4),
        circle(1.6, 2, 0.4),
        circle(1.6, -2, 0.4),
        line((-1.25, 0.2), (1.3, 1.7)),
    ]
    pins = [pin("1", 4, 2, LEFT, 2, "A"), pin("2", -4, 0, RIGHT, 2, "B"), pin("3", 4, -2, LEFT, 2, "C")]
    return make("Switch", "SW_SPDT", "SW", graphics, pins, fields="above", value="SW_SPDT")


def _encoder() -> Kind:
    graphics: list[Graphic] = [
        box(-5, 4, 5, -4, fill="background"),
        circle(-1.5, 0, 1.7),
        line((-1.5, 0), (-1.5, 1.3)),
        circle(3, 2, 0.3, width=THIN),
        circle(3, -2, 0.3, width=THIN),
        line((2.4, 1.6), (2.4, -1.6)),
        line((5, 2), (3.3, 2), width=THIN),
        line((5, -2), (3.3, -2), width=THIN),
    ]
    pins = [
        pin("A", -7, 2, RIGHT, 2, "A"),
        pin("B", -7, -2, RIGHT, 2, "B"),
        pin("C", -7, 0, RIGHT, 2, "C"),
        pin("S1", 7, 2, LEFT, 2, "S1"),
        pin("S2", 7, -2, LEFT, 2, "S2"),
    ]
    name = "RotaryEncoder_Switch"
    return make("Device", name, "SW", graphics, pins, fields="above", numbers=True, value=name)


def _relay() -> Kind:
    graphics: list[Graphic] = [
        box(-6, 4, 6, -4, fill="background"),
        box(-5, 1, -1, -1),
        line((-3, 4), (-3, 1), width=THIN),
        line((-3, -4), (-3, -1), width=THIN),
        line((-4, -1), (-2, 1), width=THIN),
        line((-1, 0), (2.2, 0), width=THIN),
        line((3, -4), (3, -2), (1.8, 1.8)),
        line((1, 4), (1, 1.6), (1.5, 1.9), width=THIN),
        line((5, 4), (5, 1.6), (4.5, 1.9), width=THIN),
    ]
    pins = [
        pin("2", -3, 6, DOWN),
        pin("5", -3, -6, UP),
        pin("1", 3, -6, UP),
        pin("4", 1, 6, DOWN),
        pin("3", 5, 6, DOWN),
    ]
    return make("Relay", "G5LE-1", "K", graphics, pins, fields="right", numbers=True, value="G5LE-1")


def _jumper(name: str, closed: bool) -> Kind:
    graphics: list[Graphic] = [
        arc((-0.3, 0.9), (-1.2, 0), (-0.3, -0.9)),
        line((-0.3, 0.9), (-0.3, -0.9)),
        arc((0.3, 0.9), (1.2, 0), (0.3, -0.9)),
        line((0.3, 0.9), (0.3, -0.9)),
    ]
    if closed:
        graphics.append(box(-0.35, 0.3, 0.35, -0.3, width=THIN, fill="outline"))
    pins = [pin("1", -3, 0, RIGHT, 1.8, "A"), pin("2", 3, 0, LEFT, 1.8, "B")]
    return make("Jumper", name, "JP", graphics, pins, value=name)


def _pin_jumper() -> Kind:
    graphics: list[Graphic] = [
        circle(-1.4, 0, 0.4),
        circle(1.4, 0, 0.4),
        arc((-1.3, 0.9), (0, 1.6), (1.3, 0.9)),
    ]
    pins = [pin("1", -4, 0, RIGHT, 2.2), pin("2", 4, 0, LEFT, 2.2)]
    return make("Jumper", "Jumper_2_Open", "JP", graphics, pins, value="Jumper_2_Open")


def _gear(radius: float) -> list[Graphic]:
    return [circle(0, 0, radius, width=0.4), circle(0, 0, radius * 0.55, width=THIN)]


def _audio_jack() -> Kind:
    graphics: list[Graphic] = [
        box(-4, 3, 2, -4, fill="background"),
        box(-4.8, 2.4, -4, -3.4, fill="outline"),
        line((2, 0), (0, 0), (-0.7, -0.9), (-1.4, 0), width=BOLD),
        line((2, -2), (-1.6, -2), (-2.3, -1.1), (-3, -2), width=BOLD),
        line((2, 2), (-3, 2), width=THIN),
    ]
    pins = [pin("S", 4, 2, LEFT), pin("T", 4, 0, LEFT), pin("R", 4, -2, LEFT)]
    return make(
        "Connector_Audio", "AudioJack3", "J", graphics, pins, fields="above", numbers=True, value="AudioJack3"
    )


def _coaxial() -> Kind:
    body: list[Graphic] = [
        circle(0, 0, 1.5),
        circle(0, 0, 0.4, fill="outline"),
        line((-4, 0), (-0.4, 0), width=THIN),
    ]
    pins = [pin("1", -4, 0, RIGHT, 2.5, "In"), pin("2", 0, -4, UP, 2.5, "Ext")]
    return make("Connector", "Conn_Coaxial", "J", body, pins, fields="right", value="Conn_Coaxial")


def _speaker() -> Kind:
    graphics: list[Graphic] = [
        box(-2, 1, 0, -3),
        line((0, 1), (2, 3), (2, -5), (0, -3)),
    ]
    pins = [pin("1", -4, 0, RIGHT), pin("2", -4, -2, RIGHT)]
    return make("Device", "Speaker", "LS", graphics, pins, fields="right", value="Speaker")


def _buzzer() -> Kind:
    graphics: list[Graphic] = [
        arc((0, 2.4), (2.4, 0), (0, -2.4)),
        line((0, 2.4), (0, -2.4)),
        line((-1.6, 1.9), (-0.8, 1.9), width=THIN),
        line((-1.2, 2.3), (-1.2, 1.5), width=THIN),
    ]
    pins = [pin("1", -2, 1, RIGHT, 2, "+"), pin("2", -2, -1, RIGHT, 2, "-")]
    return make("Device", "Buzzer", "BZ", graphics, pins, fields="right", value="Buzzer")


def _round(name: str, prefix: str, letter: str) -> Kind:
    stroke: dict[str, list[Graphic]] = {
        "M": [line((-0.7, -0.8), (-0.7, 0.8), (0, -0.2), (0.7, 0.8), (0.7, -0.8), width=BOLD)],
        "mic": [line((-1.6, 2), (-1.6, -2), width=0.4)],
    }
    pins = [pin("1", 0, 4, DOWN, 2.4, "+"), pin("2", 0, -4, UP, 2.4, "-")]
    return make("Device", name, prefix, [circle(0, 0, 1.6), *stroke[letter]], pins, value=name)


def _antenna() -> Kind:
    body: list[Graphic] = [line((0, -2), (0, 2)), line((-1.4, 2), (0, -0.4), (1.4, 2))]
    return make(
        "Device", "Antenna", "AE", body, [pin("1", 0, -4, UP, 2, "A", "i")], fields="right", value="Antenna"
    )


def _mounting(name: str, pad: bool) -> Kind:
    pins = [pin("1", 0, -3, UP, 1.6)] if pad else []
    kind = make("Mechanical", name, "H", _gear(1.4), pins, fields="right", value=name)
    return kind


def _fiducial() -> Kind:
    body: list[Graphic] = [
        circle(0, 0, 1.0, fill="background"),
        circle(0, 0, 0.4, width=THIN, fill="outline"),
    ]
    return make("Mechanical", "Fiducial", "FID", body, [], fields="right", value="Fiducial")


def _test_point(name: str, radius: float) -> Kind:
    stem = 2 if radius > 0.5 else 1
    body = [circle(0, stem + radius, radius)]
    return make("Connector", name, "TP", body, [pin("1", 0, 0, UP, stem, "1")], fields="right", value=name)


CONNECTORS: tuple[Kind, ...] = (
    *(_header(n, "Pin") for n in range(1, 9)),
    *(_header(n, "Socket") for n in (2, 3, 4, 5, 6, 8)),
    *(_header(n, "") for n in (2, 3, 4, 5, 6, 8)),
    *(_double_header(n) for n in (2, 3, 4, 5)),
    *(_screw_terminal(n) for n in (2, 3, 4)),
    _barrel("Barrel_Jack", False),
    _barrel("Barrel_Jack_Switch", True),
    chip(
        "Connector",
        "USB_C_Receptacle_USB2.0",
        right="A4 VBUS p, -, A5 CC1, B5 CC2, -, A7 D-, B7 D-, A6 D+, B6 D+, -, A8 SBU1, B8 SBU2",
        bottom="S1 SHIELD x, A1 GND p",
        prefix="J",
        width=16,
    ),
    chip(
        "Connector",
        "USB_C_Receptacle_PowerOnly_6P",
        right="A9 VBUS p, -, A5 CC1, B5 CC2",
        bottom="S1 SHIELD x, A12 GND p",
        prefix="J",
        width=12,
    ),
    chip(
        "Connector",
        "USB_B_Micro",
        right="1 VBUS p, -, -, 2 D-, 3 D+, 4 ID",
        bottom="6 Shield x, 5 GND p",
        prefix="J",
        width=10,
    ),
    chip(
        "Connector",
        "USB_A",
        right="1 VBUS p, -, -, 2 D-, 3 D+",
        bottom="5 Shield x, 4 GND p",
        prefix="J",
        width=10,
    ),
    chip(
        "Connector",
        "Micro_SD_Card",
        left="1 DAT2, 2 DAT3/CD, 3 CMD i, 4 VDD p, 5 CLK i, 6 VSS p, 7 DAT0, 8 DAT1",
        right="9 SHIELD x",
        prefix="J",
    ),
    _audio_jack(),
    _coaxial(),
    _switch("SW_Push"),
    _switch("SW_SPST"),
    _changeover(),
    _encoder(),
    _relay(),
    _jumper("SolderJumper_2_Open", False),
    _jumper("SolderJumper_2_Bridged", True),
    _pin_jumper(),
    _speaker(),
    _buzzer(),
    _round("Motor_DC", "M", "M"),
    _round("Microphone", "MK", "mic"),
    _antenna(),
    _mounting("MountingHole", False),
    _mounting("MountingHole_Pad", True),
    _fiducial(),
    _test_point("TestPoint", 0.6),
    _test_point("TestPoint_Small", 0.4),
)

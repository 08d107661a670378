"""Microcontrollers with their surroundings, logic, memory and clocks."""

from __future__ import annotations

from schematic_reader.synthetic.circuits.draft import Draft, DraftPart
from schematic_reader.synthetic.circuits.orientation import DOWN, IDENTITY, LEFT, RIGHT, UP
from schematic_reader.synthetic.circuits.recipe import MIRRORED, Circuit

# Nets that other circuits of a sheet name as well, so that a controller finds partners.
_IO_NETS = (
    *("LED1", "LED2", "LED3", "STATUS", "BTN1", "BTN2", "KEY1", "SW1", "BUZZER", "RELAY1", "PWM1", "PWM2"),
    *("SDA", "SCL", "TX", "RX", "MOSI", "MISO", "SCK", "CS1", "SD_CS", "INT1", "RST1", "EN1", "FAN_EN"),
    *("ADC1", "AIN1", "POT1", "TEMP1", "VSENSE", "ENC_A", "ENC_B", "ENC_SW", "CAN_TX", "CAN_RX", "DIR"),
    *("GPIO1", "GPIO2", "GPIO3", "GPIO4", "IO1", "IO2", "STEP1", "DIR1", "MOTOR", "ROW1", "ROW2", "COL1"),
)


def _ports(d: Draft, u: DraftPart, keys: list[str], share: float = 0.55) -> None:
    """Name about ``share`` of the pins and leave the others open."""
    nets = iter(d.rng.sample(_IO_NETS, len(keys)))
    for key in keys:
        if d.chance(share):
            d.port(u, key, next(nets))
        else:
            d.open(u, key)


def _numbered(stem: str, first: int, last: int) -> list[str]:
    return [f"{stem}{i}" for i in range(first, last + 1)]


def _pulled_up(d: Draft, u: DraftPart, key: str, net: str) -> None:
    """A control input with its resistor to the supply and its label."""
    at = d.stub(u, key, 3)
    d.power(d.style.logic, d.resistor(d.go(at, UP, 1), UP, "10k", "4.7k", side=LEFT))
    d.tag(net, d.go(at, LEFT, 2), LEFT)


def _crystal(d: Draft, u: DraftPart, first: str, second: str) -> None:
    """A crystal left of the chip, between two neighbouring pins, with its load capacitors."""
    upper, lower = d.stub(u, first, 2), d.stub(u, second, 2)
    x, top, low = upper[0] - 9, upper[1] - 3, lower[1] + 3
    name = "Crystal" if d.style.crystal == "Crystal" else "Crystal_Small"
    upper, lower = d.wire(upper, (upper[0], top), (x, top)), d.wire(lower, (lower[0], low), (x, low))
    d.across(name, upper, lower, d.choose("16MHz", "8MHz", "12MHz"))
    value = d.farads("22p", "18p", "12p")
    for corner in (upper, lower):
        end = d.chain(d.style.capacitor, d.go(corner, LEFT, 3), LEFT, value)
        d.ground(d.go(d.go(end, LEFT, 1), DOWN, 1))


def atmega(d: Draft) -> None:
    u = d.part("ATmega328P-A", 0, 0)
    rail = d.choose(d.style.logic, d.style.main)
    d.power(rail, _bridge(d, u, "4", "18"))
    d.ground(_low_bridge(d, u, "3", "5"))
    _pulled_up(d, u, "RESET/PC6", "RESET")
    if d.chance(0.6):
        _crystal(d, u, "XTAL1/PB6", "XTAL2/PB7")
    else:
        d.port(u, "XTAL1/PB6", "XTAL1")
        d.port(u, "XTAL2/PB7", "XTAL2")
    d.open(u, "AREF")
    _ports(d, u, _numbered("PC", 0, 5) + _numbered("PD", 0, 7) + _numbered("PB", 0, 5))


def _bridge(d: Draft, u: DraftPart, first: str, second: str) -> tuple[int, int]:
    """Join two neighbouring upper pins; returns the corner for their power symbol."""
    left, right = d.go(u[first], UP, 1), d.go(u[second], UP, 1)
    d.wire(left, right)
    return left


def _low_bridge(d: Draft, u: DraftPart, first: str, second: str) -> tuple[int, int]:
    left, right = d.go(u[first], DOWN, 1), d.go(u[second], DOWN, 1)
    d.wire(left, right)
    return left


def attiny(d: Draft) -> None:
    """An eight-pin controller."""
    u = d.part(d.choose("ATtiny85-20S", "ATtiny85-20S", "ATtiny13A-SSU"), 0, 0)
    rail = d.choose(d.style.logic, d.style.main)
    top = d.go(u["VCC"], UP, 1)
    d.power(rail, top)
    if d.chance(0.6):
        d.to_ground(d.go(top, LEFT, 15), "100n", side=LEFT)
    d.pin_ground(u, "GND")
    _ports(d, u, _numbered("PB", 0, 4), 0.75)
    d.port(u, "RESET/PB5", "RESET")


def stm32(d: Draft) -> None:
    if d.chance(0.6):
        u = d.part("STM32F103C8Tx", 0, 0)
        corner = _bridge(d, u, "24", "9")
        d.wire(u["VBAT"], (u["VBAT"][0], corner[1]), corner)
        d.power(d.style.logic, corner)
        d.ground(_low_bridge(d, u, "23", "8"))
        _pulled_up(d, u, "NRST", "NRST")
        d.pin_ground(u, "BOOT0", 11)
        d.port(u, "PD0", "XTAL1")
        d.port(u, "PD1", "XTAL2")
        _ports(d, u, ["PB0", "PB1", "PB6", "PB7", "PB10", "PB11", "PB12"])
        _ports(d, u, _numbered("PA", 0, 7) + _numbered("PA", 9, 12), 0.5)
        d.port(u, "PA13", "SWDIO")
        d.port(u, "PA14", "SWCLK")
        return
    u = d.part("STM32G030F6Px", 0, 0)
    d.power(d.style.logic, u["VDD"])
    d.pin_ground(u, "VSS")
    d.port(u, "PF2", "NRST")
    _ports(d, u, ["PB7", "PC14", "PB0", "PB6", *_numbered("PA", 0, 5)], 0.6)
    d.port(u, "PA13", "SWDIO")
    d.port(u, "PA14", "SWCLK")


def rp2040(d: Draft) -> None:
    u = d.part("RP2040", 0, 0)
    d.power(d.style.logic, d.go(d.go(u["IOVDD"], UP, 1), LEFT, 2))
    d.power(d.style.logic, d.go(d.go(u["VREG_VIN"], UP, 1), RIGHT, 2))
    d.power("+1V1", d.go(u["DVDD"], UP, 4))
    d.pin_ground(u, "GND")
    for key, net in (("RUN", "RUN"), ("XIN", "XTAL1"), ("XOUT", "XTAL2"), ("USB_DP", "D+"), ("USB_DM", "D-")):
        d.port(u, key, net)
    for key in ("QSPI_SS", "QSPI_SCLK", *_numbered("QSPI_SD", 0, 1), "SWCLK", "SWDIO"):
        d.port(u, key, key)
    _ports(d, u, _numbered("GPIO", 0, 9) + _numbered("GPIO", 26, 28))


def esp(d: Draft) -> None:
    """A radio module with its enable circuit."""
    name = d.choose("ESP32-WROOM-32", "ESP32-WROOM-32", "ESP32-C3-WROOM-02", "ESP-12E")
    u = d.part(name, 0, 0)
    top, bottom, enable = {
        "ESP32-WROOM-32": ("VDD", "GND", "EN"),
        "ESP32-C3-WROOM-02": ("3V3", "GND", "EN"),
        "ESP-12E": ("VCC", "GND", "RST"),
    }[name]
    d.power(d.style.logic, d.go(u[top], UP, 1))
    d.pin_ground(u, bottom)
    if d.chance(0.5):
        _pulled_up(d, u, enable, "EN" if enable == "EN" else "RESET")
    else:
        d.port(u, enable, "EN" if enable == "EN" else "RESET")
    if name == "ESP32-WROOM-32":
        d.open(u, "SENSOR_VP", "SENSOR_VN")
        d.port(u, "TXD0/IO1", "TX")
        d.port(u, "RXD0/IO3", "RX")
        d.port(u, "IO0", "BOOT")
        _ports(
            d,
            u,
            ["IO2", "IO4", "IO5", *_numbered("IO", 12, 19), *_numbered("IO", 21, 23), "IO25", "IO26", "IO27"],
        )
    elif name == "ESP32-C3-WROOM-02":
        d.port(u, "IO9", "BOOT")
        d.port(u, "RXD/IO20", "RX")
        d.port(u, "TXD/IO21", "TX")
        _ports(d, u, ["IO8", *_numbered("IO", 0, 7), "IO10"])
        d.port(u, "IO18", "D-")
        d.port(u, "IO19", "D+")
    else:
        d.port(u, "GPIO1/TXD", "TX")
        d.port(u, "GPIO3/RXD", "RX")
        d.port(u, "GPIO0", "BOOT")
        d.open(u, "3", "ADC")
        _ports(d, u, ["GPIO2", "GPIO4", "GPIO5", "GPIO12", "GPIO13", "GPIO15"])


def ch32(d: Draft) -> None:
    u = d.part("CH32V003F4Px", 0, 0)
    d.power(d.style.logic, d.go(u["VDD"], UP, 1))
    d.pin_ground(u, "VSS")
    d.port(u, "PD7", "NRST")
    d.port(u, "PD1", "SWIO")
    keys = ["PA1", "PA2", "PD0", *_numbered("PC", 0, 5), *_numbered("PD", 2, 5)]
    _ports(d, u, keys, 0.6)


def arduino(d: Draft) -> None:
    u = d.part("Arduino_Nano_v3.x", 0, 0)
    d.power(d.style.high, d.go(d.go(u["VIN"], UP, 1), LEFT, 2))
    d.power("+5V", d.go(d.go(u["+5V"], UP, 1), RIGHT, 2))
    d.ground(_low_bridge(d, u, "4", "29"))
    d.open(u, "RESET")
    _ports(
        d,
        u,
        ["TX/D1", "RX/D0", *_numbered("D", 2, 10), *_numbered("A", 0, 5), "MOSI/D11", "MISO/D12", "SCK/D13"],
    )


def shift_register(d: Draft) -> None:
    u = d.part(d.choose("74HC595", "74HC595", "74AHC595"), 0, 0)
    rail = d.choose(d.style.logic, d.style.main)
    d.power(rail, u["VCC"])
    d.pin_ground(u, "GND")
    for key, net in (("SER", "DATA"), ("SRCLK", "CLK"), ("RCLK", "LATCH")):
        d.port(u, key, net, shape="input")
    d.power(rail, d.go(d.stub(u, "SRCLR", 13), UP, 1))
    d.pin_ground(u, "OE", 2)
    used = d.rng.choice((4, 6, 8))
    for i, key in enumerate(f"Q{letter}" for letter in "ABCDEFGH"):
        if i < used:
            d.port(u, key, d.signal("Q#"), shape="output")
        else:
            d.open(u, key)
    if d.chance(0.5):
        d.port(u, "QH'", d.signal("DATA_OUT"), shape="output")
    else:
        d.open(u, "QH'")


def input_register(d: Draft) -> None:
    u = d.part("74HC165", 0, 0)
    d.power(d.style.logic, u["VCC"])
    d.pin_ground(u, "GND")
    d.port(u, "DS", d.signal("CHAIN_IN"), shape="input")
    for i in range(8):
        d.port(u, f"D{i}", d.signal("KEY#"), shape="input")
    d.port(u, "9", d.signal("DATA_IN"), shape="output")
    d.open(u, "7")
    d.port(u, "PL", "LATCH", shape="input")
    d.port(u, "CP", "CLK", shape="input")
    d.pin_ground(u, "CE", 2)


def gates(d: Draft) -> None:
    """One or two gates of a package and its supply pins."""
    name = d.choose("74HC00", "74HC04", "74HC14", "74HC00")
    two = name == "74HC00"
    first: DraftPart | None = None
    for i in range(d.rng.randint(1, 2)):
        inputs, out = ((("1", "2"), "3"), (("4", "5"), "6"))[i] if two else ((("1",), "2"), (("3",), "4"))[i]
        u = d.part(name, 0, 12 * i, unit_of=(first, i + 1) if first else None)
        first = first or u
        for key in inputs:
            d.port(u, key, d.signal(d.choose("A#", "IN#", "X#")), shape="input")
        d.port(u, out, d.signal(d.choose("Y#", "NOT#")), shape="output")
    supply = d.part(name, 24, 2, unit_of=(first or u, 5 if two else 7), fields="right")
    d.power(d.style.logic, supply["14"])
    d.ground(supply["7"])


def schmitt_oscillator(d: Draft) -> None:
    """A Schmitt trigger with a resistor and a capacitor."""
    u = d.part("74HC14", 0, 0, fields="below")
    node, right = d.go(u["1"], LEFT, 2), d.go(u["2"], RIGHT, 2)
    d.wire(node, (node[0], -6))
    d.across(d.style.resistor, (node[0], -6), (right[0], -6), d.ohms("10k", "100k", "47k"))
    d.wire((right[0], -6), right)
    d.to_ground(d.go(node, DOWN, 1), "100n", "10n", "1u", side=LEFT)
    d.tag(d.signal(d.choose("CLK", "OSC", "TONE")), right, RIGHT, shape="output")


def eeprom(d: Draft) -> None:
    u = d.part(d.choose("24LC256", "24LC256", "AT24CS02-SSHM"), 0, 0)
    d.ground(d.go(d.comb(u["A0"][0] - 2, u["A0"], u["A1"], u["A2"]), DOWN, 1))
    d.port(u, "SDA", "SDA")
    d.port(u, "SCL", "SCL", shape="input")
    d.pin_ground(u, "WP", 2)
    d.supply_chip(u, "VCC", "GND")


def flash(d: Draft) -> None:
    u = d.part("W25Q32JVSS", 0, 0)
    if d.chance(0.5):
        d.port(u, "CS", "QSPI_SS", shape="input")
        d.port(u, "CLK", "QSPI_SCLK", shape="input")
        for i in range(4):
            d.port(u, f"IO{i}", f"QSPI_SD{i}")
    else:
        d.port(u, "CS", d.signal("CS#"), shape="input")
        d.port(u, "CLK", "SCK", shape="input")
        d.port(u, "IO0", "MOSI")
        d.port(u, "IO1", "MISO")
        x = u["IO2"][0] + 2
        d.comb(x, u["IO2"], u["IO3"])
        d.power(d.style.logic, d.wire((x, u["IO3"][1]), (x + 9, u["IO3"][1]), (x + 9, u["IO2"][1] - 1)))
    d.supply_chip(u, "VCC", "GND")


def expander(d: Draft) -> None:
    u = d.part("PCF8574", 0, 0)
    d.port(u, "SDA", "SDA")
    d.port(u, "SCL", "SCL")
    d.port(u, "INT", d.signal("INT#"), shape="output")
    d.ground(d.go(d.comb(u["A0"][0] - 2, u["A0"], u["A1"], u["A2"]), DOWN, 1))
    for i in range(8):
        d.port(u, f"P{i}", d.signal("EXT#"))
    d.supply_chip(u, "VDD", "VSS")


def clock(d: Draft) -> None:
    """A real-time clock with its buffer cell."""
    if d.chance(0.5):
        u = d.part("DS3231M", 0, 0)
        d.open(u, "32KHZ", "INT/SQW", "RST")
    else:
        u = d.part("DS1307Z+", 0, 0)
        d.open(u, "SQW/OUT")
        upper, lower = d.stub(u, "X1", 6), d.stub(u, "X2", 2)
        length = d.length("Crystal")
        lower = d.wire(lower, (lower[0], upper[1] + length), (upper[0], upper[1] + length))
        d.across("Crystal", upper, lower, "32.768kHz", side=LEFT)
    d.port(u, "SCL", "SCL")
    d.port(u, "SDA", "SDA")
    d.power(d.choose(d.style.logic, d.style.main), u["VCC"])
    at = d.go(u["VBAT"], UP, 1)
    at = d.wire(at, (round(u.outline.reach[2]) + 4, at[1]))
    d.ground(d.chain("Battery_Cell", at, DOWN, d.choose("CR2032", "CR1220")))
    d.pin_ground(u, "GND")


def pixels(d: Draft) -> None:
    """A chain of addressable lamps."""
    count = d.rng.randint(1, 3)
    d_in = d.signal("PIXEL")
    last: DraftPart | None = None
    for i in range(count):
        u = d.part("WS2812B", 22 * i, 0)
        d.power(d.style.main, u["VDD"])
        d.pin_ground(u, "VSS")
        if last is None:
            d.port(u, "DIN", d_in, shape="input")
        else:
            d.wire(last["DOUT"], u["DIN"])
        last = u
    if last is not None:
        d.port(last, "DOUT", d.signal("PIXEL_OUT"), shape="output") if d.chance(0.5) else d.open(last, "DOUT")


def crystal(d: Draft) -> None:
    """A crystal and its two capacitors, the case grounded where it has pins for that."""
    name = d.style.crystal
    value = d.choose("16MHz", "8MHz", "12MHz", "25MHz", "32.768kHz")
    y = d.part(name, 0, 0, IDENTITY, value=value)
    first, last = ("1", "3") if name == "Crystal_GND24" else ("1", "2")
    left, right = d.wire(y[first], (-6, 0)), d.wire(y[last], (6, 0))
    load = d.farads("22p", "18p", "12p", "10p")
    low = d.chain(d.style.capacitor, left, DOWN, load, side=LEFT)
    d.chain(d.style.capacitor, right, DOWN, load)
    floor = max(low[1], 6)
    for x in (-6, 6):
        d.wire((x, low[1]), (x, floor))
    if name == "Crystal_GND24":
        d.wire(y["2"], (-15, y["2"][1]), (-15, floor), (-6, floor))
        d.wire(y["4"], (0, floor))
    d.wire((-6, floor), (0, floor))
    d.wire((0, floor), (6, floor))
    d.ground((0, floor))
    d.tag("XTAL1", left, LEFT, kind="local")
    d.tag("XTAL2", right, RIGHT, kind="local")


CIRCUITS = (
    Circuit(atmega, "Microcontroller", 1.0, large=True),
    Circuit(attiny, "Microcontroller", 1.2, MIRRORED, large=True),
    Circuit(stm32, "MCU", 1.1, large=True),
    Circuit(rp2040, "RP2040", 0.8, large=True),
    Circuit(esp, "ESP module", 1.3, large=True),
    Circuit(ch32, "MCU", 0.7, large=True),
    Circuit(arduino, "Arduino", 0.7, large=True),
    Circuit(shift_register, "Shift register", 0.9),
    Circuit(input_register, "Inputs", 0.5),
    Circuit(gates, "Logic", 1.0),
    Circuit(schmitt_oscillator, "Clock", 0.6, MIRRORED),
    Circuit(eeprom, "EEPROM", 1.1),
    Circuit(flash, "Flash", 0.9),
    Circuit(expander, "I/O expander", 0.6),
    Circuit(clock, "Real-time clock", 0.7),
    Circuit(pixels, "Pixels", 0.9),
    Circuit(crystal, "Crystal", 1.4),
)

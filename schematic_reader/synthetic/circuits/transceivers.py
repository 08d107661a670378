"""USB, serial lines and field buses."""

from __future__ import annotations

from schematic_reader.synthetic.circuits.draft import Draft
from schematic_reader.synthetic.circuits.orientation import DOWN, LEFT, RIGHT, UP
from schematic_reader.synthetic.circuits.recipe import MIRRORED, Circuit


def usb_c(d: Draft) -> None:
    """A USB-C socket with both data lines joined across its two sides."""
    j = d.part("USB_C_Receptacle_USB2.0", 0, 0, fields="above")
    at = d.stub(j, "VBUS", 3)
    if d.chance(0.6):
        at = d.go(d.chain(d.style.fuse, at, RIGHT, d.choose("500mA", "1A", "MF-MSMF050")), RIGHT, 2)
    d.power(d.choose("VBUS", d.style.main), at)
    d.ground(d.resistor(d.stub(j, "CC2", 12), DOWN, "5.1k"))
    d.ground(d.resistor(d.stub(j, "CC1", 19), DOWN, "5.1k"))
    x = j["A7"][0] + 1
    minus, plus = d.comb(x, j["A7"], j["B7"]), d.comb(x, j["A6"], j["B6"])
    d.tag("D-", minus, RIGHT)
    d.tag("D+", plus, RIGHT)
    d.open(j, "A8", "B8")
    shield, ground = d.stub(j, "SHIELD", 1), d.stub(j, "GND", 1)
    d.ground(d.wire(shield, ground))


def usb_micro(d: Draft) -> None:
    """A micro USB or USB-A socket, data lines through resistors or straight."""
    micro = d.chance(0.7)
    j = d.part("USB_B_Micro" if micro else "USB_A", 0, 0, fields="above")
    at = d.stub(j, "VBUS", 3)
    if d.chance(0.5):
        at = d.go(d.chain(d.style.fuse, at, RIGHT, d.choose("500mA", "1A")), RIGHT, 2)
    elif d.chance(0.4):
        at = d.go(d.chain(d.style.bead, at, RIGHT, d.choose("600R", "120R")), RIGHT, 2)
    d.power(d.choose("VBUS", d.style.main), at)
    d.port(j, "D-", "D-")
    d.port(j, "D+", "D+")
    if micro:
        d.open(j, "ID")
    shield, ground = d.stub(j, "Shield", 1), d.stub(j, "GND", 1)
    d.ground(d.wire(shield, ground))


def usb_protection(d: Draft) -> None:
    """A diode array at the data lines."""
    if d.chance(0.6):
        u = d.part("USBLC6-2SC6", 0, 0)
        d.power("VBUS", u["VBUS"])
        d.pin_ground(u, "GND")
        d.port(u, "1", "D+")
        d.port(u, "3", "D-")
        d.port(u, "6", d.signal("USB_D+"))
        d.port(u, "4", d.signal("USB_D-"))
        return
    u = d.part("PRTR5V0U2X", 0, 0)
    d.power("VBUS", u["VCC"])
    d.pin_ground(u, "GND")
    d.port(u, "2", "D+")
    d.port(u, "3", "D-")


def usb_serial(d: Draft) -> None:
    """A USB to serial converter."""
    if d.chance(0.65):
        u = d.part("CH340C", 0, 0)
        d.power(d.style.main, u["VCC"])
        d.port(u, "UD+", "D+")
        d.port(u, "UD-", "D-")
        d.open(u, "R232", "CTS")
        corner = d.go(u["V3"], UP, 3)
        d.ground(d.go(d.go(d.capacitor(d.go(corner, RIGHT, 6), RIGHT, "100n"), RIGHT, 2), DOWN, 1))
    else:
        u = d.part("CP2102N-Axx-xQFN24", 0, 0)
        top = d.go(u["VDD"], UP, 1)
        d.wire(u["VREGIN"], (u["VREGIN"][0], top[1]), top)
        d.power(d.style.logic, top)
        d.port(u, "D+", "D+")
        d.port(u, "D-", "D-")
        d.open(u, "VBUS", "RST", "CTS")
    d.port(u, "TXD", "RX")
    d.port(u, "RXD", "TX")
    if d.chance(0.5):
        d.port(u, "DTR", d.signal("DTR"))
        d.port(u, "RTS", d.signal("RTS"))
    else:
        d.open(u, "DTR", "RTS")
    d.pin_ground(u, "GND")


def rs485(d: Draft) -> None:
    """A transceiver with direction control and termination."""
    u = d.part(d.choose("MAX485E", "MAX485E", "SP3485EN"), 0, 0)
    d.power(d.choose(d.style.main, d.style.logic), u["VCC"])
    d.pin_ground(u, "GND")
    d.port(u, "RO", d.signal("RS485_RX"))
    d.port(u, "DI", d.signal("RS485_TX"))
    column = u["RE"][0] - 2
    d.comb(column, u["RE"], u["DE"])
    d.tag(d.signal("RS485_DE"), (column, u["DE"][1]), LEFT)
    a, b = d.stub(u, "A", 3), d.stub(u, "B", 3)
    if d.chance(0.7):
        d.across(d.style.resistor, a, b, "120")
    d.tag("A", d.go(a, RIGHT, 5), RIGHT)
    d.tag("B", d.go(b, RIGHT, 5), RIGHT)


def can(d: Draft) -> None:
    """A CAN transceiver; its slope pin is grounded through a resistor."""
    name = d.choose("MCP2551-I-SN", "SN65HVD230")
    u = d.part(name, 0, 0)
    tx, rx, top, low = ("TXD", "RXD", "VDD", "VSS") if name.startswith("MCP") else ("D", "R", "VCC", "GND")
    d.supply_chip(u, top, low, d.style.main if name.startswith("MCP") else d.style.logic)
    d.port(u, tx, d.signal("CAN_TX"))
    d.port(u, rx, d.signal("CAN_RX"))
    d.open(u, "Vref")
    d.ground(d.go(d.go(d.resistor(d.stub(u, "Rs", 1), LEFT, "10k", "4.7k", "1k"), LEFT, 1), DOWN, 1))
    d.port(u, "CANH", "CANH")
    d.port(u, "CANL", "CANL")


def rs232(d: Draft) -> None:
    """A level converter with its four pump capacitors."""
    u = d.part("MAX232", 0, 0)
    d.power(d.style.main, u["VCC"])
    d.pin_ground(u, "GND")
    value = d.farads("100n", "1u")
    for plus, minus in (("C1+", "C1-"), ("C2+", "C2-")):
        d.across(d.style.capacitor, d.stub(u, plus, 3), d.stub(u, minus, 3), value, side=LEFT)
    d.ground(d.chain(d.style.capacitor, d.stub(u, "VS+", 3), DOWN, value))
    d.ground(d.chain(d.style.capacitor, d.stub(u, "VS-", 15), DOWN, value))
    d.port(u, "T1IN", "TX")
    d.port(u, "R1OUT", "RX")
    d.open(u, "T2IN", "R2OUT", "T2OUT", "R2IN")
    d.port(u, "T1OUT", d.signal("RS232_TX"))
    d.port(u, "R1IN", d.signal("RS232_RX"))


CIRCUITS = (
    Circuit(usb_c, "USB-C", 1.6, MIRRORED),
    Circuit(usb_micro, "USB", 1.6, MIRRORED),
    Circuit(usb_protection, "ESD protection", 0.9),
    Circuit(usb_serial, "USB to serial", 1.2),
    Circuit(rs485, "RS-485", 0.8),
    Circuit(can, "CAN", 0.8),
    Circuit(rs232, "RS-232", 0.6),
)

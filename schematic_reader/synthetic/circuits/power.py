"""Supplies: regulators, inputs, batteries, chargers, filters."""

from __future__ import annotations

from schematic_reader.synthetic.circuits.draft import Draft, DraftPart
from schematic_reader.synthetic.circuits.orientation import DOWN, LEFT, MIRROR, QUARTER, RIGHT, UP, Spot
from schematic_reader.synthetic.circuits.recipe import MIRRORED, TURNED, Circuit


def _first(part: DraftPart, *names: str) -> str:
    """The pin name of ``names`` that this part has."""
    return next(name for name in names if name in part.outline.pins)


def _output(d: Draft, start: Spot, rail: str, *values: str) -> None:
    """A supply's capacitors, its power symbol and perhaps a flag at the end of the wire."""
    at = start
    for i, value in enumerate(values):
        at = d.go(at, RIGHT, d.pitch) if i else at
        if value.endswith("u") and len(value) >= 3 and d.chance(0.7):
            d.ground(d.electrolytic(at, DOWN, value))
        else:
            d.to_ground(at, value)
    if d.style.chip_supply_flag and d.chance(0.5):
        d.power(rail, at)
        d.power("PWR_FLAG", d.go(at, RIGHT, 8))
    else:
        d.power(rail, d.go(at, RIGHT, 4) if d.chance(0.5) else at)


_TO_LOGIC = ("AMS1117-3.3", "AMS1117-3.3", "LD1117S33TR_SOT223", "MCP1700x-330xxTT", "HT7333-A")
_TO_MAIN = ("AMS1117-5.0", "LM7805_TO220", "LM7805_TO220", "L7805")


def linear_regulator(d: Draft) -> None:
    """Input capacitor, three-pin regulator, output capacitors."""
    source, rail = d.style.main, d.style.logic
    name = d.choose(*_TO_LOGIC)
    roll = d.rng.random()
    if roll < 0.35:
        source, rail, name = d.style.high, d.style.main, d.choose(*_TO_MAIN)
    elif roll < 0.42:
        source, rail, name = "+24V", "+12V", "LM7812_TO220"
    u = d.part(name, 0, 0)
    left = d.go(u[_first(u, "VI", "IN", "VIN")], LEFT, d.pitch - 2)
    d.to_ground(left, *("100n", "10u", "1u", "330n"))
    d.power(source, left)
    d.pin_ground(u, "GND")
    values = ("100n", "10u") if d.chance(0.4) else (d.choose("10u", "22u", "1u", "100u"),)
    _output(d, d.go(u[_first(u, "VO", "OUT", "VOUT")], RIGHT, 3), rail, *values)


def enabled_regulator(d: Draft) -> None:
    """A five-pin regulator with its enable pin tied to the input."""
    name = d.choose("AP2112K-3.3", "MIC5219-3.3YM5")
    u = d.part(name, 0, 0)
    vin = _first(u, "VIN", "IN")
    corner = d.stub(u, vin, 2)
    d.wire(u["EN"], (corner[0], u["EN"][1]), corner)
    left = d.go(corner, LEFT, 3)
    d.to_ground(left, "1u", "10u", side=LEFT)
    d.power(d.style.main, left)
    d.pin_ground(u, "GND")
    out = u[_first(u, "VOUT", "OUT")]
    if name.startswith("MIC"):
        d.to_ground(d.stub(u, "BP", 2), "10n", "470p")
        _output(d, d.go(out, RIGHT, d.pitch + 2), d.style.logic, d.choose("2.2u", "10u"))
    else:
        d.open(u, "NC")
        _output(d, d.go(out, RIGHT, 4), d.style.logic, d.choose("1u", "10u", "4.7u"))


def adjustable_regulator(d: Draft) -> None:
    """An LM317 and the divider that sets its output."""
    u = d.part(d.choose("LM317_TO-220", "LM317_TO-220", "LM1117DT-ADJ"), 0, 0)
    left = d.go(u["VI"], LEFT, d.pitch - 2)
    d.to_ground(left, "100n", "10u")
    d.power(d.style.high, left)
    top = d.go(u["VO"], RIGHT, 3)
    node = d.resistor(top, DOWN, "240", "220", "120")
    adjust = u["ADJ"]
    node = d.wire(node, (node[0], max(node[1], adjust[1] + 1)))
    d.wire(adjust, (adjust[0], node[1]), node)
    d.ground(d.resistor(node, DOWN, "720", "390", "1.5k", "2k"))
    rail = d.choose(d.style.main, "+1V8", "+2V5")
    _output(d, d.go(top, RIGHT, 7), rail, d.choose("10u", "1u", "47u"))


def buck(d: Draft) -> None:
    """A step-down converter with its diode, inductor and feedback."""
    u = d.part("LM2596S-5", 0, 0)
    left = d.go(u["VIN"], LEFT, 6)
    d.ground(d.electrolytic(left, DOWN, "470u", "100u", "220u", side=LEFT))
    d.power(d.style.high, left)
    d.pin_ground(u, "ON/OFF", 2)
    d.pin_ground(u, "GND")
    switch = d.stub(u, "OUT", 3)
    d.ground(d.diode(switch, DOWN, kind="schottky"))
    out = d.chain(d.style.inductor, d.go(switch, RIGHT, 4), RIGHT, d.choose("33uH", "47uH", "68uH"))
    out = d.go(out, RIGHT, 1)
    feedback = d.stub(u, "FB", 1)
    d.wire(feedback, (feedback[0], -5), (out[0], -5), out)
    _output(d, d.go(out, RIGHT, 2), d.style.main, d.choose("220u", "470u", "100u"))


def boost(d: Draft) -> None:
    """A step-up converter: inductor over the chip, diode and divider behind it."""
    u = d.part("MT3608", 0, 0)
    corner = d.stub(u, "IN", 2)
    d.wire(u["EN"], (corner[0], u["EN"][1]), corner)
    left = d.go(corner, LEFT, 3)
    d.to_ground(left, "22u", "10u", side=LEFT)
    d.power(d.choose("+BATT", d.style.main), left)
    d.pin_ground(u, "GND")
    switch = d.stub(u, "SW", 2)
    d.wire(corner, (corner[0], -10))
    d.across(d.style.inductor, (corner[0], -10), (switch[0], -10), d.choose("22uH", "10uH", "4.7uH"))
    d.wire((switch[0], -10), switch)
    out = d.go(d.diode(d.go(switch, RIGHT, 1), RIGHT, kind="schottky", reverse=True), RIGHT, 2)
    node = d.resistor(out, DOWN, "100k", "47k", "82k")
    node = d.go(node, DOWN, 1)
    d.ground(d.resistor(node, DOWN, "10k", "12k", "6.8k"))
    feedback = d.stub(u, "FB", 1)
    d.wire(feedback, (feedback[0], node[1]), node)
    _output(d, d.go(out, RIGHT, 7), d.style.high, d.choose("22u", "47u"))


def jack_input(d: Draft) -> None:
    """Barrel jack, fuse and reverse-polarity diode."""
    j = d.part(d.choose("Barrel_Jack", "Barrel_Jack", "Barrel_Jack_Switch"), 0, 0)
    sleeve = [j[key] for key in ("2", "3") if key in j.outline.pins]
    d.ground(d.go(d.comb(j["2"][0] + 1, *sleeve), DOWN, 1))
    at = d.stub(j, "1", 3)
    if d.chance(0.6):
        at = d.go(d.chain(d.style.fuse, at, RIGHT, d.choose("1A", "2A", "500mA", "3A")), RIGHT, 3)
    if d.chance(0.7):
        at = d.go(d.diode(at, RIGHT, kind="schottky", reverse=True), RIGHT, 2)
    _output(d, d.go(at, RIGHT, 2), d.style.high, d.choose("100u", "47u", "100n"))


def usb_power(d: Draft) -> None:
    """A USB-C socket used for power alone, with its two identification resistors."""
    j = d.part(
        "USB_C_Receptacle_PowerOnly_6P",
        0,
        0,
        fields="above",
        value=d.choose("USB_C_Receptacle_PowerOnly_6P", "USB-C", "TYPE-C"),
    )
    at = d.stub(j, "VBUS", 3)
    if d.chance(0.6):
        at = d.go(d.chain(d.style.fuse, at, RIGHT, d.choose("500mA", "1A", "1.5A")), RIGHT, 3)
    d.power(d.choose(d.style.main, "VBUS"), at)
    d.ground(d.resistor(d.stub(j, "CC2", 3), DOWN, "5.1k"))
    d.ground(d.resistor(d.stub(j, "CC1", 10), DOWN, "5.1k"))
    shield, ground = d.stub(j, "SHIELD", 1), d.stub(j, "GND", 1)
    d.wire(shield, ground)
    d.ground(ground)


def charger(d: Draft) -> None:
    """A lithium cell charger with its current resistor and status lamp."""
    simple = d.chance(0.5)
    u = d.part("MCP73831-2-OT" if simple else "TP4056", 0, 0)
    supply = "VDD" if simple else "VCC"
    corner = d.stub(u, supply, 2)
    if not simple:
        d.wire(u["CE"], (corner[0], u["CE"][1]), corner)
        d.pin_ground(u, "TEMP", 1)
        d.open(u, "STDBY")
    d.power(d.style.main, d.go(d.go(corner, LEFT, 3), UP, 1))
    d.ground(d.resistor(d.stub(u, "PROG", 5), DOWN, "1.2k", "2k", "10k", side=LEFT))
    d.pin_ground(u, _first(u, "GND", "VSS"))
    battery = d.stub(u, _first(u, "BAT", "VBAT"), 2)
    d.power("+BATT", d.go(battery, UP, 1))
    status = d.stub(u, "STAT" if simple else "CHRG", 4)
    if simple:
        status = d.wire(status, (status[0], 4), (status[0] + 1, 4))
    end = d.resistor(d.go(d.led(status, RIGHT), RIGHT, 1), RIGHT, "1k", "470", "2.2k")
    d.power(d.style.main, d.go(d.go(end, RIGHT, 2), UP, 2))


def battery(d: Draft) -> None:
    """A cell, its switch and a buffer capacitor."""
    name = d.choose("Battery_Cell", "Battery")
    end = d.chain(name, (0, 0), DOWN, d.choose("CR2032", "18650", "LiPo", "3xAA", "9V"), side=LEFT)
    d.ground(end)
    at = d.wire((0, 0), (0, -2), (3, -2))
    if d.chance(0.7):
        at = d.chain("SW_SPST", at, RIGHT, d.choose("SW_SPST", "ON/OFF", "POWER"))
    at = d.go(at, RIGHT, 3)
    if d.chance(0.5):
        d.to_ground(at, "10u", "100n")
    d.power(d.choose("+BATT", "+BATT", "VCC"), at)


def power_flags(d: Draft) -> None:
    """Flags that tell the rule checker where supplies come from."""
    x = 0
    rails = [d.style.main, d.style.logic, d.style.high][: d.rng.randint(1, 2)]
    for rail in rails:
        d.power(rail, (x, 0))
        d.power("PWR_FLAG", d.wire((x, 0), (x, 1), (x + 8, 1), (x + 8, 0)))
        x += 16
    d.ground((x, 1))
    d.power("PWR_FLAG", d.wire((x, 1), (x, 0), (x + 6, 0)))


def decoupling(d: Draft) -> None:
    """A row of capacitors between a supply and ground."""
    count = d.rng.randint(2, 5)
    value = d.choose("100n", "100n", "1u")
    low: Spot = (0, 0)
    for i in range(count):
        top = (d.pitch * i, 0)
        low = d.capacitor(top, DOWN, value if i < count - 1 else d.choose("10u", "1u", value))
    d.wire((0, 0), (d.pitch * (count - 1), 0))
    d.wire((0, low[1]), low)
    d.power(d.choose(d.style.logic, d.style.logic, d.style.main), (0, 0))
    d.ground((0, low[1]))


def divider(d: Draft) -> None:
    """Two resistors that scale a supply down for a converter."""
    top = d.go((0, 0), DOWN, 1)
    d.power(d.choose(d.style.high, "+BATT", d.style.main), (0, 0))
    node = d.resistor(top, DOWN, "100k", "47k", "10k", "30k")
    node = d.go(node, DOWN, 1)
    low = d.resistor(d.go(node, DOWN, 1), DOWN, "10k", "22k", "33k", "100k")
    d.ground(d.go(low, DOWN, 1))
    name = d.signal(d.choose("VBAT_SENSE", "VSENSE", "ADC_IN", "V_MON"))
    if d.chance(0.4):
        node = d.go(node, RIGHT, 7)
        d.to_ground(node, "100n", "10n")
        node = d.go(node, RIGHT, 5)
    d.tag(name, node, RIGHT, shape="output")


def power_led(d: Draft) -> None:
    """A lamp that shows that a supply is there."""
    d.power(d.choose(d.style.logic, d.style.main, d.style.high), (0, 0))
    at = d.resistor(d.go((0, 0), DOWN, 2), DOWN, "1k", "330", "470", "2.2k")
    at = d.led(d.go(at, DOWN, 1), DOWN, reverse=True)
    d.ground(d.go(at, DOWN, 4))


def screw_input(d: Draft) -> None:
    """Supply from a screw terminal, with a fuse and a suppressor."""
    j = d.part("Screw_Terminal_01x02", 0, 0, MIRROR, value=d.choose("PWR_IN", "12V IN", "DC_IN", "Vin"))
    d.pin_ground(j, "2", 1)
    at = d.stub(j, "1", 3)
    if d.chance(0.5):
        at = d.go(d.chain(d.style.fuse, at, RIGHT, d.choose("2A", "5A", "1A")), RIGHT, 3)
    if d.chance(0.6):
        at = d.go(at, RIGHT, 2)
        d.ground(d.chain("D_TVS", at, DOWN, d.choose("SMAJ15A", "SMBJ24A", "P6KE15A")))
        at = d.go(at, RIGHT, 10)
    d.power(d.style.high, at)


def rectifier(d: Draft) -> None:
    """Alternating current in, a bridge and the smoothing capacitor."""
    j = d.part("Screw_Terminal_01x02", -15, 1, MIRROR, value=d.choose("AC_IN", "9VAC", "AC 12V"))
    bridge = d.part("D_Bridge_+-AA", 0, 0, value=d.choose("MB6S", "DB107", "KBP206"))
    d.wire(j["1"], bridge["3"])
    turn = d.stub(j, "2", 1)
    right = d.stub(bridge, "4", 2)
    d.wire(turn, (turn[0], 12), (right[0], 12), right)
    d.pin_ground(bridge, "2", 1)
    top = d.stub(bridge, "1", 1)
    at = d.go(top, RIGHT, 13)
    d.ground(d.electrolytic(at, DOWN, "1000u", "470u", "2200u"))
    d.power(d.style.high, d.go(at, RIGHT, 5))


def reverse_protection(d: Draft) -> None:
    """A P-channel transistor in the supply line instead of a diode."""
    q = d.part(d.style.pmos, 0, 0, QUARTER, side=UP)
    source = d.stub(q, "D", 3)
    d.power(d.choose(d.style.high, "+BATT"), d.go(source, UP, 1))
    d.power(d.choose("VSYS", "+VDC"), d.go(d.stub(q, "S", 3), UP, 1))
    gate = d.stub(q, "G", 1)
    d.ground(d.resistor(gate, DOWN, "100k", "10k"))


def filtered_supply(d: Draft) -> None:
    """A bead or coil that keeps noise from an analog supply."""
    d.power(d.choose(d.style.logic, d.style.main), (0, 0))
    at = d.go((0, 0), RIGHT, 3)
    part = d.choose(d.style.bead, d.style.bead, d.style.inductor)
    value = d.choose("600R", "120R", "BLM18") if part == d.style.bead else d.choose("10uH", "4.7uH")
    at = d.go(d.chain(part, at, RIGHT, value), RIGHT, 3)
    d.to_ground(at, "100n", "1u")
    at = d.go(at, RIGHT, d.pitch)
    if d.chance(0.6):
        d.to_ground(at, "10u", "4.7u")
        at = d.go(at, RIGHT, 6)
    d.power(d.choose("+3.3VA", "+5VA"), at)


def zener_clamp(d: Draft) -> None:
    """An input protected by a resistor and a Zener diode."""
    d.tag(d.signal(d.choose("EXT_IN", "SENSE", "TRIG")), (0, 0), LEFT, shape="input")
    at = d.go(d.resistor((0, 0), RIGHT, "1k", "10k", "4.7k"), RIGHT, 2)
    d.ground(d.diode(at, DOWN, kind="zener"))
    d.tag(d.signal(d.choose("DIN#", "IN_CLAMP", "GPIN")), d.go(at, RIGHT, 7), RIGHT, shape="output")


def chassis_ground(d: Draft) -> None:
    """Signal ground tied to the case through a resistor and a capacitor."""
    space = d.pitch + 2
    left = d.chain(d.style.resistor, (0, 0), DOWN, "1M", side=LEFT)
    right = d.capacitor((space, 0), DOWN, "4.7n", "10n", "100n")
    floor = max(left[1], right[1]) + 1
    d.wire((0, 0), (space, 0))
    d.wire(left, (0, floor), (space, floor))
    d.wire(right, (space, floor))
    d.power(d.choose("Earth", "GNDPWR"), d.wire((0, 0), (-8, 0), (-8, 2)))
    d.ground((space, floor))


def mains_input(d: Draft) -> None:
    """Terminal, fuse and varistor of an alternating current input."""
    j = d.part("Screw_Terminal_01x02", 0, 0, MIRROR, value=d.choose("MAINS", "AC_IN", "L/N"))
    upper = d.chain(d.style.fuse, d.stub(j, "1", 3), RIGHT, d.choose("T1A", "500mA", "F2A"))
    upper = d.go(upper, RIGHT, 3)
    low = d.wire(j["2"], (j["2"][0] + 1, j["2"][1]), (j["2"][0] + 1, 10), (upper[0], 10))
    d.across("Varistor", upper, low, d.choose("S10K275", "14D471K", "07D431K"))
    d.tag(d.signal("AC_L"), d.go(upper, RIGHT, 7), RIGHT, shape="output")
    d.tag(d.signal("AC_N"), d.go(low, RIGHT, 7), RIGHT, shape="output")


CIRCUITS = (
    Circuit(linear_regulator, "Voltage regulator", 5.0, MIRRORED),
    Circuit(enabled_regulator, "3V3 supply", 1.6),
    Circuit(adjustable_regulator, "Adjustable supply", 0.8),
    Circuit(buck, "Buck converter", 1.0),
    Circuit(boost, "Boost converter", 0.8),
    Circuit(jack_input, "Power input", 1.8),
    Circuit(usb_power, "USB power", 1.6, MIRRORED),
    Circuit(charger, "Battery charger", 1.2),
    Circuit(battery, "Battery", 1.2, MIRRORED),
    Circuit(power_flags, "Power flags", 3.5),
    Circuit(decoupling, "Decoupling", 3.5),
    Circuit(divider, "Battery sense", 2.0, MIRRORED),
    Circuit(power_led, "Power LED", 3.0, TURNED),
    Circuit(screw_input, "Power input", 1.6),
    Circuit(rectifier, "Rectifier", 0.5),
    Circuit(reverse_protection, "Reverse polarity protection", 0.9, MIRRORED),
    Circuit(filtered_supply, "Analog supply", 1.4, MIRRORED),
    Circuit(chassis_ground, "Shield", 0.8),
    Circuit(mains_input, "Mains input", 0.5, MIRRORED),
    Circuit(zener_clamp, "Input protection", 0.8, MIRRORED),
)

"""Level shifting, switches for loads, drivers, and digital sensors."""

from __future__ import annotations

from schematic_reader.synthetic.circuits.draft import Draft, DraftPart
from schematic_reader.synthetic.circuits.orientation import (
    DOWN,
    IDENTITY,
    LEFT,
    MIRROR,
    RIGHT,
    THREE_QUARTERS,
    UP,
)
from schematic_reader.synthetic.circuits.recipe import MIRRORED, Circuit


def _i2c(d: Draft, u: DraftPart, sda: str = "SDA", scl: str = "SCL") -> None:
    d.port(u, sda, "SDA")
    d.port(u, scl, "SCL")


def _joined_supply(d: Draft, u: DraftPart, first: str, second: str, bottom: str) -> None:
    """Two supply pins on one symbol."""
    left, right = d.go(u[first], UP, 1), d.go(u[second], UP, 1)
    d.wire(left, right)
    d.power(d.style.logic, left)
    d.pin_ground(u, bottom)


def i2c_pullups(d: Draft) -> None:
    """Two resistors to the logic supply."""
    value = d.ohms("4.7k", "10k", "2.2k")
    d.power(d.style.logic, (0, 0))
    left = d.chain(d.style.resistor, d.wire((0, 0), (0, 1)), DOWN, value, side=LEFT)
    right = d.chain(d.style.resistor, d.wire((0, 1), (4, 1)), DOWN, value)
    d.tag("SDA", d.wire(left, (0, left[1] + 3), (4, left[1] + 3)), RIGHT)
    d.tag("SCL", d.go(right, DOWN, 1), RIGHT)


def level_shift(d: Draft) -> None:
    """One transistor between two logic voltages, its gate on the lower one."""
    q = d.part(d.style.nmos, 0, 0, THREE_QUARTERS, side=DOWN)
    top = q["G"][1] - 2
    left, right = d.stub(q, "S", 4), d.stub(q, "D", 4)
    low = d.resistor(d.go(left, UP, 1), UP, "10k", "4.7k", side=LEFT)
    corner = d.wire(low, (low[0], top))
    d.wire(q["G"], (q["G"][0], top), corner)
    d.power(d.style.logic, corner)
    high = d.resistor(d.go(right, UP, 1), UP, "10k", "4.7k")
    d.power(d.style.main, d.wire(high, (high[0], top)))
    name = d.signal(d.choose("SIG#", "DATA#", "IO#"))
    d.tag(name, d.go(left, LEFT, 1), LEFT)
    d.tag(name + "_HV", d.go(right, RIGHT, 1), RIGHT)


def level_shift_chip(d: Draft) -> None:
    """A level translator with two supplies."""
    if d.chance(0.6):
        u = d.part("74LVC1T45", 0, 0)
        d.port(u, "A", d.signal("A#"))
        d.port(u, "B", d.signal("B#"))
        d.port(u, "DIR", d.signal("DIR"))
    else:
        u = d.part("TXS0102DCU", 0, 0)
        for key in ("A1", "A2", "B1", "B2"):
            d.port(u, key, d.signal("LS_" + key))
        d.port(u, "OE", d.signal("LS_OE"))
    d.power(d.style.logic, d.go(d.go(u["VCCA"], UP, 1), LEFT, 2))
    d.power(d.style.main, d.go(d.go(u["VCCB"], UP, 1), RIGHT, 2))
    d.pin_ground(u, "GND")


def opto_input(d: Draft) -> None:
    """An isolated input."""
    u = d.part(d.choose("PC817", "LTV-817"), 0, 0)
    at = d.resistor(d.stub(u, "1", 1), LEFT, "1k", "2.2k", "4.7k")
    d.tag(d.signal("EXT_IN#"), at, LEFT, shape="input")
    d.pin_ground(u, "2", 1)
    d.pin_ground(u, "3", 1)
    out = d.stub(u, "4", 2)
    d.power(d.style.logic, d.resistor(d.go(out, UP, 1), UP, "10k", "4.7k"))
    d.tag(d.signal("OPTO#"), out, RIGHT, shape="output")


def load_switch(d: Draft) -> None:
    """An N-channel transistor that switches a load to ground, with a flyback diode."""
    q = d.part(d.choose(d.style.nmos, d.style.nmos, "IRLZ44N"), 0, 0)
    d.ground(q["S"])
    gate = d.stub(q, "G", 2)
    d.ground(d.resistor(d.go(gate, DOWN, 1), DOWN, "10k", "100k"))
    at = d.resistor(gate, LEFT, "100", "1k", "220")
    d.tag(d.signal(d.choose("PWM#", "FAN_EN", "MOTOR", "HEATER", "PUMP")), at, LEFT, shape="input")
    low = d.go(q["D"], UP, 1)
    name = d.choose("Screw_Terminal_01x02", "Conn_01x02")
    j = d.part(name, low[0] + 13, low[1] - 3, value=d.choose("LOAD", "FAN", "MOTOR"))
    column = d.go(low, RIGHT, 5)
    high = d.diode(column, UP, reverse=True, side=LEFT)
    top = d.wire(high, (high[0], min(high[1], j["1"][1])))
    d.power(d.style.high, top)
    turn = j["1"][0] - 1
    d.wire(top, (turn, top[1]), (turn, j["1"][1]), j["1"])
    d.wire(column, (turn, column[1]), (turn, j["2"][1]), j["2"])


def transistor_switch(d: Draft) -> None:
    """A bipolar switch with its lamp or load as collector resistor."""
    q = d.part(d.style.npn, 0, 0)
    d.ground(q["E"])
    at = d.resistor(d.go(q["B"], LEFT, 1), LEFT, "1k", "4.7k", "10k")
    d.tag(d.signal(d.choose("EN#", "CTRL#", "SW_EN")), at, LEFT, shape="input")
    if d.chance(0.5):
        top = d.resistor(d.led(d.go(q["C"], UP, 1), UP), UP, "330", "470", "1k")
    else:
        top = d.resistor(q["C"], UP, "10k", "1k", "4.7k", side=LEFT)
        d.tag(d.signal(d.choose("OUT#", "INV#")), q["C"], RIGHT, shape="output")
    d.power(d.choose(d.style.main, d.style.logic), top)


def pnp_switch(d: Draft) -> None:
    """A PNP transistor between a supply and its load."""
    q = d.part(d.choose("Q_PNP_BCE", "Q_PNP_BCE", "BC557"), 0, 0, (1, 0, 0, -1))
    d.power(d.choose(d.style.main, d.style.logic, d.style.high), q["E"])
    at = d.resistor(d.go(q["B"], LEFT, 1), LEFT, "1k", "4.7k", "10k")
    d.tag(d.signal(d.choose("EN#", "CTRL#", "DRIVE")), at, LEFT, shape="input")
    if d.chance(0.5):
        d.ground(d.resistor(d.go(q["C"], DOWN, 1), DOWN, "10k", "1k"))
        d.tag(d.signal(d.choose("OUT#", "SW_OUT")), q["C"], RIGHT, shape="output")
    else:
        low = d.led(d.resistor(q["C"], DOWN, "330", "1k"), DOWN, reverse=True)
        d.ground(low)


def high_side_switch(d: Draft) -> None:
    """A P-channel transistor that switches a supply."""
    q = d.part(d.style.pmos, 0, 0, (1, 0, 0, -1))
    source = d.go(q["S"], UP, 3)
    d.power(d.choose(d.style.main, d.style.high), source)
    gate = d.stub(q, "G", 3)
    top = d.resistor(d.go(gate, UP, 1), UP, "100k", "10k", side=LEFT)
    d.wire(top, (top[0], source[1]), source)
    d.tag(d.signal(d.choose("PWR_EN", "LOAD_SW", "EN#")), gate, LEFT, shape="input")
    d.tag(d.signal(d.choose("VOUT", "V_SW")), d.go(q["D"], DOWN, 1), RIGHT, shape="output")


def relay(d: Draft) -> None:
    """A relay, its transistor and its flyback diode."""
    k = d.part("G5LE-1", 0, 0)
    high, low = d.go(k["2"], UP, 1), d.go(k["5"], DOWN, 1)
    d.power(d.choose(d.style.main, d.style.high), high)
    transistor = d.style.npn if d.chance(0.6) else d.style.nmos
    q = d.part(transistor, low[0] - 2, low[1] + 4)
    control, bottom = ("B", "E") if "B" in q.outline.pins else ("G", "S")
    d.ground(q[bottom])
    left = -10
    d.wire(high, (left, high[1]))
    d.across(d.style.diode, (left, high[1]), (left, low[1]), d.choose("1N4148", "1N4007", "M7"), side=LEFT)
    d.wire((left, low[1]), low)
    at = d.resistor(d.go(q[control], LEFT, 1), LEFT, "1k", "4.7k", "2.2k")
    d.tag(d.signal(d.choose("RELAY#", "K#_EN")), at, LEFT, shape="input")
    j = d.part("Screw_Terminal_01x03", 23, 0, value=d.choose("RELAY", "OUT", "CONTACT"))
    d.wire(d.go(k["4"], UP, 2), (17, k["4"][1] - 2), (17, j["1"][1]), j["1"])
    d.wire(d.go(k["3"], UP, 1), (15, k["3"][1] - 1), (15, j["2"][1]), j["2"])
    d.wire(d.go(k["1"], DOWN, 1), (17, k["1"][1] + 1), (17, j["3"][1]), j["3"])


def darlington_array(d: Draft) -> None:
    """A ULN2003 between logic and a connector."""
    u = d.part("ULN2003A", 0, 0)
    d.pin_ground(u, "GND")
    used = d.rng.choice((4, 5, 7))
    for i in range(1, 8):
        if i <= used:
            d.port(u, f"I{i}", d.signal("DRV#"), shape="input")
            d.port(u, f"O{i}", d.signal("COIL#"), shape="output")
        else:
            d.open(u, f"I{i}", f"O{i}")
    d.power(d.choose(d.style.high, d.style.main), d.go(d.stub(u, "COM", 12), UP, 1))


def motor_driver(d: Draft) -> None:
    """An H-bridge chip with one or two motors."""
    if d.chance(0.5):
        u = d.part("DRV8833PW", 0, 0)
        inputs = [(key, key) for key in ("AIN1", "AIN2", "BIN1", "BIN2")] + [("SLEEP", "nSLEEP")]
        d.open(u, "FAULT", "VCP", "VINT")
        d.power(d.style.high, u["VM"])
        d.ground(d.go(d.comb(u["AISEN"][0] + 2, u["AISEN"], u["BISEN"]), DOWN, 1))
        outs = ("AOUT1", "AOUT2", "BOUT1", "BOUT2")
    else:
        u = d.part("L293D", 0, 0)
        inputs = [
            ("EN12", "ENA"),
            ("1A", "IN1"),
            ("2A", "IN2"),
            ("EN34", "ENB"),
            ("3A", "IN3"),
            ("4A", "IN4"),
        ]
        logic, motor = d.go(u["VCC1"], UP, 1), d.go(u["VCC2"], UP, 1)
        d.power(d.style.main, d.go(logic, LEFT, 2))
        d.power(d.style.high, d.go(motor, RIGHT, 2))
        outs = ("1Y", "2Y", "3Y", "4Y")
    for key, net in inputs:
        d.port(u, key, d.signal(net), shape="input")
    d.pin_ground(u, "GND")
    nets = [d.signal("MOT#") for _ in outs]
    for key, net in zip(outs, nets, strict=True):
        d.port(u, key, net, shape="output")
    x = round(u.outline.reach[2]) + 22
    for i in range(d.rng.randint(1, 2)):
        y = 12 * i - 10
        end = d.chain("Motor_DC", (x, y), DOWN, d.choose("Motor_DC", "6V", "12V"))
        d.tag(nets[2 * i], (x, y), LEFT, shape="input")
        d.tag(nets[2 * i + 1], end, LEFT, shape="input")


def i2c_sensor(d: Draft) -> None:
    """A sensor or converter on the I2C bus."""
    name = d.choose("BME280", "BME280", "MPU-6050", "TMP102xxDRL", "ADS1115IDGS", "MCP4725xxx-xCH")
    u = d.part(name, 0, 0)
    rail = d.style.logic
    if name == "BME280":
        _i2c(d, u, "SDI", "SCK")
        d.port(u, "CSB", d.signal("CS#"), shape="input")
        d.pin_ground(u, "SDO", 2)
        _joined_supply(d, u, "VDDIO", "VDD", "GND")
    elif name == "MPU-6050":
        _i2c(d, u)
        d.port(u, "INT", d.signal("INT#"), shape="output")
        d.pin_ground(u, "AD0", 2)
        d.to_ground(d.stub(u, "REGOUT", 3), "100n")
        d.open(u, "CPOUT", "FSYNC")
        _joined_supply(d, u, "VLOGIC", "VDD", "GND")
    elif name == "TMP102xxDRL":
        _i2c(d, u)
        d.port(u, "ALERT", d.signal("ALERT"), shape="output")
        d.pin_ground(u, "ADD0", 2)
        d.supply_chip(u, "V+", "GND", rail)
    elif name == "ADS1115IDGS":
        _i2c(d, u)
        for i in range(4):
            d.port(u, f"AIN{i}", d.signal("AIN#"), shape="input")
        d.open(u, "ALERT")
        d.pin_ground(u, "ADDR", 2)
        d.supply_chip(u, "VDD", "GND", rail)
    else:
        _i2c(d, u)
        d.pin_ground(u, "A0", 2)
        d.port(u, "VOUT", d.signal("DAC_OUT"), shape="output")
        d.supply_chip(u, "VDD", "VSS", rail)


def one_wire(d: Draft) -> None:
    """A one-wire thermometer with its pull-up."""
    u = d.part("DS18B20", 0, 0)
    top = d.go(u["VDD"], UP, 1)
    at = d.stub(u, "DQ", 3)
    upper = d.resistor(d.go(at, UP, 1), UP, "4.7k")
    rail = d.style.logic
    d.power(rail, top)
    d.power(rail, upper)
    d.pin_ground(u, "GND")
    d.tag(d.signal(d.choose("ONEWIRE", "DQ", "TEMP")), d.go(at, RIGHT, 6), RIGHT)


def display(d: Draft) -> None:
    """A four-pin display module or a connector for any other I2C module."""
    if d.chance(0.5):
        j = d.part("OLED_SSD1306", 0, 0, MIRROR, fields="above", value=d.choose("OLED", "SSD1306", "0.96in"))
    else:
        name = d.style.connector(4)
        j = d.part(name, 0, 0, IDENTITY if d.style.header else MIRROR, value=d.choose("I2C", "Qwiic", name))
    d.power(d.style.logic, d.go(d.stub(j, "1", 2), UP, 1))
    d.ground(d.go(d.stub(j, "2", 11), DOWN, 1))
    d.port(j, "3", "SCL")
    d.port(j, "4", "SDA")


def sd_card(d: Draft) -> None:
    """A micro SD socket on the SPI bus."""
    j = d.part("Micro_SD_Card", 0, 0, fields="above")
    d.port(j, "DAT3/CD", d.signal("SD_CS"))
    d.port(j, "CMD", "MOSI")
    d.port(j, "CLK", "SCK")
    d.port(j, "DAT0", "MISO")
    d.open(j, "DAT2", "DAT1")
    d.pin_ground(j, "SHIELD", 1)
    d.power(d.style.logic, d.go(d.stub(j, "VDD", 13), UP, 1))
    d.ground(d.go(d.stub(j, "VSS", 11), DOWN, 1))


CIRCUITS = (
    Circuit(i2c_pullups, "I2C pull-ups", 1.6),
    Circuit(level_shift, "Level shifter", 1.0),
    Circuit(level_shift_chip, "Level shifter", 0.8),
    Circuit(opto_input, "Isolated input", 0.8),
    Circuit(load_switch, "Load switch", 1.2),
    Circuit(transistor_switch, "Transistor switch", 1.4, MIRRORED),
    Circuit(pnp_switch, "PNP switch", 0.9, MIRRORED),
    Circuit(high_side_switch, "Supply switch", 0.8),
    Circuit(relay, "Relay", 0.9),
    Circuit(darlington_array, "Driver", 0.7),
    Circuit(motor_driver, "Motor driver", 0.8),
    Circuit(i2c_sensor, "Sensor", 1.8),
    Circuit(one_wire, "Temperature", 0.7),
    Circuit(display, "Display", 1.2),
    Circuit(sd_card, "SD card", 0.7),
)

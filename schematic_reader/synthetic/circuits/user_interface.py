"""User interface: LEDs, buttons and buzzers; also test points, mounting holes and plain connectors."""

from __future__ import annotations

from schematic_reader.synthetic.circuits.draft import Draft
from schematic_reader.synthetic.circuits.orientation import DOWN, LEFT, MIRROR, RIGHT, UP
from schematic_reader.synthetic.circuits.recipe import MIRRORED, Circuit


def led_low(d: Draft) -> None:
    """A lamp from the supply that a pin pulls low."""
    d.power(d.choose(d.style.logic, d.style.main), (0, 0))
    at = d.resistor(d.go((0, 0), DOWN, 2), DOWN, "330", "1k", "470", "220")
    at = d.led(d.go(at, DOWN, 1), DOWN, reverse=True)
    d.tag(d.signal("LED#"), at, DOWN, kind="global" if d.style.label_kind == "local" else "", shape="input")


def led_high(d: Draft) -> None:
    """A lamp that a pin drives, lying."""
    d.tag(d.signal(d.choose("LED#", "STATUS", "LED_G", "LED_R", "ACT")), (0, 0), LEFT, shape="input")
    at = d.resistor((0, 0), RIGHT, "330", "1k", "470", "220")
    at = d.led(d.go(at, RIGHT, 2), RIGHT, reverse=True)
    d.ground(d.go(at, RIGHT, 3))


def led_bank(d: Draft) -> None:
    """Several lamps with a common rail."""
    count = d.rng.randint(2, 4)
    value = d.choose("330", "1k", "470")
    end = (0, 0)
    for i in range(count):
        y = 7 * i
        d.tag(d.signal("LED#"), (0, y), LEFT, shape="input")
        at = d.resistor((0, y), RIGHT, value)
        end = d.go(d.led(d.go(at, RIGHT, 2), RIGHT, reverse=True), RIGHT, 2)
    d.wire((end[0], 0), end)
    d.ground(d.go(end, DOWN, 1))


def button(d: Draft) -> None:
    """A push button with pull-up and, perhaps, a debouncing capacitor."""
    d.power(d.style.logic, (0, 0))
    node = d.go(d.resistor((0, 0), DOWN, "10k", "4.7k", "47k", side=LEFT), DOWN, 2)
    value = d.choose("SW_Push", "RESET", "BOOT", "USER", "BTN", "MODE")
    d.ground(d.go(d.chain("SW_Push", node, DOWN, value, side=LEFT), DOWN, 1))
    at = d.go(node, RIGHT, 6)
    if d.chance(0.6):
        d.to_ground(at, "100n", "10n")
        at = d.go(at, RIGHT, 6)
    d.tag(d.signal(d.choose("BTN#", "KEY#", "SW#", "BUTTON")), at, RIGHT, shape="output")


def button_plain(d: Draft) -> None:
    """A push button straight to ground."""
    d.tag(d.signal(d.choose("BTN#", "SW#", "BOOT", "USER")), (0, 0), LEFT, shape="output")
    at = d.chain("SW_Push", (0, 0), RIGHT, d.choose("SW_Push", "KEY", "BOOT", "USER"))
    d.ground(d.go(d.go(at, RIGHT, 1), DOWN, 1))


def reset(d: Draft) -> None:
    """Reset: resistor up, capacitor and button down."""
    d.power(d.style.logic, (0, 0))
    node = d.go(d.resistor((0, 0), DOWN, "10k", "100k"), DOWN, 1)
    d.to_ground(d.go(node, DOWN, 1), "100n", "1u")
    left = d.go(node, LEFT, 8)
    sw = d.go(left, DOWN, 1)
    d.ground(d.chain("SW_Push", sw, DOWN, d.choose("RESET", "SW_Push", "RST"), side=LEFT))
    d.tag((d.choose("RESET", "NRST", "RST")), d.go(node, RIGHT, 2), RIGHT, shape="output")


def key_matrix(d: Draft) -> None:
    """Keys and diodes of a keyboard, one column."""
    count = d.rng.randint(2, 3)
    column = d.signal("COL#")
    for i in range(count):
        y = 8 * i
        at = d.wire((0, y), (2, y))
        at = d.chain("SW_Push", at, RIGHT, d.choose("SW_Push", "MX", "K1", "KEY"))
        at = d.diode(d.go(at, RIGHT, 2), RIGHT, reverse=True)
        d.tag(d.signal("ROW#"), at, RIGHT)
    d.wire((0, 8 * (count - 1)), (0, 0))
    d.tag(column, (0, 0), LEFT)


def encoder(d: Draft) -> None:
    """A rotary encoder with pull-ups on both phases."""
    sw = d.part("RotaryEncoder_Switch", 0, 0, value=d.choose("EC11", "Encoder", "ENC"))
    d.port(sw, "S1", d.signal("ENC_SW"))
    d.pin_ground(sw, "S2", 2)
    a, b = d.stub(sw, "A", 5), d.stub(sw, "B", 12)
    common = d.stub(sw, "C", 1)
    d.ground(d.wire(common, (common[0], 5)))
    d.power(d.style.logic, d.resistor(d.go(a, UP, 1), UP, "10k"))
    d.power(d.style.logic, d.resistor(d.wire(b, (b[0], a[1] - 1)), UP, "10k"))
    d.tag(d.signal("ENC_B"), b, LEFT)
    d.tag(d.signal("ENC_A"), d.wire(a, (b[0] - 2, a[1])), LEFT)


def buzzer(d: Draft) -> None:
    """A buzzer switched by a transistor."""
    q = d.part(d.style.npn, 0, 0)
    d.ground(q["E"])
    at = d.resistor(d.go(q["B"], LEFT, 1), LEFT, "1k", "4.7k", "2.2k")
    d.tag(d.signal(d.choose("BUZZER", "BEEP")), at, LEFT, shape="input")
    bz = d.part("Buzzer", q["C"][0] + 4, q["C"][1] - 2, value=d.choose("Buzzer", "Piezo", "5V"))
    d.wire(bz["2"], (q["C"][0], bz["2"][1]), q["C"])
    d.power(d.choose(d.style.main, d.style.logic), d.go(bz["1"], UP, 2))


def test_points(d: Draft) -> None:
    """A row of test points on named nets."""
    name = d.choose("TestPoint", "TestPoint", "TestPoint_Small")
    nets = d.rng.sample(
        ("TX", "RX", "SDA", "SCL", "SWDIO", "SWCLK", "CLK", "D+", "D-", "INT"), d.rng.randint(2, 5)
    )
    for i, net in enumerate(nets):
        tp = d.part(name, 0, 5 * i, (0, 1, -1, 0), side=LEFT, value=d.choose(net, "TestPoint"))
        d.tag(net, tp["1"], RIGHT, kind="local" if d.style.label_kind == "hierarchical" else "")


def supply_test_points(d: Draft) -> None:
    """Test points on the supplies."""
    x = 0
    for rail in (d.style.main, d.style.logic):
        d.part("TestPoint", x, 0, side=RIGHT, value=rail)
        d.power(rail, d.wire((x, 0), (x, 1), (x - 4, 1), (x - 4, 0)))
        x += 13
    d.part("TestPoint", x, 0, side=RIGHT, value=d.style.ground)
    d.ground(d.go((x, 0), DOWN, 1))


def holes(d: Draft) -> None:
    """Mounting holes, with or without a pad."""
    name = d.choose("MountingHole", "MountingHole", "MountingHole_Pad")
    count = d.choose("2", "4", "4")
    for i in range(int(count)):
        x, y = (i % 2) * (len(name) + 8), (i // 2) * 10
        h = d.part(name, x, y, value=d.choose("M3", "M2.5") if d.chance(0.2) else name)
        if name == "MountingHole_Pad":
            d.ground(h["1"])


def fiducials(d: Draft) -> None:
    for i in range(d.rng.randint(2, 3)):
        d.part("Fiducial", 14 * i, 0)


def solder_jumper(d: Draft) -> None:
    """A solder jumper that ties a configuration pin to a rail."""
    name = d.choose("SolderJumper_2_Open", "SolderJumper_2_Open", "SolderJumper_2_Bridged", "Jumper_2_Open")
    d.tag(d.signal(d.choose("CFG#", "ADDR#", "SEL", "WP")), (0, 0), LEFT, shape="output")
    value = d.choose(name, "ADDR", "WP", "EN") if d.chance(0.4) else name
    at = d.go(d.chain(name, (0, 0), RIGHT, value), RIGHT, 9 if value == name else 2)
    if d.chance(0.6):
        d.ground(d.go(at, DOWN, 1))
    else:
        d.power(d.style.logic, d.go(at, UP, 1))


def selector(d: Draft) -> None:
    """A change-over switch between two nets."""
    sw = d.part("SW_SPDT", 0, 0, value=d.choose("SW_SPDT", "MODE", "SELECT"))
    d.port(sw, "B", d.signal(d.choose("MODE", "SEL")))
    d.power(d.style.logic, d.go(d.stub(sw, "A", 2), UP, 1))
    d.pin_ground(sw, "C", 2)


_NETS = (
    ("GPIO#", "GPIO#", "GPIO#", "GPIO#", "GPIO#", "GPIO#"),
    ("TX", "RX", "CTS", "RTS", "DTR", "DSR"),
    ("SDA", "SCL", "INT#", "RST#", "ADDR", "EN"),
    ("MOSI", "MISO", "SCK", "CS#", "INT#", "RST#"),
    ("A#", "A#", "A#", "A#", "A#", "A#"),
    ("STEP#", "DIR#", "EN#", "FAULT", "MS1", "MS2"),
)
_SHARED = {"TX", "RX", "SDA", "SCL", "MOSI", "MISO", "SCK"}


def pin_header(d: Draft) -> None:
    """A header with supply, ground and signals."""
    count = d.rng.choice((3, 4, 4, 5, 6, 8, 7 if d.style.header == "Pin" else 4))
    name = d.style.connector(count)
    j = d.part(
        name,
        0,
        0,
        MIRROR if d.style.header == "" else (1, 0, 0, 1),
        value=d.choose(name, "IO", "HEADER", "EXT"),
    )
    nets = d.choose_nets(_NETS, _SHARED, count - 2)
    corner = d.stub(j, "1", 2)
    d.power(d.choose(d.style.logic, d.style.main), d.go(corner, UP, 1))
    for i, net in enumerate(nets):
        d.port(j, str(i + 2), net)
    d.pin_ground(j, str(count), 2)


def single_pins(d: Draft) -> None:
    """Solder pads that are connectors of one pin."""
    for i in range(d.rng.randint(1, 3)):
        j = d.part("Conn_01x01_Pin", 0, 6 * i, value=d.choose("Conn_01x01_Pin", "PAD", "WIRE"))
        d.port(j, "1", d.signal(d.choose("PAD#", "OUT#", "IN#")))


def two_pin_connector(d: Draft) -> None:
    """A two-pin connector for a supply or a load."""
    style = d.choose("Pin", "Socket", "", "", "Screw")
    name = "Screw_Terminal_01x02" if style == "Screw" else f"Conn_01x02{'_' + style if style else ''}"
    turn = (1, 0, 0, 1) if style in ("Pin", "Socket") else MIRROR
    j = d.part(name, 0, 0, turn, value=d.choose(name, "PWR", "FAN", "OUT", "BAT"))
    corner = d.stub(j, "1", 2)
    if d.chance(0.6):
        d.power(d.choose(d.style.main, d.style.high, d.style.logic), d.go(corner, UP, 1))
    else:
        d.tag(d.signal(d.choose("OUT#", "MOTOR", "FAN")), corner, RIGHT)
    d.pin_ground(j, "2", 2)


def terminal_row(d: Draft) -> None:
    """A screw terminal for sensors or a bus."""
    count = d.rng.choice((3, 4))
    name = f"Screw_Terminal_01x{count:02d}"
    j = d.part(name, 0, 0, MIRROR, value=d.choose(name, "BUS", "SENSOR", "FIELD"))
    corner = d.stub(j, "1", 2)
    d.power(d.choose(d.style.main, d.style.high), d.go(corner, UP, 1))
    for i, net in enumerate(
        d.choose_nets((("A", "B"), ("CANH", "CANL"), ("SIG#", "SIG#")), {"A", "B"}, count - 2)
    ):
        d.port(j, str(i + 2), net)
    d.pin_ground(j, str(count), 2)


def double_header(d: Draft) -> None:
    """A two-row header: in-circuit programming, a debug port or an extension."""
    rows = d.rng.choice((3, 3, 5, 2, 4))
    j = d.part(f"Conn_02x{rows:02d}_Odd_Even", 0, 0)
    nets = {
        3: ("MISO", "", "SCK", "MOSI", "RESET", ""),
        5: ("", "SWDIO", "", "SWCLK", "", "SWO", "NC", "NC", "", "NRST"),
        2: ("IO#", "IO#", "IO#", "IO#"),
        4: ("IO#", "IO#", "IO#", "IO#", "IO#", "IO#", "IO#", "IO#"),
    }[rows]
    for i, net in enumerate(nets):
        key = str(i + 1)
        if net == "NC":
            d.open(j, key)
        elif net:
            d.port(j, key, d.signal(net) if "#" in net else net)
    if rows == 3:
        d.power(d.choose(d.style.logic, d.style.main), d.go(d.stub(j, "2", 9), UP, 1))
        d.pin_ground(j, "6", 2)
    elif rows == 5:
        d.power(d.style.logic, d.go(d.stub(j, "1", 9), UP, 1))
        d.ground(d.go(d.comb(j["9"][0] - 2, j["3"], j["5"], j["9"]), DOWN, 1))


CIRCUITS = (
    Circuit(led_low, "LED", 2.0),
    Circuit(led_high, "Status LED", 3.4, MIRRORED),
    Circuit(led_bank, "LEDs", 1.6, MIRRORED),
    Circuit(button, "Button", 2.0, MIRRORED),
    Circuit(button_plain, "Button", 1.4, MIRRORED),
    Circuit(reset, "Reset", 1.6, MIRRORED),
    Circuit(key_matrix, "Key matrix", 0.9, MIRRORED),
    Circuit(encoder, "Rotary encoder", 0.7),
    Circuit(buzzer, "Buzzer", 1.0),
    Circuit(test_points, "Test points", 2.4, MIRRORED),
    Circuit(supply_test_points, "Test points", 1.0),
    Circuit(holes, "Mounting holes", 2.4),
    Circuit(fiducials, "Fiducials", 0.5),
    Circuit(solder_jumper, "Jumper", 1.8, MIRRORED),
    Circuit(selector, "Mode switch", 0.8, MIRRORED),
    Circuit(pin_header, "Header", 3.2, MIRRORED),
    Circuit(single_pins, "Pads", 0.6, MIRRORED),
    Circuit(two_pin_connector, "Connector", 2.6, MIRRORED),
    Circuit(terminal_row, "Terminal", 1.0, MIRRORED),
    Circuit(double_header, "Header", 1.4),
)

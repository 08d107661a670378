"""Amplifiers, filters, timers and sensors with an analog output."""

from __future__ import annotations

from schematic_reader.synthetic.circuits.draft import Draft, DraftPart
from schematic_reader.synthetic.circuits.orientation import DOWN, IDENTITY, LEFT, RIGHT, UP, Matrix, Spot
from schematic_reader.synthetic.circuits.recipe import MIRRORED, Circuit

_FLIPPED: Matrix = (1, 0, 0, -1)  # the inverting input above
_SINGLE = ("LMV321", "OPA340NA", "MCP6001R")
_DUAL = ("LM358", "LM358", "TL072", "TL072", "MCP6002-xSN", "NE5532")
_QUAD = ("TL074", "TL074", "LM324")
_BIPOLAR = ("TL072", "TL074", "NE5532")


def _rails(d: Draft, name: str) -> tuple[str, str]:
    """Positive and negative supply of an amplifier: two-sided for the audio types."""
    if name in _BIPOLAR and d.chance(0.7):
        return (d.style.high, d.style.negative)
    return (d.choose(d.style.logic, d.style.main), d.style.ground)


def _pins(u: DraftPart) -> tuple[str, str, str]:
    """Numbers of the inputs and the output: plus, minus, out."""
    return {
        "LMV321": ("1", "3", "4"),
        "OPA340NA": ("3", "4", "1"),
        "MCP6001R": ("3", "4", "1"),
    }.get(u.name, ("3", "2", "1"))


def _amplifier(d: Draft, flipped: bool) -> tuple[DraftPart, Spot, Spot, Spot]:
    """Place an amplifier at the origin; returns it and its plus, minus and output ends."""
    if flipped:
        name = d.choose(*_DUAL, *_QUAD)
    else:
        name = d.choose(*_DUAL, *_QUAD, *_SINGLE)
    u = d.part(name, 0, 0, _FLIPPED if flipped else IDENTITY)
    plus, minus, out = _pins(u)
    if name in _SINGLE:
        high, low = {"LMV321": ("5", "2"), "OPA340NA": ("5", "2"), "MCP6001R": ("2", "5")}[name]
        d.pin_power(u, high, d.choose(d.style.logic, d.style.main))
        d.pin_ground(u, low)
    return u, u[plus], u[minus], u[out]


def _supply_unit(d: Draft, u: DraftPart, at: Spot) -> None:
    """The supply pins of a two- or four-fold amplifier, with or without its capacitor."""
    name = u.name
    if name in _SINGLE:
        return
    quad = name in _QUAD
    high, low = _rails(d, name)
    supply = d.part(name, *at, unit_of=(u, 5 if quad else 3))
    top, bottom = supply["V+"], supply["V-"]
    d.power(high, top)
    d.power(low, bottom)


def inverting(d: Draft) -> None:
    u, _, minus, out = _amplifier(d, True)
    d.pin_ground(u, _pins(u)[0], 2)
    node = d.go(minus, LEFT, 2)
    right = d.go(out, RIGHT, 2)
    top = -8
    d.wire(node, (node[0], top))
    d.across(d.style.resistor, (node[0], top), (right[0], top), d.ohms("10k", "47k", "100k", "22k"))
    d.wire((right[0], top), right)
    if d.chance(0.3):
        d.wire((node[0], top), (node[0], top - 6))
        d.across(
            d.style.capacitor, (node[0], top - 6), (right[0], top - 6), d.farads("100p", "22p", "1n", "10n")
        )
        d.wire((right[0], top - 6), (right[0], top))
    source = d.resistor(d.go(node, LEFT, 1), LEFT, "10k", "1k", "4.7k")
    d.tag(d.signal(d.choose("AIN#", "IN", "SIG_IN", "AUDIO_IN")), source, LEFT, shape="input")
    d.tag(d.signal(d.choose("AOUT#", "OUT", "SIG_OUT", "AUDIO_OUT")), right, RIGHT, shape="output")
    if d.chance(0.4):
        _supply_unit(d, u, (-17, 10))


def non_inverting(d: Draft) -> None:
    u, plus, minus, out = _amplifier(d, False)
    d.tag(d.signal(d.choose("AIN#", "SENSOR", "SIG_IN", "V_SENSE")), plus, LEFT, shape="input")
    node = d.go(minus, LEFT, 2)
    right = d.go(out, RIGHT, 2)
    low = 14 if u.name in _SINGLE else 8
    d.wire(node, (node[0], low))
    d.across(d.style.resistor, (right[0], low), (node[0], low), d.ohms("10k", "47k", "100k", "22k"))
    d.wire((right[0], low), right)
    d.ground(d.resistor(d.go((node[0], low), DOWN, 1), DOWN, "1k", "10k", "2.2k", side=LEFT))
    d.tag(d.signal(d.choose("AOUT#", "AMP_OUT", "ADC#")), right, RIGHT, shape="output")
    if d.chance(0.4):
        _supply_unit(d, u, (6, 18))


def follower(d: Draft) -> None:
    u, plus, minus, out = _amplifier(d, False)
    node = d.go(minus, LEFT, 2)
    right = d.go(out, RIGHT, 2)
    low = 11 if u.name in _SINGLE else 6
    d.wire(node, (node[0], low), (right[0], low), right)
    if d.chance(0.5):
        at = d.go(plus, LEFT, 4)
        top = d.resistor((at[0], at[1] - 1), UP, "100k", "10k", "47k", side=LEFT)
        d.wire(at, (at[0], at[1] - 1))
        d.power(d.choose(d.style.logic, d.style.main), top)
        bottom = d.resistor(d.go(at, DOWN, 2), DOWN, "100k", "10k", "47k", side=LEFT)
        d.ground(bottom)
        d.tag(d.signal("VREF"), right, RIGHT, shape="output")
    else:
        d.tag(d.signal(d.choose("BUF_IN", "DAC_OUT", "POT")), plus, LEFT, shape="input")
        d.tag(d.signal(d.choose("BUF_OUT", "AOUT#", "CV_OUT")), right, RIGHT, shape="output")
    if d.chance(0.4):
        _supply_unit(d, u, (18, 12))


def comparator(d: Draft) -> None:
    """A threshold from a divider and a pull-up at the open collector."""
    u = d.part("LM393", 0, 0, _FLIPPED)
    d.tag(d.signal(d.choose("SENSE", "LDR", "TEMP_IN", "LEVEL")), u["3"], LEFT, shape="input")
    at = d.go(u["2"], LEFT, 3)
    at = d.wire(at, (at[0], at[1] - 2))
    d.power(d.style.main, d.resistor(at, UP, "10k", "47k"))
    left = d.go(at, LEFT, 13)
    d.ground(d.resistor(left, DOWN, "10k", "22k", "4.7k", side=LEFT))
    out = d.go(u["1"], RIGHT, 2)
    d.power(d.choose(d.style.main, d.style.logic), d.resistor(d.go(out, UP, 1), UP, "10k", "4.7k"))
    d.tag(d.signal(d.choose("ALARM", "CMP_OUT", "TRIP")), out, RIGHT, shape="output")


def low_pass(d: Draft) -> None:
    """One resistor, one capacitor."""
    d.tag(d.signal(d.choose("PWM#", "IN", "ADC_RAW")), (0, 0), LEFT, shape="input")
    at = d.go(d.resistor((0, 0), RIGHT, "1k", "10k", "4.7k", "100"), RIGHT, 2)
    d.to_ground(at, "100n", "10n", "1u")
    d.tag(d.signal(d.choose("FILT#", "OUT", "ADC#")), d.go(at, RIGHT, 6), RIGHT, shape="output")


def high_pass(d: Draft) -> None:
    """A coupling capacitor and the resistor behind it."""
    d.tag(d.signal(d.choose("AUDIO_L", "LINE_IN", "MIC")), (0, 0), LEFT, shape="input")
    at = d.go(d.capacitor((0, 0), RIGHT, "1u", "100n", "470n"), RIGHT, 2)
    d.ground(d.resistor(at, DOWN, "100k", "10k", "47k"))
    d.tag(d.signal(d.choose("AC_OUT", "COUPLED", "AIN#")), d.go(at, RIGHT, 7), RIGHT, shape="output")


def ladder_filter(d: Draft) -> None:
    """An LC low-pass, as behind a class D stage or before an antenna."""
    d.tag(d.signal(d.choose("RF_IN", "SW_OUT", "PA_OUT")), (0, 0), LEFT, shape="input")
    d.to_ground((0, 0), "10p", "1n", "100n")
    at = d.go((0, 0), RIGHT, 7)
    at = d.go(d.chain(d.style.inductor, at, RIGHT, d.choose("22uH", "10uH", "3.3nH", "100nH")), RIGHT, 2)
    d.to_ground(at, "10p", "1n", "100n")
    d.tag(d.signal(d.choose("RF_OUT", "SPK", "ANT")), d.go(at, RIGHT, 6), RIGHT, shape="output")


def potentiometer(d: Draft) -> None:
    name = d.choose("R_Potentiometer", "R_Potentiometer", "R_Potentiometer_Trim")
    rv = d.part(name, 0, 0, value=d.choose("10k", "100k", "B10K", "50k"))
    d.power(d.choose(d.style.logic, d.style.main), rv["1"])
    d.ground(rv["3"])
    at = d.go(rv["2"], RIGHT, 1)
    if d.chance(0.4):
        at = d.go(at, RIGHT, 2)
        d.to_ground(at, "100n", "10n")
        at = d.go(at, RIGHT, 6)
    d.tag(d.signal(d.choose("POT#", "VOL", "SPEED", "CV#")), at, RIGHT, shape="output")


def resistive_sensor(d: Draft) -> None:
    """A thermistor or a light-dependent resistor under its fixed resistor."""
    light = d.chance(0.4)
    d.power(d.choose(d.style.logic, d.style.main), (0, 0))
    node = d.go(d.resistor(d.go((0, 0), DOWN, 1), DOWN, "10k", "4.7k", "100k"), DOWN, 1)
    low = d.go(node, DOWN, 1)
    if light:
        end = d.chain("R_Photo", low, DOWN, d.choose("GL5528", "LDR", "GL5516"))
    else:
        end = d.chain("Thermistor_NTC", low, DOWN, d.choose("10k", "NTC 10k", "100k"))
    d.ground(end)
    d.tag(
        d.signal("LIGHT#" if light else d.choose("TEMP#", "NTC#")),
        d.go(node, RIGHT, 1),
        RIGHT,
        shape="output",
    )


def photodiode(d: Draft) -> None:
    """A photodiode in reverse over its load resistor."""
    d.power(d.choose(d.style.logic, d.style.main), (0, 0))
    value = d.choose("D_Photo", "BPW34", "SFH206K")
    node = d.go(d.chain("D_Photo", d.go((0, 0), DOWN, 1), DOWN, value), DOWN, 1)
    d.ground(d.resistor(d.go(node, DOWN, 1), DOWN, "100k", "10k", "1M"))
    d.tag(d.signal(d.choose("PHOTO#", "LIGHT#")), d.go(node, RIGHT, 1), RIGHT, shape="output")


def astable(d: Draft) -> None:
    """A 555 that oscillates."""
    u = d.part(d.choose("NE555P", "NE555P", "ICM7555xB"), 0, 0)
    top = d.go(u["VCC"], UP, 3)
    reset = d.stub(u, "R", 2)
    d.wire(top, (reset[0], top[1]))
    d.wire(reset, (reset[0], top[1]))
    corner = d.wire((reset[0], top[1]), (-17, top[1]))
    d.power(d.choose(d.style.main, d.style.high), corner)
    node = d.resistor(corner, DOWN, "10k", "1k", "4.7k", side=LEFT)
    discharge = d.stub(u, "DIS", 1)
    node = d.wire(node, (node[0], discharge[1]))
    d.wire(discharge, node)
    low = d.resistor(node, DOWN, "100k", "47k", "10k", side=LEFT)
    low = d.wire(low, (low[0], max(low[1], 5)))
    trigger = d.stub(u, "TR", 3)
    d.wire(d.stub(u, "THR", 3), trigger, (trigger[0], low[1]), low)
    d.ground(d.capacitor(low, DOWN, "10u", "100n", "1u", side=LEFT))
    d.pin_ground(u, "GND")
    d.to_ground(d.stub(u, "CV", 5), "10n", "100n")
    d.tag(d.signal(d.choose("PULSE", "CLK", "OSC")), u["Q"], RIGHT, shape="output")


def microphone(d: Draft) -> None:
    """An electret microphone with its bias and coupling."""
    d.power(d.choose(d.style.logic, d.style.main), (0, 0))
    node = d.go(d.resistor((0, 0), DOWN, "2.2k", "10k", "4.7k", side=LEFT), DOWN, 2)
    d.ground(d.chain("Microphone", node, DOWN, d.choose("Electret", "CMA-4544", "MIC"), side=LEFT))
    at = d.capacitor(d.go(node, RIGHT, 3), RIGHT, "100n", "1u", "10u")
    d.tag(d.signal(d.choose("MIC_IN", "MIC")), d.go(at, RIGHT, 1), RIGHT, shape="output")


def speaker_amplifier(d: Draft) -> None:
    """An LM386 with its output capacitor and a loudspeaker."""
    u = d.part("LM386", 0, 0)
    d.power(d.choose(d.style.main, d.style.high), u["VS"])
    d.pin_ground(u, "GND")
    d.tag(d.signal(d.choose("AUDIO", "DAC", "VOL")), u["3"], LEFT, shape="input")
    d.pin_ground(u, "2", 2)
    d.open(u, "1", "8", "7")
    end = d.electrolytic(d.stub(u, "OUT", 4), RIGHT, "220u", "100u", "470u")
    ls = d.part("Speaker", end[0] + 6, end[1], value=d.choose("8R", "Speaker", "4R 3W"))
    d.wire(end, ls["1"])
    d.pin_ground(ls, "2", 1)


def class_d(d: Draft) -> None:
    """A bridged audio amplifier straight to the loudspeaker."""
    u = d.part("PAM8302AAD", 0, 0)
    d.pin_power(u, "VDD", d.style.main)
    d.pin_ground(u, "GND")
    d.tag(d.signal("AUDIO_N"), u["IN-"], LEFT, shape="input")
    d.tag(d.signal("AUDIO_P"), u["IN+"], LEFT, shape="input")
    d.tag(d.signal("AMP_EN"), u["SD"], LEFT, shape="input")
    ls = d.part("Speaker", u["VO+"][0] + 8, u["VO+"][1], value=d.choose("8R", "Speaker"))
    d.wire(u["VO+"], ls["1"])
    d.wire(u["VO-"], ls["2"])


def audio_jack(d: Draft) -> None:
    j = d.part("AudioJack3", 0, 0, value=d.choose("AudioJack3", "LINE", "PHONES", "AUX"))
    d.port(j, "T", d.signal(d.choose("AUDIO_L", "LINE_L")))
    d.port(j, "R", d.signal(d.choose("AUDIO_R", "LINE_R")))
    corner = d.stub(j, "S", 12)
    d.ground(d.go(corner, DOWN, 5))


def coaxial(d: Draft) -> None:
    """A coaxial socket with its termination."""
    j = d.part("Conn_Coaxial", 0, 0, (-1, 0, 0, 1), value=d.choose("SMA", "BNC", "U.FL"), side=LEFT)
    d.ground(j["2"])
    at = d.go(j["1"], RIGHT, 2)
    d.ground(d.resistor(at, DOWN, "50", "49.9", "75"))
    d.tag(d.signal(d.choose("RF_IN", "SCOPE", "CLK_IN")), d.go(at, RIGHT, 6), RIGHT)


def antenna(d: Draft) -> None:
    """An antenna behind its matching network."""
    ae = d.part("Antenna", 0, 0, value=d.choose("Antenna", "2.4GHz", "868MHz"))
    at = d.go(ae["1"], DOWN, 2)
    d.to_ground(at, "1p", "1.5p", "2.2p")
    at = d.go(at, LEFT, 3)
    end = d.chain(d.style.inductor, at, LEFT, d.choose("3.3nH", "2.2nH", "3.9nH"))
    d.tag(d.signal(d.choose("RF", "ANT")), d.go(end, LEFT, 1), LEFT)


def current_sense(d: Draft) -> None:
    """A shunt and its digital amplifier."""
    u = d.part("INA219AxDCN", 0, 0)
    d.pin_power(u, "VS", d.style.logic)
    d.pin_ground(u, "GND")
    d.port(u, "SDA", "SDA")
    d.port(u, "SCL", "SCL")
    plus, minus = d.stub(u, "IN+", 5), d.stub(u, "IN-", 5)
    low = d.wire(u["A1"], (u["A1"][0] - 2, u["A1"][1]))
    d.wire(u["A0"], (low[0], u["A0"][1]), low)
    d.ground(d.go(low, DOWN, 1))
    d.wire(plus, (plus[0], plus[1] - 3), (plus[0] - 2, plus[1] - 3))
    d.wire(minus, (minus[0], minus[1] + 3), (minus[0] - 2, minus[1] + 3))
    x, y = plus[0] - 2, plus[1] - 3
    d.across(d.style.resistor, (x, y), (x, minus[1] + 3), d.choose("0.1", "10m", "R100"), side=LEFT)
    d.power(d.style.high, (x, y))
    d.tag(d.signal("LOAD"), (x, minus[1] + 3), LEFT)


def linear_sensor(d: Draft) -> None:
    u = d.part("LM35-LP", 0, 0)
    d.power(d.style.main, u["VS"])
    d.pin_ground(u, "GND")
    at = d.stub(u, "VOUT", 3)
    d.to_ground(at, "100n", "1u")
    d.tag(d.signal("TEMP#"), d.go(at, RIGHT, 6), RIGHT, shape="output")


def common_emitter(d: Draft) -> None:
    """A one-transistor amplifier with its bias divider."""
    q = d.part(d.style.npn, 0, 0)
    base = d.stub(q, "B", 3)
    collector = d.go(q["C"], UP, 1)
    top = d.resistor(collector, UP, "4.7k", "10k", "2.2k", side=LEFT)
    d.ground(d.resistor(q["E"], DOWN, "1k", "470", "220"))
    upper = d.resistor(d.go(base, UP, collector[1] * -1), UP, "100k", "47k", side=LEFT)
    d.power(d.choose(d.style.main, d.style.high), upper)
    d.wire(top, upper)
    d.ground(d.resistor(d.go(base, DOWN, 4), DOWN, "10k", "22k", side=LEFT))
    at = d.capacitor(d.go(base, LEFT, 2), LEFT, "1u", "10u", "100n")
    d.tag(d.signal(d.choose("IN", "MIC")), at, LEFT, shape="input")
    out = d.capacitor(d.go(collector, RIGHT, 2), RIGHT, "1u", "10u", "100n")
    d.tag(d.signal(d.choose("OUT", "PREAMP")), out, RIGHT, shape="output")


CIRCUITS = (
    Circuit(inverting, "Inverting amplifier", 1.6, MIRRORED),
    Circuit(non_inverting, "Amplifier", 1.6, MIRRORED),
    Circuit(follower, "Buffer", 1.4, MIRRORED),
    Circuit(comparator, "Comparator", 0.9),
    Circuit(low_pass, "RC filter", 2.2, MIRRORED),
    Circuit(high_pass, "AC coupling", 1.2, MIRRORED),
    Circuit(ladder_filter, "LC filter", 0.8),
    Circuit(potentiometer, "Potentiometer", 1.3, MIRRORED),
    Circuit(resistive_sensor, "Sensor divider", 1.4, MIRRORED),
    Circuit(photodiode, "Light sensor", 0.6, MIRRORED),
    Circuit(astable, "Oscillator", 1.2),
    Circuit(microphone, "Microphone", 0.7),
    Circuit(speaker_amplifier, "Audio amplifier", 0.7),
    Circuit(class_d, "Speaker", 0.6),
    Circuit(audio_jack, "Audio jack", 0.7, MIRRORED),
    Circuit(coaxial, "RF input", 0.6, MIRRORED),
    Circuit(antenna, "Antenna", 0.6, MIRRORED),
    Circuit(current_sense, "Current sense", 0.7),
    Circuit(linear_sensor, "Temperature", 0.5),
    Circuit(common_emitter, "Preamplifier", 0.8),
)

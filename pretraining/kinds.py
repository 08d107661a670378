"""What a drawn symbol is called in plain English: by its shape, not by its name in a library.

Two symbols that look alike share a kind, whatever part number stands beside them; what is printed beside them
is text, and read as such.
"""

from __future__ import annotations

import re

from schematic_reader.kicad.drawing.palette import Ink
from schematic_reader.kicad.model import LibSymbol

# Names of nets, by the shape that is drawn around them.
LABEL_KINDS = {
    Ink.LABEL: "net name",
    Ink.GLOBAL_LABEL: "boxed net name",
    Ink.HIERARCHICAL_LABEL: "net port",
    Ink.SHEET_LABEL: "sheet port",
}

# Name in KiCad's libraries -> what is drawn.
_BY_NAME = {
    "R": "resistor",
    "R_Small": "small resistor",
    "R_US": "zigzag resistor",
    "R_Small_US": "small zigzag resistor",
    "R_Potentiometer": "potentiometer",
    "R_Potentiometer_Trim": "trimmer",
    "Thermistor_NTC": "thermistor",
    "R_Photo": "photo resistor",
    "C": "capacitor",
    "C_Small": "small capacitor",
    "C_Polarized": "polarized capacitor",
    "C_Polarized_Small": "small polarized capacitor",
    "C_Polarized_US": "curved capacitor",
    "L": "inductor",
    "L_Small": "small inductor",
    "L_Ferrite": "inductor with core",
    "Ferrite_Bead": "ferrite bead",
    "FerriteBead_Small": "small ferrite bead",
    "Ferrite_Bead_Small": "small ferrite bead",
    "Crystal": "crystal",
    "Crystal_Small": "small crystal",
    "Crystal_GND24": "crystal in a can",
    "Fuse": "fuse",
    "Fuse_Small": "small fuse",
    "Polyfuse": "resettable fuse",
    "Polyfuse_Small": "small resettable fuse",
    "Battery_Cell": "battery cell",
    "Battery": "battery of cells",
    "Varistor": "varistor",
    "D": "diode",
    "D_Small": "small diode",
    "1N4148": "diode",
    "1N4007": "diode",
    "D_Schottky": "barrier diode",
    "D_Schottky_Small": "small barrier diode",
    "1N5819": "barrier diode",
    "SS34": "barrier diode",
    "D_Zener": "reference diode",
    "D_Zener_Small": "small reference diode",
    "BZX84Cxx": "reference diode",
    "LED": "lamp diode",
    "LED_Small": "small lamp diode",
    "D_Photo": "photo diode",
    "D_TVS": "surge diode",
    "D_Bridge_+-AA": "bridge rectifier",
    "PC817": "optocoupler",
    "LTV-817": "optocoupler",
    "Barrel_Jack": "round power jack",
    "Barrel_Jack_Switch": "round power jack with switch",
    "AudioJack3": "audio plug",
    "Conn_Coaxial": "coaxial plug",
    "SW_Push": "push button",
    "SW_SPST": "toggle",
    "SW_SPDT": "changeover toggle",
    "RotaryEncoder_Switch": "rotary encoder",
    "G5LE-1": "relay",
    "SolderJumper_2_Open": "open solder bridge",
    "SolderJumper_2_Bridged": "closed solder bridge",
    "Jumper_2_Open": "open link",
    "Speaker": "loudspeaker",
    "Buzzer": "beeper",
    "Motor_DC": "motor",
    "Microphone": "mic capsule",
    "Antenna": "aerial",
    "MountingHole": "hole",
    "MountingHole_Pad": "hole with pad",
    "Fiducial": "camera mark",
    "TestPoint": "probe point",
    "TestPoint_Small": "small probe point",
    "PWR_FLAG": "flag",
    "GND": "signal ground",
    "GNDA": "analog ground",
    "GNDD": "digital ground",
    "GNDPWR": "chassis ground",
    "Earth": "earth",
    "VCC": "supply bar",
    "VDD": "supply bar",
}
# Reference prefix -> family, for every other symbol.
_BY_PREFIX = {
    "R": "other resistor",
    "RV": "other potentiometer",
    "RN": "resistor network",
    "TH": "thermistor",
    "C": "other capacitor",
    "L": "other inductor",
    "FB": "ferrite bead",
    "D": "other diode",
    "Q": "other transistor",
    "K": "relay",
    "Y": "other crystal",
    "X": "oscillator box",
    "F": "fuse",
    "BT": "battery cell",
    "J": "plug box",
    "P": "plug box",
    "SW": "other toggle",
    "JP": "open link",
    "LS": "loudspeaker",
    "BZ": "beeper",
    "M": "other motor",
    "MK": "mic capsule",
    "AE": "aerial",
    "H": "hole",
    "TP": "probe point",
    "T": "transformer",
    "#PWR": "supply arrow",
    "#FLG": "flag",
}
_PATTERNS = (
    (re.compile(r"Q_NPN|2N3904|BC847"), "outward transistor"),
    (re.compile(r"Q_PNP|BC557"), "inward transistor"),
    (re.compile(r"Q_NMOS|BSS138$|2N7002$|AO3400A|IRLZ44N"), "inward mosfet"),
    (re.compile(r"Q_PMOS|AO3401A"), "outward mosfet"),
)
_CONNECTOR = re.compile(r"(Conn|Screw_Terminal)_0(\d)x(\d\d)(?:_(Pin|Male|Socket|Female))?")
_MOST_COUNTED = 12
_BOX = "chip"
_TRIANGLE = "amplifier"
_COUNTED = {"Pin": "header", "Male": "header", "Socket": "socket", "Female": "socket", None: "strip"}


def kind_of(symbol: LibSymbol, prefix: str) -> str:
    """The kind of a symbol in words; ``prefix`` is its reference designator without the number."""
    name = symbol.name
    if name in _BY_NAME:
        return _BY_NAME[name]
    if match := _CONNECTOR.match(name):
        what = "screw terminal" if match[1] == "Screw_Terminal" else _COUNTED[match[4]]
        count = int(match[3])
        return (
            f"{'double ' if match[2] == '2' else ''}{what} of {count if count <= _MOST_COUNTED else 'many'}"
        )
    for pattern, kind in _PATTERNS:
        if pattern.match(name):
            return kind
    if prefix in _BY_PREFIX:
        return _BY_PREFIX[prefix]
    if symbol.lib_id.startswith(("Amplifier_Operational:", "Comparator:")):
        return _TRIANGLE
    return _BOX


def all_kinds() -> tuple[str, ...]:
    """Every kind there is, in a fixed order."""
    rows = ("header", "socket", "strip", "screw terminal")
    many = [*range(1, _MOST_COUNTED + 1), "many"]
    counted = [f"{double}{what} of {n}" for double in ("", "double ") for what in rows for n in many]
    named = [*_BY_NAME.values(), *_BY_PREFIX.values(), *(kind for _, kind in _PATTERNS), _BOX, _TRIANGLE]
    return tuple(sorted({*named, *counted, *LABEL_KINDS.values()}))

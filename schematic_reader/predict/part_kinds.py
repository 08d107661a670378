"""The kind of part of a library symbol, by its name alone.

KiCad's libraries name generic symbols by their kind (``R_Small``, ``Conn_01x04``, KiCad Library Convention
S3), and many private libraries follow. A bare part number is ``other``.
"""

from __future__ import annotations

import re

OTHER = "other"

# Library nicknames that some exporters put before the name.
_NICKNAME = re.compile(r"^(?:.*/|(?:Device|power|Connector|Mechanical|Switch|Diode)_)", re.IGNORECASE)

# The first match counts. What follows a kind's word in a name must not be a letter.
_RULES = [
    (kind, re.compile(rf"(?:{pattern})", re.IGNORECASE))
    for kind, pattern in (
        (
            "power",
            r"[+-][\d.]+V|[+-](?:BATT|VDC|VSW|BL)|\d+V\d*$|PWR_FLAG|Earth|VPP$|"
            r"(?:[ADPS]?GND|VCC|VDD|VSS|VEE|VBUS|VBAT|VSYS|VUSB|VIN|VOUT|VAA|VS)(?:[A-Z]{0,3}\d?)(?![a-z0-9])",
        ),
        ("test point", r"TestPoint|TP_"),
        (
            "connector",
            r"Conn_|USB[\d.]*[_-]|.*(?:Header|Connector|Receptacle|Jack|_Terminal|Socket)|JST_|RJ45|HDMI|PMOD",
        ),
        ("mechanical", r"MountingHole|Fiducial|Spacer|HW_|Housing|.*logo"),
        ("jumper", r"(?:Solder)?Jumper"),
        ("resistor", r"R(?![a-z0-9])|Thermistor|Potentiometer|Varistor"),
        ("capacitor", r"(?:C|CP|CC)(?![a-z0-9])"),
        ("inductor", r"L(?![a-z0-9])|FB_|Ferrite_?Bead|BLM\d|Transformer|Inductor"),
        ("diode", r"D(?![a-z0-9])|LED|1N\d{3}|BAT54|BAS\d\d|BZX|PESD|SK68\d\d|WS28\d\d|SMAJ|MBR\d|ESD"),
        ("transistor", r"Q_|[NP]MOS|NPN|PNP|2N\d{4}|BSS\d|MMBT\d|IRL?[FM]|BC8?\d\d(?!\d)"),
        ("switch", r"SW_|Rotary_?Encoder|.*Switch_?\d?$|.*Button"),
        ("crystal", r"Crystal|Oscillator|Resonator|ABM\d"),
        ("fuse", r"F_|(?:Poly)?Fuse|PTC_"),
        ("battery", r"Battery"),
    )
]


def part_kind(name: str) -> str:
    """One of power, connector, resistor and so on, or ``other``."""
    bare = _NICKNAME.sub("", name.strip())
    return next((kind for kind, pattern in _RULES if pattern.match(bare)), OTHER)

"""Symbols of KiCad's own libraries as candidates for plain sheets."""

from __future__ import annotations

import logging
from pathlib import Path

from models.pretrain.plain import Candidate, Group
from stages.kicad.reader import KicadError, read_library
from stages.store.errors import UserError

LOG = logging.getLogger("models.pretrain")
_MOST_PINS = 44  # a larger symbol does not fit on a sheet
# How often a library's symbols are placed; real sheets use the common parts most.
_OFTEN = {
    "Device": 12.0,
    "power": 8.0,
    "Connector_Generic": 4.0,
    "Connector": 4.0,
    "Transistor_BJT": 2.0,
    "Transistor_FET": 2.0,
    "Diode": 2.0,
    "Switch": 2.0,
    "Jumper": 1.5,
    "Amplifier_Operational": 1.0,
    "Regulator_Linear": 1.0,
    "Mechanical": 0.7,
}
_SELDOM = 0.15
# Symbols too large for a sheet of this size, and libraries that repeat one shape hundreds of times.
_LEFT_OUT = ("FPGA_", "CPLD_", "DSP_", "MCU_ST_", "MCU_NXP_", "MCU_Texas", "Connector_Generic_")


def load(folder: Path) -> tuple[Group, ...]:
    """The symbols of each ``.kicad_sym`` file with how often the file is drawn from.

    A file that cannot be read is left out and named in the log.

    Raises:
        UserError: the folder holds no library.
    """
    groups: list[Group] = []
    for path in sorted(folder.glob("*.kicad_sym")):
        if path.name.startswith(_LEFT_OUT):
            continue
        try:
            symbols = read_library(path.read_text(encoding="utf-8"))
        except (KicadError, UnicodeDecodeError) as error:
            LOG.warning("%s is left out: %s", path.name, error)
            continue
        found = []
        for symbol in symbols.values():
            prefix = next((p.value for p in symbol.properties if p.key == "Reference"), "")
            value = next((p.value for p in symbol.properties if p.key == "Value"), "")
            pins = sum(len(unit.pins) for unit in symbol.units)
            if prefix and 0 < pins <= _MOST_PINS:
                found.append(Candidate(symbol, prefix, (value,) if symbol.power else (value, "")))
        if found:
            groups.append((_OFTEN.get(path.stem, _SELDOM), tuple(found)))
    if not groups:
        raise UserError(
            f"{folder} holds no symbol library: install the package kicad-symbols, or name its folder"
        )
    return tuple(groups)

"""Symbols of KiCad's own libraries as candidates for plain sheets."""

from __future__ import annotations

import logging
from pathlib import Path

from pretraining.plain import Candidate, Group
from schematic_reader.cli import UserError
from schematic_reader.kicad.library import load_library

LOG = logging.getLogger("pretraining")
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
    """The symbols of each library in ``folder`` with how often the library is drawn from.

    A file that cannot be read is left out and named in the log.

    Raises:
        UserError: the folder holds no library, or none with a symbol that fits on a sheet.
    """
    try:
        library = load_library(folder, leave_out=_LEFT_OUT)
    except ValueError as error:
        raise UserError(str(error)) from None
    if library.skipped:
        LOG.warning("%d libraries of %s are left out", len(library.skipped), folder)
    found: dict[str, list[Candidate]] = {}
    for symbol in library.symbols.values():
        prefix = next((p.value for p in symbol.properties if p.key == "Reference"), "")
        value = next((p.value for p in symbol.properties if p.key == "Value"), "")
        pins = sum(len(unit.pins) for unit in symbol.units)
        if prefix and 0 < pins <= _MOST_PINS:
            candidate = Candidate(symbol, prefix, (value,) if symbol.power else (value, ""))
            found.setdefault(symbol.lib_id.partition(":")[0], []).append(candidate)
    if not found:
        raise UserError(f"{folder} holds no symbol with at most {_MOST_PINS} pins: name another folder")
    return tuple((_OFTEN.get(name, _SELDOM), tuple(candidates)) for name, candidates in found.items())

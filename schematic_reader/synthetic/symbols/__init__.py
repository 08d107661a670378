"""The symbols of the built-in generator.

Their geometry is the project's own, after IEC 60617 and ANSI Y32.2; their names are those of KiCad's
libraries, since the names of library symbols are what a reader of real sheets has to answer.
"""

from __future__ import annotations

from schematic_reader.synthetic.symbols.analog_chips import ANALOG
from schematic_reader.synthetic.symbols.connectors import CONNECTORS
from schematic_reader.synthetic.symbols.digital_chips import DIGITAL
from schematic_reader.synthetic.symbols.interface_chips import INTERFACE
from schematic_reader.synthetic.symbols.passives import PASSIVES
from schematic_reader.synthetic.symbols.semiconductors import SEMICONDUCTORS
from schematic_reader.synthetic.symbols.shapes import GRID, Kind
from schematic_reader.synthetic.symbols.supplies import GROUNDS, POWER, SUPPLIES

__all__ = ["GRID", "GROUNDS", "KINDS", "SUPPLIES", "Kind"]

KINDS: dict[str, Kind] = {
    kind.symbol.name: kind
    for group in (PASSIVES, SEMICONDUCTORS, CONNECTORS, ANALOG, DIGITAL, INTERFACE, POWER)
    for kind in group
}

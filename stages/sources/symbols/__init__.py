"""The symbols of the built-in generator.

Their geometry is the project's own, after IEC 60617 and ANSI Y32.2; their names are those of KiCad's
libraries, since the names of library symbols are what a reader of real sheets has to answer.
"""

from __future__ import annotations

from stages.sources.symbols.analog import ANALOG
from stages.sources.symbols.connectors import CONNECTORS
from stages.sources.symbols.digital import DIGITAL
from stages.sources.symbols.interface import INTERFACE
from stages.sources.symbols.passives import PASSIVES
from stages.sources.symbols.semiconductors import SEMICONDUCTORS
from stages.sources.symbols.shapes import GRID, Kind
from stages.sources.symbols.supplies import GROUNDS, POWER, SUPPLIES

__all__ = ["GRID", "GROUNDS", "KINDS", "SUPPLIES", "Kind"]

KINDS: dict[str, Kind] = {
    kind.symbol.name: kind
    for group in (PASSIVES, SEMICONDUCTORS, CONNECTORS, ANALOG, DIGITAL, INTERFACE, POWER)
    for kind in group
}

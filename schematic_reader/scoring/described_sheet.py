"""The sheet that the data set's mapping (its json and yaml) describes, with the pins that it lacks.

A mapping says where everything on the sheet is, but of a placed symbol only library id, position, angle and
properties: not which unit of its part it is, not whether it is mirrored, and nothing of its pins. So these
come from the KiCad text of the sheet that is described, for targets and answers alike, and symbols that it
does not have are counted. Bus aliases and the file's version come from there too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from schematic_reader.kicad.kiutils import read_mapping
from schematic_reader.kicad.model import PlacedSymbol, Sheet

MAX_COMPARED = 5_000_000
"""Most described symbols times symbols of the sheet; the mini set's largest sheet compares 36,481."""


@dataclass(frozen=True, slots=True)
class DescribedSheet:
    """A described sheet with what the mapping lacks.

    ``unread`` counts entries without the layout of their section, which are left out, and ``unresolved``
    placed symbols without pins, because the described sheet has no symbol of their library name.
    """

    sheet: Sheet
    unread: int
    unresolved: int


def described_sheet(document: object, own: Sheet) -> DescribedSheet | None:
    """The sheet of a mapping with the library symbols of ``own``, the sheet that it describes.

    A placed symbol has library symbol, unit, body style and mirror of a symbol of ``own`` with its library
    name (the id after the colon): of the nearest that has its reference too or, without one, the nearest of
    all. None where the document is no mapping, has none of the sections or more symbols than are compared.
    """
    symbols = document.get("schematicSymbols") if isinstance(document, Mapping) else None
    if isinstance(symbols, list) and len(symbols) * len(own.symbols) > MAX_COMPARED:
        return None
    found = read_mapping(document)
    if found is None:
        return None
    library = _Library(own)
    sheet = replace(
        found.sheet,
        version=own.version,
        lib_symbols=own.lib_symbols,
        symbols=tuple(map(library.resolve, found.sheet.symbols)),
        bus_aliases=own.bus_aliases,
    )
    return DescribedSheet(sheet, found.unread, library.unresolved)


class _Library:
    """The symbols of the described sheet by library name, and by reference too."""

    def __init__(self, own: Sheet) -> None:
        self.unresolved = 0
        self.alike: defaultdict[tuple[str, ...], list[PlacedSymbol]] = defaultdict(list)
        for symbol in own.symbols:
            if symbol.library_key in own.lib_symbols:
                name = symbol.lib_id.split(":", 1)[-1]
                self.alike[name,].append(symbol)
                self.alike[name, symbol.reference].append(symbol)

    def resolve(self, described: PlacedSymbol) -> PlacedSymbol:
        """The symbol with what the mapping lacks, of the nearest alike; without one, with no library id."""
        name = described.lib_id
        alike = self.alike.get((name, described.reference)) or self.alike.get((name,))
        if not alike:
            self.unresolved += 1
            return replace(described, lib_id="")
        nearest = min(alike, key=lambda symbol: math.dist(symbol.at, described.at))
        return replace(
            described,
            lib_id=nearest.lib_id,
            lib_name=nearest.lib_name,
            unit=nearest.unit,
            style=nearest.style,
            mirror=nearest.mirror,
        )

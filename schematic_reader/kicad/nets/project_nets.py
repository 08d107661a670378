"""The nets of a whole project, through its sub-sheets, each as often as it is used.

All sheets are laid side by side on one, where KiCad's rules for names become those of one sheet: global
labels and power symbols keep their names, other labels get the place of their sheet before them, and a pin of
a sheet box is a label of the sheet below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from schematic_reader.kicad.hierarchy import UsedSheet
from schematic_reader.kicad.model import Label, PlacedSymbol, Point, Sheet
from schematic_reader.kicad.nets.bus_labels import parse_bus
from schematic_reader.kicad.nets.netlist import Net, nets, placed_pins, power_name

_DISTANCE = 300_000.0  # mm between two sheets, more than the coordinates of one reach

# A sheet's place as a prefix of its names: its number between two characters that no sheet uses. Names of
# sheets may have blanks and brackets, which would end the name of a bus.
_PREFIX = re.compile("\ue000(\\d+)\ue001")

Aliases = Mapping[str, tuple[str, ...]]
"""The nets of each bus alias of the project."""


def project_nets(sheets: Sequence[UsedSheet]) -> list[Net]:
    """The nets of a project by name, as KiCad's netlist of the project has them.

    A local label on the sheet ``/Power/`` is named ``/Power/LABEL``. The file version of the root sheet, the
    first, and the bus aliases of any sheet hold for all. Of labels alike in kind, that of the highest sheet
    names a net, then the first by the alphabet.
    """
    if not sheets:
        return []
    sheets = sorted(sheets, key=lambda used: (used.name.count("/"), used.name))
    numbers = {used.name: number for number, used in enumerate(sheets)}
    aliases = {name: members for used in sheets for name, members in used.sheet.bus_aliases}
    parts = [_moved(used, number, numbers, aliases) for number, used in enumerate(sheets)]
    whole = replace(
        parts[0],
        lib_symbols={key: library for part in parts for key, library in part.lib_symbols.items()},
        symbols=tuple(symbol for part in parts for symbol in part.symbols),
        lines=tuple(line for part in parts for line in part.lines),
        bus_entries=tuple(entry for part in parts for entry in part.bus_entries),
        junctions=tuple(point for part in parts for point in part.junctions),
        no_connects=tuple(point for part in parts for point in part.no_connects),
        labels=tuple(label for part in parts for label in part.labels),
        sheets=tuple(box for part in parts for box in part.sheets),
        bus_aliases=tuple(aliases.items()),
    )

    def named(match: re.Match[str]) -> str:
        return sheets[int(match[1])].name.removeprefix("/")

    found = [replace(net, name=_PREFIX.sub(named, net.name)) for net in nets(whole)]
    return sorted(found, key=lambda net: (net.name, sorted(net.pins)))


def _moved(used: UsedSheet, number: int, numbers: dict[str, int], aliases: Aliases) -> Sheet:
    """The sheet at its place beside the others, its names with their prefix."""
    sheet = replace(used.sheet, labels=(*used.sheet.labels, *_member_labels(used.sheet, aliases)))

    def move(point: Point) -> Point:
        return point[0], point[1] + number * _DISTANCE

    def placed(symbol: PlacedSymbol) -> PlacedSymbol:
        key = symbol.library_key
        library = sheet.lib_symbols.get(key)
        properties = symbol.properties
        if library is not None and library.local_power:
            properties = tuple(
                replace(p, value=_prefixed(p.value, number)) if p.key == "Value" else p for p in properties
            )
        return replace(symbol, at=move(symbol.at), lib_name=f"{number}\n{key}", properties=properties)

    labels = [
        replace(
            label,
            at=move(label.at),
            text=label.text if label.kind == "global" else _prefixed(label.text, number),
        )
        for label in sheet.labels
    ]
    boxes = [
        replace(box, pins=tuple(replace(pin, at=move(pin.at)) for pin in box.pins)) for box in sheet.sheets
    ]
    for box in boxes:
        below = numbers.get(f"{used.name}{box.name}/")
        if below is not None:
            labels += [Label(_prefixed(pin.name, below), pin.at, "hierarchical") for pin in box.pins]
    shared = {label.text for label in sheet.labels if label.kind == "global"} | _power_names(
        sheet, local=False
    )
    own = {label.text for label in sheet.labels if label.kind in ("local", "hierarchical")}
    own |= _power_names(sheet, local=True)
    for place, text in enumerate(sorted(shared & own)):  # joined on a sheet that has both
        beside = move((-_DISTANCE / 2 - place, 0.0))
        labels += [Label(text, beside, "global"), Label(_prefixed(text, number), beside)]
    return replace(
        sheet,
        lib_symbols={f"{number}\n{key}": library for key, library in sheet.lib_symbols.items()},
        symbols=tuple(placed(symbol) for symbol in sheet.symbols),
        lines=tuple(replace(line, points=tuple(map(move, line.points))) for line in sheet.lines),
        bus_entries=tuple(replace(entry, at=move(entry.at)) for entry in sheet.bus_entries),
        junctions=tuple(map(move, sheet.junctions)),
        no_connects=tuple(map(move, sheet.no_connects)),
        labels=tuple(labels),
        sheets=tuple(boxes),
    )


def _member_labels(sheet: Sheet, aliases: Aliases) -> Iterator[Label]:
    """A label beside the sheet for each net that a bus label names, so that it is one without any wire.

    A net of a group without a name of its own has another one, ``.A``, by which ``_prefixed`` calls it.
    """
    named: dict[tuple[str, str], bool] = {}
    for label in sheet.labels:
        text = label.text.replace("{slash}", "/")
        if label.kind != "directive" and (members := parse_bus(text, aliases)):
            for _, name in members:
                dotted = text.startswith("{") and label.kind != "global"
                named[name, label.kind] = dotted or named.get((name, label.kind), False)
    for place, ((name, kind), dotted) in enumerate(named.items()):
        beside = (-_DISTANCE / 2 - place, 10.0)
        yield Label(name, beside, kind)
        if dotted:
            yield Label(f".{name}", beside, "hierarchical")


def _power_names(sheet: Sheet, *, local: bool) -> set[str]:
    """What power symbols and hidden power inputs name: nets of all sheets, or ``local`` ones of the sheet."""
    names: set[str] = set()
    for symbol in sheet.symbols:
        library = sheet.lib_symbols.get(symbol.library_key)
        if library is not None and library.local_power == local:
            pins = (pin for pin, _ in placed_pins(symbol, library))
            names.update(name for pin in pins if (name := power_name(sheet, symbol, library, pin)))
    return names


def _prefixed(text: str, number: int) -> str:
    """A name of that sheet."""
    return f"\ue000{number:04}\ue001{text}" if text.strip(" ~") else text

"""Digest, symbols and structural signature of a schematic's text, without parsing it.

A sheet of Open Schematics has some 125 KB of S-expressions; parsing them in Python would take longer than
decoding the picture. A few linear scans of the bytes do.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

from xxhash import xxh3_128

from schematic_reader.kicad.kiutils import LABEL_KINDS, mappings, properties

_WHITESPACE = b" \t\r\n"
# What differs between two saves of one sheet: uuids, instance paths (of uuids), timestamps and dates.
_VOLATILE = re.compile(rb'\((?:(?:uuid|tstamps?)[^()]*\)|path"[^"]*"|date"[^"]*"\))')

_STRING = rb'"((?:[^"\\]|\\.)*+)"'
_SYMBOL = re.compile(
    rb"\(symbol\s+(?:"
    + _STRING
    + rb"|(?:\(lib_name\s+"
    + _STRING
    + rb"\s*\)\s*)?\(lib_id\s+"
    + _STRING
    + rb")"
)
_UNIT = re.compile(rb"_\d+_\d+")
_VALUE = re.compile(rb'\(property\s+"Value"\s+' + _STRING)
_LABEL = re.compile(rb"label\s+" + _STRING)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)

_MIN_ITEMS, _MIN_DISTINCT = 8, 5
"""Symbols and labels, and distinct ones, below which different sheets may have one structure by chance."""


def text_digest(schematic: bytes) -> bytes:
    """A digest of the text without whitespace, uuids, timestamps and dates; empty for a blank text."""
    text = schematic.translate(None, _WHITESPACE)
    return xxh3_128(_VOLATILE.sub(b"", text)).digest() if text else b""


class SheetSymbols:
    """The symbols in a KiCad 6 to 10 text: those of its ``lib_symbols`` and those placed.

    Attributes:
        library: full names in the order of ``lib_symbols``.
        placed: for each placed symbol the full name in ``lib_symbols`` that it is drawn by.
        items: what the structural signature counts: each placed symbol's library entry with its value.
    """

    def __init__(self, schematic: bytes) -> None:
        self.library: list[str] = []
        self.placed: list[str] = []
        self.items: list[tuple[str, str]] = []
        parent = b""
        found = list(_SYMBOL.finditer(schematic))
        ends = [*(following.start() for following in found[1:]), len(schematic)]
        for match, end in zip(found, ends, strict=False):  # one end too many where none is found
            name, local, identity = match.groups()
            if name is None:
                value = _VALUE.search(schematic, match.end(), end)
                self.placed.append(_unquoted(local or identity))
                self.items.append((_entry(_unquoted(identity)), _unquoted(value[1]) if value else ""))
                continue
            entry = parent.split(b":", 1)[-1]
            if parent and name.startswith(entry) and _UNIT.fullmatch(name, len(entry)):
                continue  # a unit of the symbol before it
            parent = name
            self.library.append(_unquoted(name))

    @property
    def used(self) -> tuple[str, ...]:
        """Library entries that are placed, in the order of ``lib_symbols``, each once: the component list."""
        placed = set(self.placed)
        return tuple(dict.fromkeys(_entry(name) for name in self.library if name in placed))

    def agrees(self, components: Iterable[str]) -> bool:
        """Whether a component list names all that is placed and nothing that is not in ``lib_symbols``."""
        return set(self.used) <= set(components) <= {_entry(name) for name in self.library}


def is_kicad_sheet(schematic: bytes) -> bool:
    """Whether the text is a KiCad 6 or later sheet, whose symbols can be read."""
    return schematic[:200].lstrip().startswith(b"(kicad_sch")


def signature(schematic: bytes, description: bytes, symbols: SheetSymbols | None) -> bytes:
    """The SHA-256 of a sheet's structure: the multiset of its placed symbols with values, and of its labels.

    It is taken from the text, whose symbols have been found for the component list anyway, or where there are
    none from ``description``, the data set's json column, which has the same. Empty for a sheet with too few
    items to tell it from another.
    """
    counts: Counter[tuple[str, str]] = Counter()
    if symbols is not None:
        counts.update(symbols.items)
        counts.update(("label", _unquoted(text)) for text in _LABEL.findall(schematic))
    counts = counts or _described(description)
    if counts.total() < _MIN_ITEMS or len(counts) < _MIN_DISTINCT:
        return b""
    return sha256(repr(sorted(counts.items())).encode("utf-8", "surrogatepass")).digest()


def _described(description: bytes) -> Counter[tuple[str, str]]:
    """Symbols and labels as the json column has them, after kiutils; none where it has no such list."""
    counts: Counter[tuple[str, str]] = Counter()
    try:
        sheet = json.loads(description)
    except (ValueError, RecursionError):
        return counts
    if not isinstance(sheet, dict) or not isinstance(sheet.get("schematicSymbols"), list):
        return counts
    for symbol in mappings(sheet["schematicSymbols"]):
        values = (value for key, value in properties(symbol) if key == "Value")
        counts[str(symbol.get("entryName")), str(next(values, ""))] += 1
    for section in LABEL_KINDS:
        counts.update(("label", str(label.get("text"))) for label in mappings(sheet.get(section)))
    return counts


def _entry(name: str) -> str:
    """A library symbol's name without its library's nickname."""
    return name.split(":", 1)[-1]


def _unquoted(quoted: bytes) -> str:
    """The text of a quoted string."""
    if b"\\" in quoted:
        quoted = _ESCAPED.sub(rb"\1", quoted)
    return quoted.decode("utf-8", "replace")

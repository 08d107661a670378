"""The ``json`` task: a sheet's symbols, labels and sub-sheets as JSON."""

from __future__ import annotations

import json
import re

from schematic_reader.tasks.contract import EMPTY, Grammar, SymbolsEnd
from schematic_reader.tasks.description import Description, DescriptionTask, compact_mapping, from_mapping
from schematic_reader.tasks.untrusted import MAX_DEPTH, UnreadableError

_COMPACT = (
    "Describe this schematic sheet as JSON: an object with the lists symbols ([reference, library:symbol, "
    'value] for each placed symbol, as in ["R1", "Device:R", "10k"]; power symbols without a reference, as '
    'in ["power:GND", "GND"]), labels, globalLabels, hierarchicalLabels (their texts) and sheets (the names '
    "of sub-sheets). Read from top to bottom and left to right, and leave out empty lists.\n"
    "Answer with valid JSON alone."
)
_VERBATIM = (
    "Write this schematic sheet as JSON after KiCad's own structure: libSymbols, schematicSymbols (each with "
    "libraryNickname, entryName, position and properties), junctions, noConnects, busEntries, "
    "graphicalItems, labels, globalLabels, hierarchicalLabels, sheets and sheetInstances, with positions "
    "in millimetres.\n"
    "Answer with valid JSON alone."
)

# The compact form as llguidance reads it: the lists in their order, without white space.
_GRAMMAR = Grammar(
    r"""
start: "{" (symbols | labels | global | hierarchical | sheets) "}"
symbols: "\"symbols\":[" symbol ("," symbol)* "]" ("," (labels | global | hierarchical | sheets))?
labels: "\"labels\":" texts ("," (global | hierarchical | sheets))?
global: "\"globalLabels\":" texts ("," (hierarchical | sheets))?
hierarchical: "\"hierarchicalLabels\":" texts ("," sheets)?
sheets: "\"sheets\":" texts
symbol: "[" TEXT "," TEXT ("," TEXT)? "]"
texts: "[" TEXT ("," TEXT)* "]"
TEXT: /"([^"\\\x00-\x1f\x7f]|\\["\\\/bfnrt]){0,200}"/
""",
    closers='"]}',
)

# Strings are skipped whole, an unclosed one to the end of the text, so that the scan stays linear.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:(?P<whole>")|\\?\Z)|[\[\]{}]', re.DOTALL)


# ``{"symbols":[...]``, or a first section of another name.
_SYMBOLS_END = SymbolsEnd(
    r'\s*(?:(?P<symbols>\{"symbols":\[(?:,?\[(?:[^]"]|"(?:[^"\\]|\\.)*+")*\])*\])|\{"(?!symbols")\w+")',
    closers="}",
    empty=EMPTY["json"],
)


def load(text: str) -> object:
    """The document, its numbers as they are written.

    Raises UnreadableError ``too_deep`` or ``syntax``.
    """
    depth = 0
    for token in _TOKEN.finditer(text):
        if token.group() in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise UnreadableError("too_deep")
        elif token.group() in ("]", "}"):
            depth -= 1
    try:
        document: object = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except ValueError:
        raise UnreadableError("syntax") from None
    return document


def read(text: str) -> Description:
    return from_mapping(load(text))


def write(description: Description) -> str:
    return json.dumps(compact_mapping(description), ensure_ascii=False, separators=(",", ":"))


def closed(text: str) -> str:
    """The text up to the last list, object or text of a section that ends, and the brackets open there."""
    end, closers, is_open = 0, "", ""
    for token in _TOKEN.finditer(text):
        if token.group() in ("[", "{"):
            is_open = {"[": "]", "{": "}"}[token.group()] + is_open
            if len(is_open) > MAX_DEPTH:
                break
        elif token.group() in ("]", "}"):
            is_open = is_open[1:]
            end, closers = token.end(), is_open
        elif token["whole"] and is_open == "]}":  # of labels or sheets
            end, closers = token.end(), is_open
    return text[:end] + closers


TASK = DescriptionTask(
    "json", {"compact": _COMPACT, "verbatim": _VERBATIM}, read, write, closed, _SYMBOLS_END, _GRAMMAR
)

"""The texts that one can read on a sheet, as far as the data set tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schematic_reader.tasks.contract import Row
from schematic_reader.tasks.folding import fold
from schematic_reader.tasks.json_description import load
from schematic_reader.tasks.untrusted import UnreadableError, check_text

_PROPERTIES = ("Reference", "Value")


def printed_text(row: Row) -> frozenset[str] | None:
    """The folded texts of the row's ``json`` that KiCad shows; None where there is no readable JSON.

    References (but hidden ones, which start with #) and values of symbols, labels, names and files of
    sub-sheets, and free text, each whole. Pin names are printed too but not in the data, so what is found
    here is a lower bound.
    """
    text = row.get("json") or ""
    try:
        check_text(text)
        document = load(text)
    except UnreadableError:
        return None
    if not isinstance(document, Mapping):
        return None
    return frozenset(fold(text) for text in _texts(document) if text and not text.startswith("#"))


def _texts(document: Mapping[str, Any]) -> Iterator[str]:
    for symbol in _mappings(document.get("schematicSymbols")):
        for field in _mappings(symbol.get("properties")):
            if field.get("key") in _PROPERTIES:
                yield _shown(field.get("value"))
    for section in ("labels", "globalLabels", "hierarchicalLabels", "graphicalItems", "texts"):
        for entry in _mappings(document.get(section)):
            yield _shown(entry.get("text"))
    for sheet in _mappings(document.get("sheets")):
        for key in ("sheetName", "fileName"):
            value = sheet.get(key)
            # kiutils keeps both as properties.
            yield _shown(value.get("value") if isinstance(value, Mapping) else value)


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, Mapping))


def _shown(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""

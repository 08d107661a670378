"""The texts printed on a sheet, as far as the data set has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from schematic_reader.kicad.kiutils import LABEL_KINDS, RawEntry, mappings, properties, sheet_text
from schematic_reader.tasks.contract import CleanRow
from schematic_reader.tasks.folding import fold
from schematic_reader.tasks.json_description import load
from schematic_reader.tasks.untrusted import UnreadableError, check_text

_PROPERTIES = ("Reference", "Value")
_TEXT_SECTIONS = (*LABEL_KINDS, "graphicalItems", "texts")


def printed_text(row: CleanRow) -> frozenset[str] | None:
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


def _texts(document: RawEntry) -> Iterator[str]:
    for symbol in mappings(document.get("schematicSymbols")):
        for key, value in properties(symbol):
            if key in _PROPERTIES:
                yield _stripped(value)
    for section in _TEXT_SECTIONS:
        for entry in mappings(document.get(section)):
            yield _stripped(entry.get("text"))
    for box in mappings(document.get("sheets")):
        for key in ("sheetName", "fileName"):
            yield _stripped(sheet_text(box, key))


def _stripped(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""

"""The content of a sheet for the structured tasks: placed symbols, labels and sub-sheets.

Three texts of the data set hold it: ``json`` and ``yaml`` (one mapping, after kiutils' Schematic) and
``schematic`` (KiCad's own). Each has a compact form too: the same entries without coordinates, uuids and
styling. All six layouts are read into a ``Description``, and items always come from there.

References that start with ``#`` (``#PWR012``, ``#FLG01``) are KiCad's hidden ones and are not drawn: such
a symbol has no reference here, and its compact entry leaves it out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schematic_reader.kicad.bom import ListedSymbol, read_symbol
from schematic_reader.kicad.kiutils import (
    LABEL_KINDS,
    MalformedEntryError,
    coordinates,
    entries,
    properties,
    sheet_text,
)
from schematic_reader.kicad.model import Point
from schematic_reader.tasks.contract import (
    CleanRow,
    Form,
    Grammar,
    Item,
    ItemSpan,
    ParsedAnswer,
    SymbolsEnd,
    heading,
)
from schematic_reader.tasks.folding import fold
from schematic_reader.tasks.untrusted import UnreadableError, check_parts, check_text, unfenced

BAND = 25.4
"""Height in mm of the bands in which a sheet is read: an inch, ten steps of KiCad's usual grid."""


class Entry(NamedTuple):
    """One thing on the sheet: where it is, in mm with y downward, and its texts."""

    at: Point
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """The entries of a sheet in the order of the text.

    ``symbols`` have the texts (reference or "", library id, value), ``labels`` (kind, text) and ``sheets``
    (name,). ``unread`` names the section of each entry that could not be read.
    """

    symbols: list[Entry] = field(default_factory=list)
    labels: list[Entry] = field(default_factory=list)
    sheets: list[Entry] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def items(self) -> Counter[Item]:
        """(symbol, reference, library symbol, value), (label, kind, text) and (sheet, name), each counted.

        The library symbol is the part of its id after the colon, as in the data set's component lists: the
        library's nickname is a matter of the designer's disk and stands on no sheet. An unread entry counts
        as an item that no sheet has.
        """
        items: Counter[Item] = Counter()
        items.update(
            ("symbol", reference, library_id.rpartition(":")[2], value)
            for _, (reference, library_id, value) in self.symbols
        )
        items.update(("label", *entry.texts) for entry in self.labels)
        items.update(("sheet", *entry.texts) for entry in self.sheets)
        items.update(("unread", section) for section in self.unread)
        return items

    def in_reading_order(self) -> Description:
        """The same entries from the top band to the bottom one, left to right in each."""
        return Description(
            sorted(self.symbols, key=_reading_order),
            sorted(self.labels, key=_reading_order),
            sorted(self.sheets, key=_reading_order),
            self.unread,
        )


def _reading_order(entry: Entry) -> tuple[float, float, float, tuple[str, ...]]:
    x, y = entry.at
    return math.floor(y / BAND), x, y, entry.texts


def symbol(reference: str, library_id: str, value: str, at: Point = (0.0, 0.0)) -> Entry:
    """The entry of a placed symbol, without a hidden reference."""
    return Entry(at, ("" if reference.startswith("#") else reference, library_id, value))


def number(value: object) -> float:
    """A coordinate in mm; 0 where there is no finite one."""
    try:
        found = float(value) if isinstance(value, int | float | str) else 0.0
    except ValueError:
        return 0.0
    return found if math.isfinite(found) else 0.0


def from_mapping(document: object) -> Description:
    """Reads the data set's mapping or its compact form, section by section.

    Raises UnreadableError ``shape`` where it is no mapping or has none of the sections.
    """
    if not isinstance(document, Mapping):
        raise UnreadableError("shape")
    readers: dict[str, Callable[[Description, object], None]] = {
        "schematicSymbols": _read_symbol,
        "symbols": _read_symbol,
        **{section: _label_reader(kind) for section, kind in LABEL_KINDS.items()},
        "sheets": _read_sheet,
    }
    if readers.keys().isdisjoint(document):
        raise UnreadableError("shape")
    description = Description()
    for section, read in readers.items():
        for entry in entries(document, section):
            try:
                read(description, entry)
            except MalformedEntryError:
                description.unread.append(section)
    return description


def compact_mapping(description: Description) -> dict[str, list[list[str] | str]]:
    """The compact mapping: sections with nothing in them, and absent references, are left out."""
    mapping: dict[str, list[list[str] | str]] = {
        "symbols": [list(entry.texts if entry.texts[0] else entry.texts[1:]) for entry in description.symbols]
    }
    for section, kind in LABEL_KINDS.items():
        mapping[section] = [entry.texts[1] for entry in description.labels if entry.texts[0] == kind]
    mapping["sheets"] = [entry.texts[0] for entry in description.sheets]
    return {section: entries for section, entries in mapping.items() if entries}


def _read_symbol(description: Description, entry: object) -> None:
    if isinstance(entry, list) and len(entry) in (2, 3):
        reference, library_id, value = ["", *map(_text, entry)][-3:]
        description.symbols.append(symbol(reference, library_id, value))
        return
    if not isinstance(entry, Mapping) or "entryName" not in entry:
        raise MalformedEntryError
    values = {_text(key): _text(value) for key, value in properties(entry)}
    nickname, name = _text(entry.get("libraryNickname")), _text(entry["entryName"])
    library_id = f"{nickname}:{name}" if nickname else name
    description.symbols.append(
        symbol(values.get("Reference", ""), library_id, values.get("Value", ""), _at(entry))
    )


def _label_reader(kind: str) -> Callable[[Description, object], None]:
    def read(description: Description, entry: object) -> None:
        text = entry.get("text") if isinstance(entry, Mapping) else entry
        at = _at(entry) if isinstance(entry, Mapping) else (0.0, 0.0)
        description.labels.append(Entry(at, (kind, _filled(text))))

    return read


def _read_sheet(description: Description, entry: object) -> None:
    name = sheet_text(entry, "sheetName") if isinstance(entry, Mapping) else entry
    at = _at(entry) if isinstance(entry, Mapping) else (0.0, 0.0)
    description.sheets.append(Entry(at, (_filled(name),)))


def _at(entry: Mapping[str, object]) -> Point:
    position = entry.get("position")
    if not isinstance(position, Mapping):
        return 0.0, 0.0
    x, y = coordinates(position)
    return number(x), number(y)


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedEntryError
    return value.strip()


def _filled(value: object) -> str:
    if not (text := _text(value)):
        raise MalformedEntryError
    return text


@dataclass(frozen=True, slots=True)
class DescriptionTask:
    """A structured task: the text of one column, read and written by the functions given.

    ``read`` raises UnreadableError; ``write`` prints the compact form, which ``grammar``, if there is one,
    describes; ``closed`` ends a compact text that was cut off behind its last whole symbol; ``symbols_end``
    tells where the symbols of a compact text end; ``questions`` has one for each form.
    """

    name: str
    questions: Mapping[Form, str]
    read: Callable[[str], Description]
    write: Callable[[Description], str]
    closed: Callable[[str], str]
    symbols_end: SymbolsEnd
    grammar: Grammar | None = None

    def prompt(self, row: CleanRow, *, form: Form, with_name: bool) -> str:
        return heading(row, with_name=with_name) + self.questions[form]

    def target(self, row: CleanRow, *, form: Form) -> str | None:
        """The column of the task's own name, as it is or compact; None where it holds no readable sheet."""
        text = (row.get(self.name) or "").strip()
        try:
            description = self._read(text)
        except UnreadableError:
            return None
        if description.unread or not description.items():
            return None
        return text if form == "verbatim" else self.write(description.in_reading_order())

    def parse(self, answer: str) -> ParsedAnswer:
        try:
            return ParsedAnswer(self._read(answer).items())
        except UnreadableError as error:
            return ParsedAnswer(valid=False, reason=error.reason)

    def spans(self, answer: str) -> list[ItemSpan]:  # noqa: ARG002
        return []

    def symbols(self, answer: str) -> tuple[ListedSymbol, ...]:
        """The placed symbols in the order of the answer; none where it is not valid.

        Of an answer that was cut off they are those before the cut, although ``parse`` takes it for invalid.
        """
        found = self.description(answer) or self.description(self.closed(unfenced(answer)))
        entries = found.symbols if found else []
        return tuple(read_symbol(name, reference, value) for _, (reference, name, value) in entries)

    def description(self, answer: str) -> Description | None:
        """What the answer says; None where it is not valid."""
        try:
            return self._read(answer)
        except UnreadableError:
            return None

    def normalize(self, items: Counter[Item], *, loose: bool) -> Counter[Item]:
        """The items as a multiset; ``loose`` folds their texts."""
        judged: Counter[Item] = Counter()
        for item, count in items.items():
            judged[_folded(item) if loose else item] += count
        return judged

    def name_of(self, item: Item) -> str:
        """A symbol's library name, a label's text, a sheet's name."""
        return item[2] if item[0] in ("symbol", "label") else item[1]

    def _read(self, text: str) -> Description:
        check_text(text)
        description = self.read(unfenced(text))
        for part in (description.symbols, description.labels, description.sheets):
            check_parts(text for entry in part for text in entry.texts)
        return description


def _folded(item: Item) -> Item:
    # A label's kind, lower case and without separators, folds to itself.
    return (item[0], *(fold(text) for text in item[1:]))

"""Names of parts out of a list beside a picture: text with one a line, or a CSV such as KiCad's BOM."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_LIST_BYTES = 10_000_000

# Headings of the column with the library symbol's name, without what is no letter, the best first: of KiCad's
# BOM scripts (LibPart, Cmp name), of its own export (${SYMBOL_NAME}), of stages.predict (part).
_SYMBOL_COLUMNS = (
    "libpart",
    "cmpname",
    "symbolname",
    "symbol",
    "libid",
    "part",
    "component",
    "components",
    "name",
)
_VALUE_COLUMNS = ("value", "val")
_HEADING_ROWS = 40  # before it KiCad's scripts write where and when
_FORMULA = ("=", "+", "-", "@")  # behind an apostrophe that stages.predict puts before them


class PartListError(ValueError):
    """The file is no list of parts; the message is one line that names the fix."""


@dataclass(frozen=True, slots=True)
class PartList:
    """The names, each once in their order, and the heading of the column that they are from.

    ``by_value`` is true where that column has values, ``10k``, since there is none with names of symbols.
    """

    names: tuple[str, ...]
    column: str = ""
    by_value: bool = False


def read_part_list(data: bytes, suffix: str) -> PartList:
    """Read the bytes of a ``.txt`` or ``.csv`` file.

    Raises:
        PartListError: it names no part, is no text or has no column of names.
    """
    if len(data) > MAX_LIST_BYTES:
        raise PartListError(f"over {MAX_LIST_BYTES // 1_000_000} MB: name each part once")
    text = _decoded(data)
    found = _from_csv(text) if suffix == ".csv" else PartList(_names(text.splitlines()))
    if not found.names:
        raise PartListError("it names no part")
    return found


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        raise PartListError("it is not UTF-8: save it as such") from None


def _from_csv(text: str) -> PartList:
    start = re.match(r"sep=(.)\r?\n", text)  # a line by which Excel knows the delimiter
    text = text[start.end() :] if start else text
    head = "\n".join(text.splitlines()[:_HEADING_ROWS])
    delimiter = start[1] if start else max(",;\t", key=head.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise PartListError(f"it is no CSV: {error}") from None
    for number, row in enumerate(rows[:_HEADING_ROWS]):
        headings = [re.sub(r"[^a-z]", "", cell.casefold()) for cell in row]
        for columns in (_SYMBOL_COLUMNS, _VALUE_COLUMNS):
            if heading := next((name for name in columns if name in headings), None):
                place = headings.index(heading)
                cells = (other[place] for other in rows[number + 1 :] if len(other) > place and other != row)
                return PartList(_names(cells), row[place].strip(), columns is _VALUE_COLUMNS)
    if any(len([cell for cell in row if cell.strip()]) > 1 for row in rows):
        raise PartListError(
            "no column is called Symbol, LibPart, Part or Value: name the one with the parts so"
        )
    return PartList(_names(cell for row in rows for cell in row))


def _names(cells: Iterable[str]) -> tuple[str, ...]:
    """The names in their cells, without the library's nickname before a colon."""
    found: dict[str, None] = {}
    for cell in cells:
        name = cell.strip()
        if name.startswith("'") and name[1:].startswith(_FORMULA):
            name = name[1:]
        name = name.split(":", 1)[-1].strip()
        if name:
            found[name] = None
    return tuple(found)

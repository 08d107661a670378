"""The ``schematic`` task: a sheet as KiCad's own S-expression text."""

from __future__ import annotations

from typing import Any

from schematic_reader.io.sheet_texts import MAX_TEXT_CHARS
from schematic_reader.kicad.sexpr import SexprError, Symbol, dump, parse
from schematic_reader.tasks.contract import EMPTY, SymbolsEnd
from schematic_reader.tasks.description import Description, DescriptionTask, Entry, number, symbol
from schematic_reader.tasks.untrusted import MAX_DEPTH, UnreadableError

_COMPACT = (
    "Describe this schematic sheet as a KiCad S-expression without coordinates: (kicad_sch ...) with a "
    '(symbol "reference" "library:symbol" "value") for each placed symbol, as in (symbol "R1" "Device:R" '
    '"10k"); power symbols without a reference, as in (symbol "power:GND" "GND"); then (label "text"), '
    '(global_label "text"), (hierarchical_label "text") and (sheet "name") for labels and sub-sheets. Read '
    "from top to bottom and left to right.\n"
    "Answer with the S-expression alone."
)
_VERBATIM = (
    "Write the KiCad file of this schematic sheet: the whole .kicad_sch S-expression with its lib_symbols, "
    "wires, junctions, labels, placed symbols and sheets.\n"
    "Answer with the file's text alone."
)

_LABELS = {"label": "local", "global_label": "global", "hierarchical_label": "hierarchical"}
_SHEET_NAMES = ("Sheetname", "Sheet name")  # KiCad 7 and later, KiCad 6


# The symbols before the first list of another name.
_SYMBOLS_END = SymbolsEnd(
    r'\s*(?:(?P<symbols>\(kicad_sch(?:\s*\(symbol(?:\s+"(?:[^"\\]|\\.)*+")*\s*\))+)|\(kicad_sch)'
    r"(?=\s*\((?!symbol\s)\w+\s)",
    closers="\n)",
    empty=EMPTY["schematic"],
)


def read(text: str) -> Description:
    """Reads a ``.kicad_sch`` text or its compact form.

    Raises UnreadableError ``syntax``, ``too_deep`` or, where it is no ``kicad_sch`` list, ``shape``.
    """
    try:
        root = parse(text, max_depth=MAX_DEPTH, max_chars=MAX_TEXT_CHARS)
    except SexprError as error:
        raise UnreadableError("too_deep" if "nested deeper" in str(error) else "syntax") from None
    if not root or root[0] != "kicad_sch":
        raise UnreadableError("shape")
    description = Description()
    for node in root[1:]:
        if isinstance(node, list) and node and isinstance(node[0], Symbol):
            _read_node(description, node)
    return description


def _read_node(description: Description, node: list[Any]) -> None:
    head = str(node[0])
    if head not in ("symbol", "sheet", *_LABELS):
        return
    texts = [str(part).strip() for part in node[1:] if not isinstance(part, list)]
    children = [part for part in node[1:] if isinstance(part, list) and part]
    at = _at(children)
    if head in _LABELS and texts and texts[0]:
        description.labels.append(Entry(at, (_LABELS[head], texts[0])))
    elif head == "sheet" and (name := _sheet_name(texts, children)):
        description.sheets.append(Entry(at, (name,)))
    elif head == "symbol" and (library_id := _first(children, "lib_id")):
        values = _properties(children)
        description.symbols.append(
            symbol(values.get("Reference", ""), library_id, values.get("Value", ""), at)
        )
    elif head == "symbol" and len(texts) in (2, 3):
        reference, library_id, value = ["", *texts][-3:]
        description.symbols.append(symbol(reference, library_id, value, at))
    else:
        description.unread.append(head)


def _sheet_name(texts: list[str], children: list[list[Any]]) -> str:
    values = _properties(children)
    return next((values[key] for key in _SHEET_NAMES if key in values), texts[0] if texts else "")


def _first(children: list[list[Any]], head: str) -> str:
    """The text after ``head`` in the first child of that name, or ""."""
    found = next((child for child in children if child[0] == head), [])
    return str(found[1]).strip() if len(found) > 1 and isinstance(found[1], str) else ""


def _properties(children: list[list[Any]]) -> dict[str, str]:
    values = {}
    for child in children:
        # KiCad 9 may write a bare ``private`` before the key.
        quoted = [part for part in child[1:] if isinstance(part, str) and not isinstance(part, Symbol)]
        if child[0] == "property" and len(quoted) > 1:
            values[quoted[0]] = quoted[1].strip()
    return values


def _at(children: list[list[Any]]) -> tuple[float, float]:
    found = next((child for child in children if child[0] == "at" and len(child) > 2), [])
    return (number(found[1]), number(found[2])) if found else (0.0, 0.0)


def write(description: Description) -> str:
    """The compact form, one entry a line."""
    nodes: list[list[Any]] = [
        [Symbol("symbol"), *(entry.texts if entry.texts[0] else entry.texts[1:])]
        for entry in description.symbols
    ]
    for head, kind in _LABELS.items():
        nodes += [[Symbol(head), e.texts[1]] for e in description.labels if e.texts[0] == kind]
    nodes += [[Symbol("sheet"), *entry.texts] for entry in description.sheets]
    return dump([Symbol("kicad_sch"), *nodes]).strip()


def closed(text: str) -> str:
    """The text without its last line, and the bracket of the whole."""
    return text.rpartition("\n")[0] + "\n)"


TASK = DescriptionTask(
    "schematic", {"compact": _COMPACT, "verbatim": _VERBATIM}, read, write, closed, _SYMBOLS_END
)

"""The ``yaml`` task: a sheet's symbols, labels and sub-sheets as YAML.

The answer is built from the parser's events, with limits on depth and count while they come, and no alias
or anchor at all: nothing is ever expanded or constructed. Scalars stay the text that is written, so a value
of 4.70 or 0x10 need not be quoted to be read as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from schematic_reader.tasks.contract import EMPTY, Grammar, SymbolsEnd
from schematic_reader.tasks.description import Description, DescriptionTask, compact_mapping, from_mapping
from schematic_reader.tasks.untrusted import MAX_DEPTH, UnreadableError

_COMPACT = (
    "Describe this schematic sheet as YAML with the lists symbols ([reference, library:symbol, value] for "
    "each placed symbol, as in [R1, 'Device:R', 10k]; power symbols without a reference, as in "
    "['power:GND', GND]), labels, globalLabels, hierarchicalLabels (their texts) and sheets (the names of "
    "sub-sheets). Read from top to bottom and left to right, and leave out empty lists.\n"
    "Answer with valid YAML alone."
)
_VERBATIM = (
    "Write this schematic sheet as YAML after KiCad's own structure: busEntries, globalLabels, "
    "graphicalItems, hierarchicalLabels, junctions, labels, libSymbols, noConnects, schematicSymbols (each "
    "with entryName, libraryNickname, position and properties), sheetInstances and sheets, with positions "
    "in millimetres.\n"
    "Answer with valid YAML alone."
)

# The compact form as llguidance reads it. What is not quoted has no character that means anything in YAML.
_GRAMMAR = Grammar(
    r"""
start: symbols | labels | global | hierarchical | sheets
symbols: "symbols:" symbol+ ("\n" (labels | global | hierarchical | sheets))?
symbol: "\n- [" TEXT ", " TEXT (", " TEXT)? "]"
labels: "labels: " texts ("\n" (global | hierarchical | sheets))?
global: "globalLabels: " texts ("\n" (hierarchical | sheets))?
hierarchical: "hierarchicalLabels: " texts ("\n" sheets)?
sheets: "sheets: " texts
texts: "[" TEXT (", " TEXT)* "]"
TEXT: /[A-Za-z0-9_+.\/$(µΩ°±]([A-Za-z0-9_+.\/$()%~=<>*^µΩ°±-]| [A-Za-z0-9_+.\/$()%~=<>*^µΩ°±]){0,200}/
    | /'[^'\\\x00-\x1f\x7f-\x9f]{0,200}'/
""",
    closers="']",
)

MAX_EVENTS = 500_000
"""Most parser events that are read. The longest of the mini set's YAML texts makes about 30,000."""

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


# The lines up to the key of the next section, or a first section of another name.
_SYMBOLS_END = SymbolsEnd(
    r"\s*(?:(?P<symbols>symbols:.*?)(?=\n[A-Za-z])|(?!symbols)[A-Za-z]+:)", closers="", empty=EMPTY["yaml"]
)


def load(text: str) -> object:
    """The one document of the text as dicts, lists and strings.

    Raises UnreadableError ``syntax``, ``too_deep``, ``too_long``, ``alias`` or, for a key that is no
    scalar, ``shape``.
    """
    try:
        return _built(text)
    except yaml.YAMLError:
        raise UnreadableError("syntax") from None


def _events(text: str) -> Iterator[yaml.Event]:
    """The events of nodes and of the ends of collections, at most so many and without aliases."""
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if count >= MAX_EVENTS:
            raise UnreadableError("too_long")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise UnreadableError("alias")
        if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            yield event


def _built(text: str) -> object:
    # The innermost open collection is last; the root list collects the documents.
    open_nodes: list[Any] = [[]]
    keys: list[str | None] = [None]
    for event in _events(text):
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
            keys.pop()
            continue
        parent, key = open_nodes[-1], keys[-1]
        is_key = isinstance(parent, dict) and key is None
        if isinstance(event, yaml.ScalarEvent):
            if is_key:
                keys[-1] = event.value
                continue
            node: Any = event.value
        else:
            if is_key:
                raise UnreadableError("shape")
            node = {} if isinstance(event, yaml.MappingStartEvent) else []
        if isinstance(parent, dict):
            parent[key] = node
            keys[-1] = None
        else:
            parent.append(node)
        if not isinstance(event, yaml.ScalarEvent):
            open_nodes.append(node)
            keys.append(None)
            if len(open_nodes) > MAX_DEPTH + 1:
                raise UnreadableError("too_deep")
    documents = open_nodes[0]
    if len(documents) != 1:
        raise UnreadableError("syntax")
    return documents[0]


def read(text: str) -> Description:
    return from_mapping(load(text))


def write(description: Description) -> str:
    """The compact form: one symbol a line, labels and sheets as lists on one line each."""
    text: str = yaml.dump(
        compact_mapping(description),
        Dumper=yaml.SafeDumper,
        default_flow_style=None,
        allow_unicode=True,
        sort_keys=False,
        width=float("inf"),
    )
    return text.strip()


def closed(text: str) -> str:
    """The text without its last line."""
    return text.rpartition("\n")[0]


TASK = DescriptionTask(
    "yaml", {"compact": _COMPACT, "verbatim": _VERBATIM}, read, write, closed, _SYMBOLS_END, _GRAMMAR
)

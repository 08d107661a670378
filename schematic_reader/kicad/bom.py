"""The symbols of a sheet as a bill of materials lists them: once a part, grouped, references in ranges.

Rules are those of KiCad's own export (``kicad-cli sch export bom``): a symbol whose reference starts with
``#`` or whose library symbol is one for power is no part; symbols that share a reference are units of a part,
which counts once, with all values where they differ; a symbol that is excluded from the bill of materials is
left out; one that is not to be populated is listed apart from those that are. Unlike there, a value is
without blanks around it and without KiCad's ``~`` for none, and a reference without a number gets no ``?``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from schematic_reader.kicad.model import Sheet

_RANGE = 3
"""Consecutive references that are written as a range: ``R1, R2`` but ``R1-R3``."""

_DNP = "DNP"
"""A field by which designs of KiCad 6, which has no flag for it, say what is not populated."""

_POPULATED = frozenset(("", "0", "n", "no", "false"))  # values of that field

# What designers write into such a part's value.
_NOT_POPULATED = re.compile(r"(?<![a-z0-9])(?:DN[PIFMS]|NO[ _-]?POP|do not populate)(?![a-z0-9])", re.I)

_CHUNK = re.compile(r"(\D*)(\d*)")
_MAX_DIGITS = 9  # of a reference's number


@dataclass(frozen=True, slots=True)
class ListedSymbol:
    """A placed symbol as a list has it: what it is, not where.

    ``lib_id`` may lack the library's nickname. ``reference`` is empty where none is known, as of a power
    symbol on a picture. ``sheet`` names where it was read, and ``confidence`` is the probability that it is
    there, None where there is none.
    """

    lib_id: str
    reference: str
    value: str
    unit: int = 1
    dnp: bool = False
    in_bom: bool = True
    power: bool = False
    sheet: str = ""
    confidence: float | None = None

    @property
    def name(self) -> str:
        """The library symbol's name as KiCad shows it, without the library's nickname."""
        return self.lib_id.split(":", 1)[-1].replace("{slash}", "/")

    @property
    def is_part(self) -> bool:
        """Whether it is listed in a bill of materials."""
        return self.in_bom and not self.power and self.reference[:1] not in ("", "#")

    @property
    def is_annotated(self) -> bool:
        """Whether the reference is of one part; ``R?`` may be any number of them."""
        return not self.reference.endswith("?")


def listed_symbols(sheet: Sheet) -> tuple[ListedSymbol, ...]:
    """The placed symbols of a sheet with the references and values of its own or first use, in file order."""
    power = {key for key, library in sheet.lib_symbols.items() if library.power}
    return tuple(
        ListedSymbol(
            lib_id=symbol.lib_id,
            reference=symbol.designator,
            value=_shown(sheet, symbol.used_fields["Value"]),
            unit=symbol.unit,
            dnp=symbol.dnp or symbol.value_of(_DNP).strip().casefold() not in _POPULATED,
            in_bom=symbol.in_bom,
            power=symbol.library_key in power,
        )
        for symbol in sheet.symbols
    )


def _shown(sheet: Sheet, value: str) -> str:
    return "" if value in sheet.empty_texts else value.strip()


def parts_of(
    symbols: Iterable[ListedSymbol], key: Callable[[ListedSymbol], Hashable] = lambda symbol: symbol.reference
) -> list[ListedSymbol]:
    """The parts among the symbols by reference, each once for all of its units.

    Args:
        key: symbols of one part have the same; of ``R?`` each is a part of its own.
    """
    parts: dict[Hashable, list[ListedSymbol]] = {}
    listed = (symbol for symbol in symbols if symbol.is_part)
    for number, symbol in enumerate(sorted(listed, key=lambda one: natural(one.reference))):
        parts.setdefault(key(symbol) if symbol.is_annotated else number, []).append(symbol)
    return [_part(units) for units in parts.values()]


def _part(units: Sequence[ListedSymbol]) -> ListedSymbol:
    """One symbol for all units of a part."""
    names, values = {unit.name for unit in units}, {unit.value for unit in units}
    lib_id = units[0].lib_id if len(names) == 1 else ",".join(sorted(names))
    return replace(units[0], lib_id=lib_id, value=",".join(sorted(values)))


def parts_of_answer(symbols: Iterable[ListedSymbol]) -> list[ListedSymbol]:
    """The parts of an answer: what has another reference, symbol or value is another part."""
    return parts_of(symbols, lambda one: (one.reference, one.name, one.value))


def read_symbol(lib_id: str, reference: str, value: str) -> ListedSymbol:
    """A symbol as an answer names it, which says only in the value that it is not to be populated."""
    value = "" if value == "~" else value
    return ListedSymbol(lib_id, reference, value, dnp=bool(_NOT_POPULATED.search(value)))


def grouped(parts: Iterable[ListedSymbol]) -> list[list[ListedSymbol]]:
    """The parts that a line of a bill of materials lists together, by the first reference of each.

    They agree in value, library symbol and whether they are populated, as where KiCad groups by these.
    """
    groups: dict[tuple[str, str, bool], list[ListedSymbol]] = {}
    for part in sorted(parts, key=lambda one: natural(one.reference)):
        groups.setdefault((part.value, part.name, part.dnp), []).append(part)
    return list(groups.values())


def natural(reference: str) -> list[tuple[str, int]]:
    """A key that sorts R2 before R10, and J2A before J10A."""
    return [(text, int(number[:_MAX_DIGITS] or -1)) for text, number in _CHUNK.findall(reference)]


def _split(reference: str) -> tuple[str, str]:
    """The letters of a reference, and its number or nothing."""
    match = re.fullmatch(rf"(.*?)(\d{{0,{_MAX_DIGITS}}})", reference, re.DOTALL)
    return (match[1], match[2]) if match else (reference, "")


def reference_ranges(references: Iterable[str]) -> str:
    """The references in their natural order, such as ``C1, C3-C5``, each once but for those like ``C?``.

    Three consecutive ones or more are a range. A number with leading zeros stands alone.
    """
    given = list(references)
    once = [*{one for one in given if one[-1:] != "?"}, *(one for one in given if one[-1:] == "?")]
    ordered = sorted(once, key=lambda one: (natural(one), one))
    texts: list[str] = []
    first = 0
    while first < len(ordered):
        end = _end_of_run(ordered, first)
        if end - first >= _RANGE:
            texts.append(f"{ordered[first]}-{ordered[end - 1]}")
        else:
            texts += ordered[first:end]
        first = end
    return ", ".join(texts)


def _end_of_run(ordered: Sequence[str], first: int) -> int:
    """The index behind the references that are consecutive from ``first`` on."""
    letters, number = _split(ordered[first])
    end = first + 1
    if not number or (number[0] == "0" and number != "0"):
        return end
    while end < len(ordered) and ordered[end] == f"{letters}{int(number) + end - first}":
        end += 1
    return end

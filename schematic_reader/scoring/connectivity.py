"""Connectivity: precision and recall of the nets, and of the pairs of connected pins, of answers.

KiCad's own text has all that makes the nets. The mapping of json and yaml lacks the pins, which
``described_sheet`` takes from the row's KiCad text.

Answers are untrusted. The cost of ``kicad.nets`` grows with products of counts (symbols times pins, lines
times points on them), so a text whose products are far over those of real sheets is not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from schematic_reader.kicad.model import Sheet
from schematic_reader.kicad.nets.bus_labels import parse_bus
from schematic_reader.kicad.nets.net_agreement import NetAgreement, net_agreement
from schematic_reader.kicad.nets.netlist import Net, nets
from schematic_reader.kicad.reader import KicadError, read_sheet
from schematic_reader.scoring.described_sheet import described_sheet
from schematic_reader.scoring.precision_recall import Counts, share
from schematic_reader.tasks import json_description, yaml_description
from schematic_reader.tasks.contract import Form
from schematic_reader.tasks.untrusted import UnreadableError, check_text, unfenced

MAX_PINS = 50_000
"""Most pins on a sheet that is read. Of the mini set's 260 sheets the largest has 1,835."""

MAX_POINT_CHECKS = 5_000_000
"""Most line segments times points that may lie on them (junctions, labels, bus entries); 116,472 there."""

MAX_BUS_NETS = 100_000
"""Most nets that all bus labels together stand for."""

_LOADERS: dict[str, Callable[[str], object]] = {
    "json": json_description.load,
    "yaml": yaml_description.load,
}

_ALIAS_LEVELS = 6  # of bus aliases within aliases; KiCad's own sheets have one


@dataclass(frozen=True, slots=True)
class ReadNets:
    """The nets of a text; ``unread`` and ``unresolved`` are those of ``described_sheet.DescribedSheet``."""

    nets: list[Net]
    unread: int = 0
    unresolved: int = 0


def has_nets(task: str, form: Form) -> bool:
    """Whether the task's texts of that form have coordinates, from which nets are made."""
    return form == "verbatim" and task in ("schematic", *_LOADERS)


def read_nets(text: str) -> list[Net] | None:
    """The nets of a KiCad text, or None where it is no KiCad sheet or over the limits."""
    sheet = _kicad_sheet(text)
    return nets(sheet) if sheet and _bounded(sheet) else None


def described_nets(task: str, text: str, own: Sheet) -> ReadNets | None:
    """The nets of a mapping with the symbols of ``own``, the sheet that it is a description of.

    None where the text is no such mapping or over the limits. ``task`` is json or yaml.
    """
    try:
        check_text(text)
        document = _LOADERS[task](unfenced(text))
    except UnreadableError:
        return None
    found = described_sheet(document, own)
    if found is None or not _bounded(found.sheet):
        return None
    return ReadNets(nets(found.sheet), found.unread, found.unresolved)


def connectivity(task: str, sheets: Iterable[tuple[str, str, str]]) -> dict[str, float]:
    """The measures over (KiCad text of the sheet, target, answer), of a task and form that ``has_nets``.

    ``precision``, ``recall`` and ``f1`` are of whole nets with two or more pins, which are right where they
    join the same (reference, pin number); those with ``pair_`` are of pairs of pins that a net joins. Names
    of nets play no part. An answer that is not read has no nets. ``sheets`` counts the targets that are
    read, ``readable`` is the share of them with an answer that is. For json and yaml there are also the
    ``unread`` entries and the ``unresolved`` symbols of the answers, and the ``unresolved_true`` symbols of
    the targets.
    """
    agreement, read, readable, unread, unresolved, unresolved_true = NetAgreement(), 0, 0, 0, 0, 0
    for true, predicted in _read(task, sheets):
        read += 1
        readable += predicted is not None
        agreement += net_agreement(true.nets, predicted.nets if predicted else [])
        unread += predicted.unread if predicted else 0
        unresolved += predicted.unresolved if predicted else 0
        unresolved_true += true.unresolved
    whole = Counts(agreement.matched_nets, agreement.predicted_nets, agreement.true_nets)
    pairwise = Counts(agreement.matched_pairs, agreement.predicted_pairs, agreement.true_pairs)
    measures = {
        "sheets": read,
        "readable": round(share(readable, read), 6),
        "precision": round(whole.precision, 6),
        "recall": round(whole.recall, 6),
        "f1": round(whole.f1, 6),
        "predicted": whole.predicted,
        "true": whole.actual,
        "pair_precision": round(pairwise.precision, 6),
        "pair_recall": round(pairwise.recall, 6),
        "pair_f1": round(pairwise.f1, 6),
        "pairs_predicted": pairwise.predicted,
        "pairs_true": pairwise.actual,
    }
    if task in _LOADERS:
        measures |= {"unread": unread, "unresolved": unresolved, "unresolved_true": unresolved_true}
    return measures


def _read(task: str, sheets: Iterable[tuple[str, str, str]]) -> Iterator[tuple[ReadNets, ReadNets | None]]:
    """What is read of target and answer, for the sheets whose target is."""
    for text, target, answer in sheets:
        own = _kicad_sheet(text) if task in _LOADERS else Sheet()
        if own and (true := _read_nets(task, target, own)):
            yield true, _read_nets(task, answer, own)


def _read_nets(task: str, text: str, own: Sheet) -> ReadNets | None:
    if task in _LOADERS:
        return described_nets(task, text, own)
    found = read_nets(text)
    return None if found is None else ReadNets(found)


def _kicad_sheet(text: str) -> Sheet | None:
    try:
        check_text(text)
        return read_sheet(unfenced(text))
    except (UnreadableError, KicadError):
        return None


def _bounded(sheet: Sheet) -> bool:
    pins = {
        name: sum(len(unit.pins) for unit in library.units) for name, library in sheet.lib_symbols.items()
    }
    segments = sum(len(line.points) for line in sheet.lines)
    points = len(sheet.junctions) + len(sheet.labels) + 2 * len(sheet.bus_entries)
    return (
        sum(pins.get(symbol.library_key, 0) for symbol in sheet.symbols) <= MAX_PINS
        and segments * points <= MAX_POINT_CHECKS
        and _buses_bounded(sheet)
    )


def _buses_bounded(sheet: Sheet) -> bool:
    aliases = dict(sheet.bus_aliases)
    if not _aliases_end(aliases):
        return False
    named = 0
    for label in sheet.labels:
        named += len(parse_bus(label.text, aliases) or ())
        if named > MAX_BUS_NETS:
            return False
    return True


def _aliases_end(aliases: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether every alias has members and stands for nets after a few levels of aliases within aliases.

    Otherwise the expansion, cut where it is deep or finds nothing, can take exponential time.
    """
    if not all(aliases.values()):
        return False
    uses = {
        name: {word for text in members if "{" in text for word in re.split(r"[ ,{}]+", text)}
        & aliases.keys()
        for name, members in aliases.items()
    }
    for _ in range(_ALIAS_LEVELS):
        uses = {name: inner & uses.keys() for name, inner in uses.items() if inner & uses.keys()}
    return not uses

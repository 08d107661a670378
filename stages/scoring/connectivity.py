"""How well answers in KiCad's own text connect the sheet: nets and pairs of joined pins, found and missed.

Answers are untrusted. What ``kicad.nets`` does grows with products of what a text can hold (symbols times
pins, lines times points on them), so a text whose products are far over those of real sheets is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from stages.kicad.buses import parse_bus
from stages.kicad.model import Sheet
from stages.kicad.net_agreement import NetAgreement, net_agreement
from stages.kicad.nets import Net, nets
from stages.kicad.reader import KicadError, read_sheet
from stages.scoring.precision_recall import Counts, share
from stages.tasks.untrusted import UnreadableError, check_text, unfenced

MAX_PINS = 50_000
"""Most pins on a sheet that is read. Of the mini set's 260 sheets the largest has 1,835."""

MAX_MEETINGS = 5_000_000
"""Most line segments times points that may lie on them (junctions, labels, bus entries); 116,472 there."""

MAX_BUS_NETS = 100_000
"""Most nets that all bus labels together stand for."""

_ALIAS_LEVELS = 6  # of bus aliases within aliases; KiCad's own sheets have one


def read_nets(text: str) -> list[Net] | None:
    """The nets of an answer or target, or None where it is no KiCad sheet or over the limits."""
    try:
        check_text(text)
        sheet = read_sheet(unfenced(text))
    except (UnreadableError, KicadError):
        return None
    return nets(sheet) if _bounded(sheet) else None


def connectivity(pairs: Iterable[tuple[str, str]]) -> dict[str, float]:
    """The measures over (target, answer) texts of the sheets.

    ``precision``, ``recall`` and ``f1`` are of whole nets with two or more pins, which are right where they
    join the same (reference, pin number); those with ``pair_`` are of pairs of pins that a net joins. Names
    of nets play no part. An answer that is not read has no nets. ``sheets`` counts the targets that are
    read, ``readable`` is the share of them with an answer that is.
    """
    agreement, sheets, readable = NetAgreement(), 0, 0
    for target, answer in pairs:
        true = read_nets(target)
        if true is None:
            continue
        predicted = read_nets(answer)
        sheets += 1
        readable += predicted is not None
        agreement += net_agreement(true, predicted or [])
    whole = Counts(agreement.matched_nets, agreement.predicted_nets, agreement.true_nets)
    pairwise = Counts(agreement.matched_pairs, agreement.predicted_pairs, agreement.true_pairs)
    return {
        "sheets": sheets,
        "readable": round(share(readable, sheets), 6),
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


def _bounded(sheet: Sheet) -> bool:
    pins = {
        name: sum(len(unit.pins) for unit in library.units) for name, library in sheet.lib_symbols.items()
    }
    segments = sum(len(line.points) for line in sheet.lines)
    points = len(sheet.junctions) + len(sheet.labels) + 2 * len(sheet.bus_entries)
    return (
        sum(pins.get(symbol.lib_name or symbol.lib_id, 0) for symbol in sheet.symbols) <= MAX_PINS
        and segments * points <= MAX_MEETINGS
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

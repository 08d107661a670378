"""How far the bill of materials of a structured answer is that of its sheet.

The truth is the sheet's KiCad text, with what it leaves out of a bill of materials and does not populate, as
KiCad's own export has it (``kicad.bom``); the answer is grouped by the same rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schematic_reader.cli import UserError
from schematic_reader.kicad.bom import ListedSymbol, grouped, listed_symbols, parts_of, parts_of_answer
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.scoring.interval import f1_interval
from schematic_reader.scoring.precision_recall import Counts, count, total
from schematic_reader.scoring.predictions import PredictionRow
from schematic_reader.tasks.contract import Item
from schematic_reader.tasks.description import DescriptionTask
from schematic_reader.tasks.folding import fold

Parts = Sequence[ListedSymbol]


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A sheet's parts by the answer, by its target, which a perfect answer equals, and by its KiCad text."""

    repository: str
    answer: Parts
    target: Parts
    truth: Parts


def bom_metrics(
    predictions: Iterable[PredictionRow],
    schematics: Mapping[str, str],
    task: DescriptionTask,
    *,
    bootstrap_samples: int,
    seed: int,
) -> dict[str, float | dict[str, float]]:
    """Precision, recall and F1 of the answers' bills of materials, by what is compared.

    Args:
        predictions: one row a sheet; the name is its repository.
        schematics: by row id, KiCad's text of the sheet. A sheet without one that can be read is left out and
            counted as ``unread``.
        bootstrap_samples, seed: of the intervals over repositories.

    Raises:
        UserError: no sheet can be judged.
    """
    sheets: list[_Sheet] = []
    unread = 0
    for row in predictions:
        truth = _true_parts(schematics.get(row.id, ""))
        if truth is None:
            unread += 1
            continue
        answer, target = (parts_of_answer(task.symbols(text)) for text in (row.prediction, row.target))
        sheets.append(_Sheet(row.name, answer, target, truth))
    if not sheets:
        raise UserError(f"none of {unread} sheets has a KiCad text to judge against")
    metrics: dict[str, float | dict[str, float]] = {"sheets": len(sheets), "unread": unread}
    for name, items_of in _COMPARED.items():
        counts = [count(items_of(one.answer), items_of(one.truth)) for one in sheets]
        low, high = f1_interval(
            counts, [one.repository for one in sheets], bootstrap_samples=bootstrap_samples, seed=seed
        )
        loose = [count(_folded(items_of(one.answer)), _folded(items_of(one.truth))) for one in sheets]
        perfect = [count(items_of(one.target), items_of(one.truth)) for one in sheets]
        metrics[name] = _group(total(counts), low, high, total(loose).f1, total(perfect).f1)
    return metrics


def _true_parts(text: str) -> Parts | None:
    try:
        return parts_of(listed_symbols(read_sheet(text)))
    except KicadError:
        return None


def _references(parts: Parts) -> Counter[Item]:
    return Counter(part.reference for part in parts)


def _values(parts: Parts) -> Counter[Item]:
    return Counter((part.reference, part.value) for part in parts)


def _parts(parts: Parts) -> Counter[Item]:
    return Counter((part.reference, part.value, part.name) for part in parts)


def _lines(parts: Parts) -> Counter[Item]:
    """Whole lines: value, symbol, whether it is populated, and all references."""
    return Counter(
        (group[0].value, group[0].name, "DNP" * group[0].dnp, *(part.reference for part in group))
        for group in grouped(parts)
    )


def _purchases(parts: Parts) -> Counter[Item]:
    """What has to be bought, as often as it is needed."""
    return Counter((part.value, part.name) for part in parts if not part.dnp)


_COMPARED = {
    "references": _references,
    "values": _values,
    "parts": _parts,
    "lines": _lines,
    "purchases": _purchases,
}


def _folded(items: Counter[Item]) -> Counter[Item]:
    """The items with their texts folded, as for the loose measures of ``tasks.description``."""
    folded: Counter[Item] = Counter()
    for item, number in items.items():
        folded[fold(item) if isinstance(item, str) else tuple(map(fold, item))] += number
    return folded


def _group(counts: Counts, low: float, high: float, loose: float, perfect: float) -> dict[str, float]:
    shares = {
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "f1_low": low,
        "f1_high": high,
        "loose_f1": loose,
        "perfect_f1": perfect,
    }
    rounded = {name: round(value, 6) for name, value in shares.items()}
    return {**rounded, "predicted": counts.predicted, "true": counts.actual}

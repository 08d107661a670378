"""How far the bill of materials of a structured answer is that of its sheet.

The truth is the sheet's KiCad text, with what it leaves out of a bill of materials and does not populate, as
KiCad's own export has it (``kicad.bom``); the answer is grouped by the same rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

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
class _Compared:
    """A sheet's items by one measure: of the answer, of its target as a perfect answer, and the true ones."""

    said: Counter[Item]
    perfect: Counter[Item]
    true: Counter[Item]


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

    Returns:
        ``sheets`` and ``unread``, and a group for each thing compared; none without a sheet to judge.
    """
    sheets: list[dict[str, _Compared]] = []
    repositories: list[str] = []
    unread = 0
    for row in predictions:
        truth = true_parts(schematics.get(row.id, ""))
        if truth is None:
            unread += 1
            continue
        sheets.append(_compared(task.symbols(row.prediction), task.symbols(row.target), truth))
        repositories.append(row.name)
    metrics: dict[str, float | dict[str, float]] = {"sheets": len(sheets), "unread": unread}
    for name in sheets[0] if sheets else ():
        items = [sheet[name] for sheet in sheets]
        counts = [count(one.said, one.true) for one in items]
        low, high = f1_interval(counts, repositories, bootstrap_samples=bootstrap_samples, seed=seed)
        loose = [count(_folded(one.said), _folded(one.true)) for one in items]
        perfect = [count(one.perfect, one.true) for one in items]
        metrics[name] = _group(total(counts), low, high, total(loose).f1, total(perfect).f1)
    return metrics


def _compared(answer: Parts, target: Parts, truth: Parts) -> dict[str, _Compared]:
    """What is compared of a sheet, by measure.

    Args:
        answer, target: their placed symbols, power symbols included.
        truth: the parts of the KiCad text.
    """
    said, perfect = parts_of_answer(answer), parts_of_answer(target)
    found = {
        name: _Compared(items_of(said), items_of(perfect), items_of(truth))
        for name, items_of in _OF_PARTS.items()
    }
    return found | {"names": _Compared(_names(answer), _names(target), _names(target))}


def _names(symbols: Parts) -> Counter[Item]:
    """Each library symbol once, as the task ``components`` has them."""
    return Counter({symbol.name for symbol in symbols})


def true_parts(text: str) -> Parts | None:
    """The parts in the bill of materials of a sheet's KiCad text; None where it cannot be read."""
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


def _value_lines(parts: Parts) -> Counter[Item]:
    """Lines as where KiCad groups by value: value, whether it is populated, and all references."""
    lines: dict[tuple[str, bool], list[str]] = {}
    for part in parts:
        lines.setdefault((part.value, part.dnp), []).append(part.reference)
    return Counter((value, "DNP" * dnp, *sorted(those)) for (value, dnp), those in lines.items())


def _purchases(parts: Parts) -> Counter[Item]:
    """What has to be bought, as often as it is needed."""
    return Counter((part.value, part.name) for part in parts if not part.dnp)


_OF_PARTS: dict[str, Callable[[Parts], Counter[Item]]] = {
    "references": _references,
    "values": _values,
    "parts": _parts,
    "lines": _lines,
    "value_lines": _value_lines,
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

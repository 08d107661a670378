"""The data of the plots: tab-separated rows that ``dvc plots`` draws and compares between revisions."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from stages.scoring.precision_recall import count, total
from stages.scoring.predictions import PredictionRow, actual_items, predicted_items
from stages.store.files import write_text
from stages.tasks.contract import Task

TOP = 20
"""How many of the most missed and of the most invented names are listed."""

_BINS = ((1, 4), (5, 8), (9, 16), (17, 32), (33, 64))


def write_plots(
    folder: Path, baseline: Sequence[PredictionRow], tuned: Sequence[PredictionRow], task: Task
) -> None:
    """Write ``components.tsv``, ``names.tsv`` and ``sheets.tsv`` into ``folder``."""
    write_text(folder / "components.tsv", components(baseline, tuned, task))
    write_text(folder / "names.tsv", names(tuned, task))
    write_text(folder / "sheets.tsv", sheets(baseline, tuned))


def components(baseline: Sequence[PredictionRow], tuned: Sequence[PredictionRow], task: Task) -> str:
    """Micro F1 before and after by how many items the sheet has: components, items, sheets, baseline, tuned.

    ``items`` is the mean number of items on the sheets of the bin, a place on the axis. Both must be of the
    same sheets in the same order. A bin without sheets is left out.
    """
    found: dict[str, list[tuple[PredictionRow, PredictionRow]]] = {}
    for before, after in zip(baseline, tuned, strict=True):
        found.setdefault(_bin(actual_items(after, task).total()), []).append((before, after))
    rows = []
    # Two-digit labels sort as their numbers do.
    for label, pairs in sorted(found.items()):
        f1 = [
            total(count(predicted_items(row, task), actual_items(row, task)) for row in side).f1
            for side in zip(*pairs, strict=True)
        ]
        items = sum(actual_items(after, task).total() for _, after in pairs) / len(pairs)
        rows.append([label, f"{items:.2f}", len(pairs), *(f"{value:.6f}" for value in f1)])
    return _tsv(["components", "items", "sheets", "baseline", "tuned"], rows)


def names(tuned: Sequence[PredictionRow], task: Task) -> str:
    """The names most often missed and most often invented: kind, name, times, true.

    ``true`` is how often the sheets have the name. Equal ones stand in the order of the names.
    """
    missed: Counter[str] = Counter()
    invented: Counter[str] = Counter()
    true: Counter[str] = Counter()
    for row in tuned:
        predicted, actual = predicted_items(row, task), actual_items(row, task)
        for counter, items in ((missed, actual - predicted), (invented, predicted - actual), (true, actual)):
            for item, times in items.items():
                counter[task.name_of(item)] += times
    rows = []
    for kind, counter in (("missed", missed), ("invented", invented)):
        top = sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP]
        rows += [[kind, name, times, true[name]] for name, times in top]
    return _tsv(["kind", "name", "times", "true"], rows)


def sheets(baseline: Sequence[PredictionRow], tuned: Sequence[PredictionRow]) -> str:
    """Precision against recall of every sheet: model, id, recall, precision, f1."""
    rows = [
        [model, row.id, f"{row.recall:.6f}", f"{row.precision:.6f}", f"{row.f1:.6f}"]
        for model, side in (("baseline", baseline), ("tuned", tuned))
        for row in side
    ]
    return _tsv(["model", "id", "recall", "precision", "f1"], rows)


def _bin(size: int) -> str:
    return next((f"{low:02}-{high:02}" for low, high in _BINS if size <= high), f"{_BINS[-1][1] + 1}+")


def _tsv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Tab-separated text; white space within a cell becomes a space, so that a line is a row."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(header)
    writer.writerows([" ".join(str(cell).split()) for cell in row] for row in rows)
    return text.getvalue()

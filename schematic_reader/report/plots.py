"""The data of the plots: tab-separated rows that ``dvc plots`` draws and compares between revisions."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schematic_reader.io.display import printable
from schematic_reader.io.files import write_text
from schematic_reader.scoring.confidence import Calibration, JudgedItem, calibrated, judged_items, reliability
from schematic_reader.scoring.precision_recall import count, share, total
from schematic_reader.scoring.predictions import PredictionRow, actual_items, predicted_items
from schematic_reader.tasks.contract import Task

TOP = 20
"""How many of the most missed and of the most invented names are listed."""

MAX_CELL = 200

MODELS = ("baseline", "tuned")

_MARKUP = re.compile(r"<(?=[/!?s])", re.IGNORECASE)

_BINS = ((1, 4), (5, 8), (9, 16), (17, 32), (33, 64))


def write_plots(
    folder: Path,
    baseline: Sequence[PredictionRow],
    tuned: Sequence[PredictionRow],
    task: Task,
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    calibration: Calibration,
) -> None:
    """Write a table for each function below into ``folder``; ``before`` and ``after`` are the metrics."""
    items = judged_items(tuned, task)
    write_text(folder / "raw_reliability.tsv", reliability_table(items))
    write_text(folder / "reliability.tsv", reliability_table(calibrated(items, calibration)))
    write_text(folder / "components.tsv", components(baseline, tuned, task))
    write_text(folder / "names.tsv", names(tuned, task))
    write_text(folder / "sheets.tsv", sheets(baseline, tuned))
    write_text(folder / "gains.tsv", gains(baseline, tuned, task))
    write_text(folder / "lengths.tsv", lengths(tuned, task))
    write_text(folder / "known.tsv", known(before, after))


def components(baseline: Sequence[PredictionRow], tuned: Sequence[PredictionRow], task: Task) -> str:
    """Micro F1 before and after by how many items the sheet has: components, items, sheets, baseline, tuned.

    ``items`` is the mean number of items on the sheets of the bin, its position on the axis. Both
    must be of the same sheets in the same order. A bin without sheets is left out.
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
    return _tsv(["components", "items", "sheets", *MODELS], rows)


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
        for model, side in zip(MODELS, (baseline, tuned), strict=True)
        for row in side
    ]
    return _tsv(["model", "id", "recall", "precision", "f1"], rows)


@dataclass(slots=True)
class _Label:
    """How often a name is on the sheets, and how often each model found and invented it."""

    true: int = 0
    found: list[int] = field(default_factory=lambda: [0, 0])
    invented: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def gain(self) -> int:
        """How many errors fewer the tuned model makes: it misses or invents the name less often."""
        return (self.found[1] - self.invented[1]) - (self.found[0] - self.invented[0])


def gains(baseline: Sequence[PredictionRow], tuned: Sequence[PredictionRow], task: Task) -> str:
    """The exact names that gained and lost most by tuning, by how many errors fewer or more.

    Columns: kind (gain or loss), name, change, true, and how often baseline and tuned model found and
    invented it. Equal ones stand in the order of the names.
    """
    labels: defaultdict[str, _Label] = defaultdict(_Label)
    for pair in zip(baseline, tuned, strict=True):
        actual = actual_items(pair[1], task)
        for item, times in actual.items():
            labels[task.name_of(item)].true += times
        for model, row in enumerate(pair):
            predicted = predicted_items(row, task)
            for item, times in predicted.items():
                label, right = labels[task.name_of(item)], min(times, actual[item])
                label.found[model] += right
                label.invented[model] += times - right
    rows: list[list[object]] = []
    for kind, sign in (("gain", 1), ("loss", -1)):
        changed = [(name, label) for name, label in labels.items() if sign * label.gain > 0]
        for name, label in sorted(changed, key=lambda pair: (-abs(pair[1].gain), pair[0]))[:TOP]:
            rows.append([kind, name, label.gain, label.true, *label.found, *label.invented])
    header = ["kind", "name", "change", "true"]
    return _tsv([*header, *(f"{m}_{what}" for what in ("found", "invented") for m in MODELS)], rows)


def lengths(tuned: Sequence[PredictionRow], task: Task) -> str:
    """Precision and recall by the length of the answer: answer, tokens, sheets, precision, recall.

    ``tokens`` is the mean of the bin, its position on the axis. A bin without answers is left out.
    """
    bins: defaultdict[str, list[PredictionRow]] = defaultdict(list)
    for row in tuned:
        bins[_length_bin(row.tokens)].append(row)
    table = []
    for label, rows in sorted(bins.items()):
        counts = total(count(predicted_items(row, task), actual_items(row, task)) for row in rows)
        tokens = sum(row.tokens for row in rows) / len(rows)
        table.append([label, f"{tokens:.2f}", len(rows), f"{counts.precision:.6f}", f"{counts.recall:.6f}"])
    return _tsv(["answer", "tokens", "sheets", "precision", "recall"], table)


def known(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Recall by group of names: names, share, true, baseline, tuned.

    The groups are names seen and unseen in training and, for sheets with JSON, printed and unprinted on the
    sheet; ``share`` is their share of the true items.
    """
    table = []
    for one, other in (("seen", "unseen"), ("printed", "unprinted")):
        for kind in (one, other):
            if kind in after["names"]:
                true = after["names"][kind]
                part = share(true, after["names"][one] + after["names"][other])
                recalls = (f"{side['names'][f'recall_{kind}']:.6f}" for side in (before, after))
                table.append([kind, f"{part:.6f}", true, *recalls])
    return _tsv(["names", "share", "true", *MODELS], table)


def reliability_table(items: Sequence[JudgedItem]) -> str:
    """Reliability diagram, the share of right items by confidence: confidence, right, items."""
    rows = [[f"{mean:.6f}", f"{right:.6f}", number] for mean, right, number in reliability(items)]
    return _tsv(["confidence", "right", "items"], rows)


def _length_bin(tokens: int) -> str:
    """Powers of two: up to 8, up to 16... Labels of one width sort as their numbers do."""
    high = 8
    while high < tokens:
        high *= 2
    return f"{high // 2 + 1 if high > 8 else 0:06}-{high:06}"


def _bin(size: int) -> str:
    return next((f"{low:02}-{high:02}" for low, high in _BINS if size <= high), f"{_BINS[-1][1] + 1}+")


def _one_line(cell: object) -> str:
    return printable(" ".join(str(cell).split()))


def _tsv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Tab-separated text; white space within a cell becomes a space, so that a line is a row.

    A cell ends at ``MAX_CELL`` characters: a name is as long as a model likes. ``dvc plots`` puts cells into
    the script of a page as they are, so what would end the script or begin a comment has another ``<``.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(header)
    writer.writerows(
        [re.sub(r"<(?=[/!?s])", "\u2039", _one_line(cell), flags=re.IGNORECASE)[:MAX_CELL] for cell in row]
        for row in rows
    )
    return text.getvalue()

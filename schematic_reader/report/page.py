"""``metrics/report.html``: the result as one page that opens from disk without a network.

It holds the table with its intervals, the plots and a gallery of sheets; ``report.html`` is its template. The
page has no script, and its policy forbids any, as well as every address but the pictures in it; the template
escapes whatever a model wrote, and long texts are cut.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from schematic_reader.report import svg
from schematic_reader.report.gallery import MAX_ITEM_CHARS, MAX_TEXT_CHARS, chosen, gallery_sheet
from schematic_reader.report.templates import load_template
from schematic_reader.scoring.predictions import PredictionRow
from schematic_reader.tasks.contract import Task

_TEMPLATE = Path(__file__).with_name("report.html")
_ANSWERS = ("valid", "truncated", "empty", "repeating", "distinct", "predicted_over_true")
_GROUPS = (("symbols", "symbols"), ("labels", "labels"), ("subsheets", "sub-sheets"), ("nets", "nets"))

Table = list[dict[str, str]]


def report_page(
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    baseline: Sequence[PredictionRow],
    tuned: Sequence[PredictionRow],
    plots: Path,
    picture: Callable[[str], bytes],
    task: Task,
) -> str:
    """The page.

    Args:
        before: the baseline's metrics; ``after``: the tuned model's.
        baseline: the predictions for the sheets, in the order of those in ``tuned``.
        plots: the folder of the tables that ``plots.write_plots`` and the train stage wrote; without the
            latter's the page has no loss curve.
        picture: the encoded picture of the sheet with that id.
    """
    return load_template(_TEMPLATE).render(
        task=task.name,
        before=before,
        after=after,
        models=[("baseline", before), ("tuned", after)],
        groups=_GROUPS,
        answers=_ANSWERS,
        interval=svg.interval,
        charts=_charts(plots),
        gallery=[
            (
                title,
                [gallery_sheet(tuned[i], baseline[i], task, picture(tuned[i].id)) for i in numbers],
            )
            for title, numbers in chosen(tuned).items()
        ],
        limits={"item": MAX_ITEM_CHARS, "text": MAX_TEXT_CHARS},
    )


def _charts(folder: Path) -> list[tuple[str, Markup]]:
    """Each chart below its title."""
    sizes, sheets, lengths, names, known, gains = (
        _read(folder / f"{name}.tsv")
        for name in ("components", "sheets", "lengths", "names", "known", "gains")
    )
    both = ("baseline", "tuned")
    points = {
        model: [(float(row["recall"]), float(row["precision"])) for row in sheets if row["model"] == model]
        for model in both
    }
    spans = ["-".join(str(int(end)) for end in row["answer"].split("-")) for row in lengths]
    losses = {
        name: _points(folder / f"{file}.tsv", "step", "loss")
        for name, file in (("training", "train"), ("validation", "validation"))
        if (folder / f"{file}.tsv").is_file()
    }
    reliability = {
        "raw": _points(folder / "raw_reliability.tsv", "confidence", "right"),
        "calibrated": _points(folder / "reliability.tsv", "confidence", "right"),
    }
    columns = (
        ("F1 by items on the sheet", [row["components"] for row in sizes], _floats(sizes, both)),
        (
            "Recall of names seen in training and printed",
            [row["names"] for row in known],
            _floats(known, both),
        ),
        ("Tuned model by tokens of the answer", spans, _floats(lengths, ("precision", "recall"))),
    )
    ranked = (
        ("Names most often missed", names, "missed", "times", "missed"),
        ("Names most often invented", names, "invented", "times", "invented"),
        ("Names with fewer errors after tuning", gains, "gain", "change", "right"),
        ("Names with more errors after tuning", gains, "loss", "change", "invented"),
    )
    return [
        ("Loss", svg.lines(losses, "Loss by step", x="step", y="loss")),
        (
            "Reliability of the tuned model's confidence",
            svg.lines(reliability, "Share right by confidence", x="confidence", y="right", diagonal=True),
        ),
        *((title, svg.columns(labels, series, title)) for title, labels, series in columns),
        ("Every sheet", svg.scatter(points, "Precision against recall")),
        *(
            (title, svg.ranked(_bars(table, kind, column), title, tone=f"tone-{tone}"))
            for title, table, kind, column, tone in ranked
        ),
    ]


def _bars(table: Table, kind: str, column: str) -> list[tuple[str, float]]:
    return [(row["name"], abs(float(row[column]))) for row in table if row["kind"] == kind]


def _floats(table: Table, keys: Sequence[str]) -> dict[str, list[float]]:
    return {key: [float(row[key]) for row in table] for key in keys}


def _points(path: Path, x: str, y: str) -> list[tuple[float, float]]:
    return [(float(row[x]), float(row[y])) for row in _read(path)]


def _read(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))

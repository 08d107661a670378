"""``metrics/report.html``: the result as one page that opens from disk without a network.

It holds the table with its intervals, the plots and a gallery of sheets. The page has no script, and its
policy forbids any, as well as every address but the pictures in it; whatever a model said is escaped and cut.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from schematic_reader.report import gallery, svg
from schematic_reader.scoring.predictions import PredictionRow
from schematic_reader.tasks.contract import Task

_STYLE = Path(__file__).with_name("report.css")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_ANSWERS = ("valid", "truncated", "empty", "repeating", "distinct", "predicted_over_true")
_GROUPS = {"symbols": "symbols", "labels": "labels", "subsheets": "sub-sheets", "nets": "nets"}

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
    gain = after["gain"]
    sections = [
        f"<h1>Reading schematic sheets: {escape(task.name)}</h1>",
        f'<p class="note">{after["sheets"]:.0f} test sheets of repositories that training has not seen. '
        f"Tuning changed F1 by {gain['f1']:+.3f} ({gain['f1_low']:+.3f} to {gain['f1_high']:+.3f}). "
        "Intervals bound 95 % of the draws in which repositories are drawn again.</p>",
        "<h2>Result</h2>",
        _result(before, after),
        *(
            f'<p class="note">The picture changes the {name} model\'s F1 by {one["image_gain"]:+.3f} '
            f"({one['image_gain_low']:+.3f} to {one['image_gain_high']:+.3f}); without it the answer is "
            f"unchanged on {one['unchanged']:.0%} of the sheets.</p>"
            for name, metrics in (("baseline", before), ("tuned", after))
            if (one := metrics.get("no_image"))
        ),
        *(
            f'<p class="note">The tuned model\'s confidence in a name is off by {sure["raw_ece"]:.3f} on '
            f"average, calibrated by {sure.get('ece', sure['raw_ece']):.3f}.</p>"
            for sure in [after.get("confidence")]
            if sure
        ),
        "<h2>Answers</h2>",
        _answers(before, after),
        "<h2>Plots</h2>",
        f'<div class="charts">{"".join(_charts(plots))}</div>',
        "<h2>Sheets</h2>",
        '<p class="note"><span class="right">right</span> on the sheet and predicted, '
        '<span class="missed">missed</span> on the sheet alone, '
        '<span class="invented">invented</span> predicted alone.</p>',
    ]
    for title, numbers in gallery.chosen(tuned).items():
        cards = (
            gallery.sheet(tuned[i], baseline[i], task, gallery.picture_uri(picture(tuned[i].id)))
            for i in numbers
        )
        sections.append(f'<h3>{title}</h3><div class="sheets">{"".join(cards)}</div>')
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Schematic reader: {escape(task.name)}</title>"
        f"<style>{_STYLE.read_text(encoding='utf-8')}</style></head>\n<body>{chr(10).join(sections)}</body></html>\n"
    )


def _result(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    rows: list[tuple[str, Mapping[str, Any]]] = []
    if "prior" in before:
        rows.append((f"prior, the {before['prior']['k']:.0f} most frequent names", before["prior"]))
    if "ocr" in before:
        rows.append(("OCR", before["ocr"]))
    for name, metrics in (("baseline", before), ("tuned", after)):
        rows.append((name, metrics))
        if "no_image" in metrics:
            rows.append(
                (
                    f"{name} without the picture, {metrics['no_image']['sheets']:.0f} sheets",
                    metrics["no_image"],
                )
            )
        rows += [(f"{name}, {text}", metrics[group]) for group, text in _GROUPS.items() if group in metrics]
    header = ("", "precision", "recall", "F1", "95 % interval", "", "macro F1", "exact")
    return _table(header, [_result_row(name, metrics) for name, metrics in rows])


def _result_row(name: str, metrics: Mapping[str, Any]) -> list[str]:
    cells = [escape(name), *(f"{metrics[key]:.3f}" for key in ("precision", "recall", "f1"))]
    if "f1_low" not in metrics:
        return [*cells, "", "", "", ""]
    low, high = metrics["f1_low"], metrics["f1_high"]
    return [
        *cells,
        svg.interval(low, metrics["f1"], high, bottom=0.0, top=1.0),
        f"{low:.3f} to {high:.3f}",
        f"{metrics['macro_f1']:.3f}",
        f"{metrics['exact_match']:.3f}",
    ]


def _answers(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    header = ("", *(name.replace("_", " ") for name in _ANSWERS), "loose F1")
    rows = [
        [name, *(f"{side['answers'][key]:.3f}" for key in _ANSWERS), f"{side['loose']['f1']:.3f}"]
        for name, side in (("baseline", before), ("tuned", after))
    ]
    return _table(header, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML; the table scrolls where the screen is narrow."""
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _charts(folder: Path) -> list[str]:
    sizes, sheets, answers, names, known, gains = (
        _read(folder / f"{name}.tsv")
        for name in ("components", "sheets", "lengths", "names", "known", "gains")
    )
    both = ("baseline", "tuned")
    points = {
        model: [(float(row["recall"]), float(row["precision"])) for row in sheets if row["model"] == model]
        for model in both
    }
    spans = ["-".join(str(int(end)) for end in row["answer"].split("-")) for row in answers]
    losses = {
        name: _points(folder / f"{file}.tsv", "step", "loss")
        for name, file in (("training", "train"), ("validation", "validation"))
        if (folder / f"{file}.tsv").is_file()
    }
    sure = {
        "raw": _points(folder / "raw_reliability.tsv", "confidence", "right"),
        "calibrated": _points(folder / "reliability.tsv", "confidence", "right"),
    }
    return [
        _card("Loss", svg.lines(losses, "Loss by step", x="step", y="loss")),
        _card(
            "Tuned, how often it is right when so sure",
            svg.lines(sure, "Share right by confidence", x="confidence", y="right", diagonal=True),
        ),
        _chart(
            "F1 by items on the sheet",
            svg.columns,
            [row["components"] for row in sizes],
            _floats(sizes, both),
        ),
        _chart(
            "Recall by what is known of the name",
            svg.columns,
            [row["names"] for row in known],
            _floats(known, both),
        ),
        _chart(
            "Tuned, by tokens of the answer", svg.columns, spans, _floats(answers, ("precision", "recall"))
        ),
        _card("Every sheet", svg.scatter(points, "Precision against recall")),
        _ranked(
            "Names most often missed", [row for row in names if row["kind"] == "missed"], "times", "missed"
        ),
        _ranked(
            "Names most often invented",
            [row for row in names if row["kind"] == "invented"],
            "times",
            "invented",
        ),
        _ranked(
            "Mistakes fewer after tuning", [row for row in gains if row["kind"] == "gain"], "change", "right"
        ),
        _ranked(
            "Mistakes more after tuning",
            [row for row in gains if row["kind"] == "loss"],
            "change",
            "invented",
        ),
    ]


def _chart(
    title: str, draw: Callable[..., str], labels: Sequence[str], series: Mapping[str, Sequence[float]]
) -> str:
    return _card(title, draw(labels, series, title))


def _ranked(title: str, rows: Table, column: str, tone: str) -> str:
    bars = [(row["name"], abs(float(row[column]))) for row in rows]
    return _card(title, svg.ranked(bars, title, tone=f"tone-{tone}"))


def _card(title: str, content: str) -> str:
    return f'<div class="card"><h3>{escape(title)}</h3>{content}</div>'


def _floats(table: Table, keys: Sequence[str]) -> dict[str, list[float]]:
    return {key: [float(row[key]) for row in table] for key in keys}


def _points(path: Path, x: str, y: str) -> list[tuple[float, float]]:
    return [(float(row[x]), float(row[y])) for row in _read(path)]


def _read(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))

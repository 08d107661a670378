"""The gallery of the report: which sheets it shows, their pictures, and what was right on each."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from PIL import Image

from schematic_reader.io.picture import fit_within, open_picture
from schematic_reader.report.escaping import shown
from schematic_reader.scoring.predictions import PredictionRow, actual_items, parsed_answer, predicted_items
from schematic_reader.tasks.contract import Item, Task

SHEETS = 3
"""Sheets of each kind."""

MAX_PICTURE_BYTES = 400_000
"""Of one picture; with the limits on text below, a page stays under 10 MB whatever is predicted."""

MAX_ITEMS = 120
MAX_ITEM_CHARS = 100
MAX_TEXT_CHARS = 4_000

_MAX_SIDE = 1400


def chosen(rows: Sequence[PredictionRow]) -> dict[str, list[int]]:
    """The numbers of the best, the median and the worst sheets by their F1, no sheet twice."""
    order = sorted(range(len(rows)), key=lambda i: (-rows[i].f1, rows[i].id))
    best, rest = order[:SHEETS], order[SHEETS:]
    worst, rest = rest[-SHEETS:], rest[:-SHEETS]
    start = max(0, (len(rest) - SHEETS) // 2)
    found = {"Best": best, "Median": rest[start : start + SHEETS], "Worst": worst}
    return {title: numbers for title, numbers in found.items() if numbers}


def picture_uri(data: bytes) -> str:
    """The sheet's picture as a data URI: WebP on white, without loss where that fits the limit."""
    image = fit_within(open_picture(data), max_side=_MAX_SIDE, max_pixels=_MAX_SIDE * _MAX_SIDE)
    encoded = _webp(image, lossless=True)
    while len(encoded) > MAX_PICTURE_BYTES:
        encoded = _webp(image, lossless=False)
        image = image.resize((max(1, image.width * 2 // 3), max(1, image.height * 2 // 3)))
    return "data:image/webp;base64," + base64.b64encode(encoded).decode("ascii")


def sheet(row: PredictionRow, baseline: PredictionRow, task: Task, picture: str) -> str:
    """One sheet of the gallery as HTML."""
    predicted, actual = predicted_items(row, task), actual_items(row, task)
    right, missed, invented = predicted & actual, actual - predicted, predicted - actual
    answer = parsed_answer(task, row.prediction)
    fault = "" if answer.valid else f" The answer does not parse ({escape(answer.reason)})."
    cut = " It ran into the limit of tokens." if row.finish == "length" else ""
    return (
        f'<article class="sheet"><h4>{shown(row.name, 80)} <small>{shown(row.id[:12], 12)}</small></h4>'
        f'<p class="note">F1 {row.f1:.3f}, precision {row.precision:.3f}, recall {row.recall:.3f}; '
        f"baseline F1 {baseline.f1:.3f}.{fault}{cut}</p>"
        f'<img src="{picture}" alt="Sheet of {shown(row.name, 80)}" loading="lazy">'
        f"<h5>True ({actual.total()})</h5>{_items((right, 'right'), (missed, 'missed'))}"
        f"<h5>Predicted ({predicted.total()})</h5>{_items((right, 'right'), (invented, 'invented'))}"
        f"<details><summary>Texts</summary><h5>True</h5><pre>{shown(row.target, MAX_TEXT_CHARS)}</pre>"
        f"<h5>Predicted</h5><pre>{shown(row.prediction, MAX_TEXT_CHARS)}</pre></details></article>"
    )


def _items(*groups: tuple[Counter[Item], str]) -> str:
    chips = [
        f'<li class="{kind}">{_item(item, times)}</li>'
        for items, kind in groups
        for item, times in _in_order(items)
    ]
    if not chips:
        return '<p class="note">nothing</p>'
    more = f'<li class="more">and {len(chips) - MAX_ITEMS} more</li>' if len(chips) > MAX_ITEMS else ""
    return f'<ul class="items">{"".join(chips[:MAX_ITEMS])}{more}</ul>'


def _in_order(items: Counter[Item]) -> Iterable[tuple[Item, int]]:
    return sorted(items.items(), key=lambda pair: _plain(pair[0]).casefold())


def _item(item: Item, times: int) -> str:
    return shown(_plain(item), MAX_ITEM_CHARS) + (f" <b>×{times}</b>" if times > 1 else "")


def _plain(item: Item) -> str:
    return item if isinstance(item, str) else " · ".join(text for text in item if text)


def _webp(image: Image.Image, *, lossless: bool) -> bytes:
    data = io.BytesIO()
    image.save(data, "WEBP", lossless=lossless, quality=60, method=4)
    return data.getvalue()

"""The gallery of the report: which sheets it shows, their pictures, and what was right on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from schematic_reader.report.pictures import picture_uri
from schematic_reader.scoring.predictions import PredictionRow, actual_items, parsed_answer, predicted_items
from schematic_reader.tasks.contract import Item, Task

SHEETS = 3
"""Sheets of each kind."""

MAX_ITEMS = 120
MAX_ITEM_CHARS = 100
MAX_TEXT_CHARS = 4_000


def chosen(rows: Sequence[PredictionRow]) -> dict[str, list[int]]:
    """The numbers of the best, the median and the worst sheets by their F1, no sheet twice."""
    order = sorted(range(len(rows)), key=lambda i: (-rows[i].f1, rows[i].id))
    best, rest = order[:SHEETS], order[SHEETS:]
    worst, rest = rest[-SHEETS:], rest[:-SHEETS]
    start = max(0, (len(rest) - SHEETS) // 2)
    found = {"Best": best, "Median": rest[start : start + SHEETS], "Worst": worst}
    return {title: numbers for title, numbers in found.items() if numbers}


@dataclass(frozen=True, slots=True)
class ShownItem:
    """One item of a list: ``kind`` is right, missed or invented, a class of the style sheet."""

    text: str
    times: int
    kind: str


@dataclass(frozen=True, slots=True)
class ItemList:
    """The items that are shown, how many there are in all, and how many different ones are left out."""

    items: list[ShownItem]
    total: int
    more: int


@dataclass(frozen=True, slots=True)
class GallerySheet:
    """What the page shows of one sheet.

    Attributes:
        row: the tuned model's prediction; ``baseline`` is the base model's.
        picture: a data URI.
        invalid: why the answer does not parse; empty where it does.
        true: the items on the sheet, right or missed.
        predicted: the items of the answer, right or invented.
    """

    row: PredictionRow
    baseline: PredictionRow
    picture: str
    invalid: str
    true: ItemList
    predicted: ItemList


def gallery_sheet(row: PredictionRow, baseline: PredictionRow, task: Task, picture: bytes) -> GallerySheet:
    """The sheet with its encoded picture."""
    predicted, actual = predicted_items(row, task), actual_items(row, task)
    right = predicted & actual
    return GallerySheet(
        row,
        baseline,
        picture_uri(picture),
        parsed_answer(task, row.prediction).reason,
        _item_list(("right", right), ("missed", actual - predicted)),
        _item_list(("right", right), ("invented", predicted - actual)),
    )


def judged_list(row: PredictionRow, task: Task) -> ItemList:
    """The items of the sheet and of the answer together: right, missed and invented."""
    predicted, actual = predicted_items(row, task), actual_items(row, task)
    return _item_list(
        ("right", predicted & actual), ("missed", actual - predicted), ("invented", predicted - actual)
    )


def _item_list(*groups: tuple[str, Counter[Item]]) -> ItemList:
    """Each group in the alphabetical order of its items."""
    shown = [
        ShownItem(text, times, kind)
        for kind, items in groups
        for text, times in sorted(
            ((item_text(item), times) for item, times in items.items()), key=lambda pair: pair[0].casefold()
        )
    ]
    total = sum(items.total() for _, items in groups)
    return ItemList(shown[:MAX_ITEMS], total, max(0, len(shown) - MAX_ITEMS))


def item_text(item: Item) -> str:
    """The item on one line."""
    return item if isinstance(item, str) else " · ".join(text for text in item if text)

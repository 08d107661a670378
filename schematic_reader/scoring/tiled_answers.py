"""Answers about sheets that may be larger than the model's pictures: tile by tile, and joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from PIL import Image

from schematic_reader.io.parallel import cores
from schematic_reader.io.picture import Box
from schematic_reader.io.tiles import Tiling
from schematic_reader.tasks.contract import ModelAnswer, Task
from schematic_reader.tasks.joining import joined

Row = dict[str, Any]


class CutSheets(Protocol):
    """The sheets of message rows; a row with a key ``tile`` that is not None stands for that tile.

    Of that, it stands for the part ``shown``, a box in pixels of the tile, or for all of it.
    """

    def picture(self, row: Row) -> Image.Image: ...
    def size(self, row: Row) -> tuple[int, int]: ...
    def tiling(self, row: Row) -> Tiling | None:
        """How the row's sheet is cut; None where it is asked about as a whole."""

    def shown_parts(self, row: Row) -> dict[int, Box]:
        """What to show of the tiles of the row's sheet, without those whose core shows nothing."""


def answer_sheets(
    answer: Callable[..., Sequence[ModelAnswer]],
    task: Task,
    sheets: CutSheets,
    rows: Sequence[Row],
    *,
    with_image: bool = True,
) -> list[ModelAnswer]:
    """The answer to each message row, in the order of ``rows``.

    Sheets that are cut are asked about tile by tile, all tiles of all sheets at once. Of a tile that part is
    shown in which its core has something; a tile without such a part is not asked about. Where no image is
    shown, all are, as large as they are.

    Args:
        answer: ``generation.answerer.Answerer.answer`` of one model.
        with_image: False for the no-image control.
    """
    asked: list[Row] = []
    places: list[list[int]] = []  # of each row's questions in ``asked``
    tilings = [sheets.tiling(row) for row in rows]
    with ThreadPoolExecutor(cores()) as threads:
        parts = list(threads.map(sheets.shown_parts, rows)) if with_image else [{}] * len(rows)
    for row, tiling, shown in zip(rows, tilings, parts, strict=True):
        if tiling is None:
            questions = [row]
        elif with_image:
            questions = [row | {"tile": tile, "shown": part} for tile, part in shown.items()]
        else:
            questions = [row | {"tile": tile} for tile in range(len(tiling))]
        places.append(list(range(len(asked), len(asked) + len(questions))))
        asked += questions
    answers = answer(sheets, asked, **({} if with_image else {"with_image": False}))
    return [
        answers[chosen[0]] if tiling is None else joined(task, [answers[place] for place in chosen])
        for chosen, tiling in zip(places, tilings, strict=True)
    ]

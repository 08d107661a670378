"""Answers about sheets that may be larger than the model's pictures: tile by tile, and joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from PIL import Image

from schematic_reader.io.page_frame import content_box, inside_frame
from schematic_reader.io.parallel import cores
from schematic_reader.io.tiles import MARGIN, Box, Tiling
from schematic_reader.tasks.contract import ModelAnswer, Task
from schematic_reader.tasks.joining import joined

Row = dict[str, Any]


class CutSheets(Protocol):
    """The sheets of message rows; a row with a key ``tile`` that is not None stands for that tile."""

    def picture(self, row: Row) -> Image.Image: ...
    def size(self, row: Row) -> tuple[int, int]: ...
    def tiling(self, row: Row) -> Tiling | None:
        """How the row's sheet is cut; None where it is asked about as a whole."""


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
    shown where its core has something inside the page's frame, with the usual margin around it; a tile
    without such a part is not asked about. Where no image is shown, all are, as large as they are.

    Args:
        answer: ``generation.answerer.Answerer.answer`` of one model.
        with_image: False for the no-image control.
    """
    asked: list[Row] = []
    places: list[list[int]] = []  # of each row's questions in ``asked``
    tilings = [sheets.tiling(row) for row in rows]
    boxes = _content_boxes(sheets, rows, tilings) if with_image else {}
    for number, (row, tiling) in enumerate(zip(rows, tilings, strict=True)):
        if tiling is None:
            questions = [row]
        elif with_image:
            questions = [
                row | {"tile": tile, "box": boxes[number, tile]}
                for tile in range(len(tiling))
                if (number, tile) in boxes
            ]
        else:
            questions = [row | {"tile": tile} for tile in range(len(tiling))]
        places.append(list(range(len(asked), len(asked) + len(questions))))
        asked += questions
    answers = answer(_Boxes(sheets), asked, **({} if with_image else {"with_image": False}))
    return [
        answers[chosen[0]] if tiling is None else joined(task, [answers[place] for place in chosen])
        for chosen, tiling in zip(places, tilings, strict=True)
    ]


class _Boxes:
    """The pictures of sheets; of a row with a ``box`` that part of its tile."""

    def __init__(self, sheets: CutSheets) -> None:
        self._sheets = sheets

    def picture(self, row: Row) -> Image.Image:
        picture, box = self._sheets.picture(row), row.get("box")
        return picture.crop(box) if box else picture

    def size(self, row: Row) -> tuple[int, int]:
        box = row.get("box")
        return (box[2] - box[0], box[3] - box[1]) if box else self._sheets.size(row)


def _content_boxes(
    sheets: CutSheets, rows: Sequence[Row], tilings: Sequence[Tiling | None]
) -> dict[tuple[int, int], Box]:
    """What to show of each tile, by the number of its row and its own; none of a tile without content."""

    def boxes_of(place: tuple[int, Tiling]) -> list[tuple[tuple[int, int], Box]]:
        number, tiling = place
        shares = inside_frame(sheets.picture(rows[number]))
        frame = [share * side for share, side in zip(shares, tiling.scaled * 2, strict=True)]
        found = []
        for tile in range(len(tiling)):
            left, top, right, bottom = core = tiling.core(tile)
            # What of the core is inside the frame, in pixels of the tile's own picture.
            inner = (max(left, frame[0]), max(top, frame[1]), min(right, frame[2]), min(bottom, frame[3]))
            x, y, to_x, to_y = (
                round(at - start) + MARGIN for at, start in zip(inner, core[:2] * 2, strict=True)
            )
            if x >= to_x or y >= to_y:
                continue
            content = content_box(sheets.picture(rows[number] | {"tile": tile}).crop((x, y, to_x, to_y)))
            if content:
                at = (content[0] + x, content[1] + y, content[2] + x, content[3] + y)
                found.append(((number, tile), tiling.around(at)))
        return found

    every = [(number, tiling) for number, tiling in enumerate(tilings) if tiling]
    with ThreadPoolExecutor(cores()) as threads:
        return {place: box for found in threads.map(boxes_of, every) for place, box in found}

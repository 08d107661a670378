"""Answers about sheets that may be larger than the model's pictures: tile by tile, and joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from PIL import Image

from schematic_reader.io.page_frame import inside_frame
from schematic_reader.io.parallel import cores
from schematic_reader.io.picture import is_blank
from schematic_reader.io.tiles import MARGIN, Tiling
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

    Sheets that are cut are asked about tile by tile, all tiles of all sheets at once. A tile whose core shows
    nothing inside the page's frame is not asked about, but where no image is shown.

    Args:
        answer: ``generation.answerer.Answerer.answer`` of one model.
        with_image: False for the no-image control.
    """
    asked: list[Row] = []
    places: list[list[int]] = []  # of each row's questions in ``asked``
    tilings = [sheets.tiling(row) for row in rows]
    blank = _blank_tiles(sheets, rows, tilings) if with_image else set()
    for number, (row, tiling) in enumerate(zip(rows, tilings, strict=True)):
        tiles = [None] if tiling is None else [t for t in range(len(tiling)) if (number, t) not in blank]
        places.append(list(range(len(asked), len(asked) + len(tiles))))
        asked += [row if tile is None else row | {"tile": tile} for tile in tiles]
    answers = answer(sheets, asked, **({} if with_image else {"with_image": False}))
    return [
        answers[chosen[0]] if tiling is None else joined(task, [answers[place] for place in chosen])
        for chosen, tiling in zip(places, tilings, strict=True)
    ]


def _blank_tiles(
    sheets: CutSheets, rows: Sequence[Row], tilings: Sequence[Tiling | None]
) -> set[tuple[int, int]]:
    """The number of the row and of the tile for each tile that shows nothing, or the page's frame alone."""

    def blank_tiles_of(place: tuple[int, Tiling]) -> list[tuple[int, int]]:
        number, tiling = place
        width, height = tiling.scaled
        shares = inside_frame(sheets.picture(rows[number]))
        frame = [share * side for share, side in zip(shares, (width, height) * 2, strict=True)]
        found = []
        for tile in range(len(tiling)):
            left, top, right, bottom = core = tiling.core(tile)
            # What of the core is inside the frame, in pixels of the tile's own picture.
            inner = (max(left, frame[0]), max(top, frame[1]), min(right, frame[2]), min(bottom, frame[3]))
            x, y, to_x, to_y = (
                round(at - start) + MARGIN for at, start in zip(inner, core[:2] * 2, strict=True)
            )
            picture = sheets.picture(rows[number] | {"tile": tile})
            if x >= to_x or y >= to_y or is_blank(picture.crop((x, y, to_x, to_y))):
                found.append((number, tile))
        return found

    every = [(number, tiling) for number, tiling in enumerate(tilings) if tiling]
    with ThreadPoolExecutor(cores()) as threads:
        return {place for found in threads.map(blank_tiles_of, every) for place in found}

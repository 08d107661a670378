"""Large sheets asked about tile by tile: which tiles are asked, in one call, and what is joined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from schematic_reader.config import ImageLimits
from schematic_reader.io.picture import resized
from schematic_reader.io.tiles import MARGIN, SMALLEST, STEP, tiling
from schematic_reader.model.encode import Encoder
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.predict.opened_sheet import OpenedSheet, SheetLimits, SheetOrigin, open_sheets
from schematic_reader.predict.rendering import RenderScale
from schematic_reader.predict.sheet_reader import OpenedImages
from schematic_reader.scoring.tiled_answers import answer_sheets
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import ModelAnswer
from schematic_reader.tasks.joining import joined
from schematic_reader.tasks.messages import chat
from tests.support.answering import answerer, write_sheets

LIMITS = ImageLimits(max_side=480, max_pixels=1 << 20, tiles=4)
WHOLE = replace(LIMITS, tiles=1)
COMPONENTS = task_named("components")
MARKS = [(30, 40), (560, 50), (550, 330)]
"""Places of black squares on a large sheet, each in the core of a tile of its own."""


def sheet(
    size: tuple[int, int], marks: list[tuple[int, int]], limits: ImageLimits = LIMITS
) -> dict[str, Any]:
    """A row that holds a sheet with black squares."""
    picture = Image.new("RGB", size, "white")
    for x, y in marks:
        ImageDraw.Draw(picture).rectangle((x, y, x + 9, y + 9), fill="black")
    cut = tiling(*size, limits)
    opened = OpenedSheet(SheetOrigin("a"), resized(picture, cut.scaled) if cut else picture, tiling=cut)
    return {"id": "a", "sheet": opened, "messages": chat("Which parts?", "R")}


class SquareReader:
    """Names the square that it sees in the middle of a picture: ``S1``; and how it was called."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int | None], dict[str, bool]]] = []

    def __call__(self, images: Any, rows: list[dict[str, Any]], **how: bool) -> list[ModelAnswer]:
        self.asked.append(([row.get("tile") for row in rows], how))
        return [ModelAnswer(self.text(images, row), 3, "stop") for row in rows]

    def text(self, images: Any, row: dict[str, Any]) -> str:
        assert images.picture(row).size == images.size(row)
        dark = images.picture(row).convert("L").point(lambda level: 255 * (level < 128))
        return f"S{row.get('tile')}" if dark.getbbox() else "none"


def test_all_tiles_of_all_sheets_are_asked_about_at_once_but_those_with_nothing_in_their_core() -> None:
    large, empty = sheet((700, 430), MARKS), sheet((700, 430), [])
    small = sheet((400, 300), MARKS[:1], WHOLE)
    cut = large["sheet"].tiling
    assert (len(cut), cut.scaled, empty["sheet"].tiling) == (4, (700, 430), cut)
    reader = SquareReader()
    answers = answer_sheets(reader, COMPONENTS, OpenedImages(), [large, small, empty])
    assert reader.asked == [([0, 1, 3, None], {})]
    assert [answer.text for answer in answers] == ["S0, S1, S3", "SNone", "none"]
    assert [answer.tokens for answer in answers] == [9, 3, 0]


def framed(size: tuple[int, int], marks: list[tuple[int, int]]) -> dict[str, Any]:
    """A sheet with squares, the letter of a grid in each corner and a frame around and inside of them."""
    row = sheet(size, marks)
    draw, (width, height) = ImageDraw.Draw(row["sheet"].picture), size
    for inset in (8, 24):
        draw.rectangle((inset, inset, width - inset, height - inset), outline="black")
    for x in (12, width - 20):
        for y in (11, height - 22):
            draw.text((x, y), "A", fill="black")
    return row


def test_a_tile_that_shows_the_frame_of_the_page_alone_is_not_asked_about() -> None:
    reader = SquareReader()
    answer_sheets(reader, COMPONENTS, OpenedImages(), [framed((700, 430), MARKS)])
    assert reader.asked == [([0, 1, 3], {})]
    near_the_frame = [(26, 26), (665, 26), (26, 395), (665, 395)]
    answer_sheets(reader, COMPONENTS, OpenedImages(), [framed((700, 430), near_the_frame)])
    assert reader.asked[1] == ([0, 1, 2, 3], {})


def test_without_images_every_tile_is_asked_about() -> None:
    reader = SquareReader()
    large = sheet((700, 430), MARKS)
    answer_sheets(reader, COMPONENTS, OpenedImages(), [large], with_image=False)
    assert reader.asked == [([0, 1, 2, 3], {"with_image": False})]


def test_sheets_that_are_not_cut_are_asked_about_as_they_are() -> None:
    reader = SquareReader()
    rows = [sheet((400, 300), MARKS[:1], WHOLE), sheet((480, 300), [], WHOLE)]
    answers = answer_sheets(reader, COMPONENTS, OpenedImages(), rows)
    assert answers == reader(OpenedImages(), rows)
    assert answer_sheets(reader, COMPONENTS, OpenedImages(), []) == []


def test_a_sheet_from_outside_is_cut_as_in_evaluation(tmp_path: Path) -> None:
    picture = sheet((1400, 430), MARKS)["sheet"].picture
    assert picture.size != (1400, 430)  # four tiles are not enough for its own size
    (row,) = write_sheets(tmp_path, [picture := picture.resize((1400, 430))])
    limits = SheetLimits(
        LIMITS, 1 << 24, RenderScale(4.0, LIMITS.max_side, LIMITS.max_pixels, None, LIMITS.tiles)
    )
    sheets, outside = SheetImages(tmp_path, "test", LIMITS), OpenedImages()
    (opened,) = open_sheets("a", sheets.image_bytes(row), limits)
    assert opened.tiling
    assert sheets.tiling(row) == opened.tiling
    assert sheets.shown_parts(row) == outside.shown_parts({"sheet": opened})
    for tile in range(len(opened.tiling)):
        one, other = row | {"tile": tile}, {"sheet": opened, "tile": tile}
        assert sheets.size(one) == outside.size(other) == sheets.picture(one).size
        assert sheets.picture(one).tobytes() == outside.picture(other).tobytes()


@pytest.mark.parametrize("with_image", [True, False])
def test_the_answer_about_a_sheet_joins_the_models_answers_about_its_tiles(
    model: Any, encoder: Encoder, with_image: bool
) -> None:
    answer = answerer(model, encoder, batch_size=8).answer
    large = sheet((700, 430), MARKS)
    (found,) = answer_sheets(answer, COMPONENTS, OpenedImages(), [large], with_image=with_image)
    tiles = [0, 1, 3] if with_image else [0, 1, 2, 3]
    parts = OpenedImages().shown_parts(large) if with_image else dict.fromkeys(tiles)
    assert list(parts) == tiles
    rows = [large | {"tile": tile, "shown": part} for tile, part in parts.items()]
    alone = answer(OpenedImages(), rows, with_image=with_image)
    assert found == joined(COMPONENTS, alone)


class BoxReader(SquareReader):
    """Keeps the pictures that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Image.Image] = []

    def text(self, images: Any, row: dict[str, Any]) -> str:
        self.shown.append(images.picture(row))
        return super().text(images, row)


# A tile of (700, 430) is 480 x 360 px, and its core of 352 x 232 px begins 64 px from its edge.
@pytest.mark.parametrize(
    ("marks", "box"),
    [
        ([(100, 20)], (100, 20, 340, 260)),  # as small as a tile is shown
        ([(100, 20), (330, 200)], (96, 20, 480, 356)),  # 240 and 190 with two margins, in steps
        ([(342, 222)], (240, 120, 480, 360)),  # in the last corner of the core
        ([(0, 0), (342, 222)], (0, 0, 480, 360)),
    ],
)
def test_of_a_tile_is_shown_what_its_core_has_with_the_margin(
    marks: list[tuple[int, int]], box: tuple[int, int, int, int]
) -> None:
    row, reader = sheet((700, 430), marks), BoxReader()
    answer_sheets(reader, COMPONENTS, OpenedImages(), [row])
    (shown,) = reader.shown
    whole = OpenedImages().picture(row | {"tile": 0})
    assert whole.size == (480, 360)
    assert shown.size == (box[2] - box[0], box[3] - box[1])
    assert shown.tobytes() == whole.crop(box).tobytes()
    for x, y in marks:  # 64 px or more from each side
        at = (x + MARGIN - box[0], y + MARGIN - box[1])
        assert MARGIN <= at[0] <= shown.width - MARGIN - 10 and MARGIN <= at[1] <= shown.height - MARGIN - 10


@given(
    sizes=st.tuples(st.integers(330, 1500), st.integers(330, 900)),
    spans=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_a_box_is_in_its_tile_in_steps_and_keeps_content_in_what_is_its_own(
    sizes: tuple[int, int], spans: list[float]
) -> None:
    cut = tiling(*sizes, LIMITS)
    assert cut
    content = []
    for side, (low, high) in zip(cut.size, (sorted(spans[::2]), sorted(spans[1::2])), strict=True):
        core = side - 2 * MARGIN
        start = MARGIN + int(low * (core - 1))
        content.append((start, max(start + 1, MARGIN + int(high * core))))
    (left, right), (top, bottom) = content
    box = cut.around((left, top, right, bottom))
    for start, end, first, last, side in zip(
        box[:2], box[2:], (left, top), (right, bottom), cut.size, strict=True
    ):
        assert 0 <= start <= first - MARGIN and last + MARGIN <= end <= side
        assert (end - start) % STEP == 0 and end - start >= min(SMALLEST, side)
        assert end - start < max(last - first + 2 * MARGIN + STEP, SMALLEST + 1)

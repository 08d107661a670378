"""Pictures of tiles: their sheet is decoded once, however many threads ask, and few are kept."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from schematic_reader.config import ImageLimits
from schematic_reader.io.picture import open_picture, resized
from schematic_reader.model import sheet_images
from schematic_reader.model.sheet_images import SHEETS_KEPT, SheetImages
from tests.support.answering import write_sheets

LIMITS = ImageLimits(max_side=480, max_pixels=1 << 20, tiles=6)


@pytest.fixture
def sheets(tmp_path: Path) -> tuple[SheetImages, list[dict[str, Any]]]:
    """Sheets of four tiles each, and a row for each tile."""
    pictures = [Image.new("RGB", (700, 430), "white") for _ in range(SHEETS_KEPT + 2)]
    for number, picture in enumerate(pictures):
        ImageDraw.Draw(picture).rectangle((number * 60, 40, number * 60 + 30, 400), fill="black")
    rows = write_sheets(tmp_path, pictures)
    return SheetImages(tmp_path, "test", LIMITS), [row | {"tile": tile} for row in rows for tile in range(4)]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bytes of each picture that was decoded."""
    found: list[bytes] = []

    def recorded(data: bytes) -> Image.Image:
        found.append(data)
        return open_picture(data)

    monkeypatch.setattr(sheet_images, "open_picture", recorded)
    return found


def test_threads_that_ask_for_the_tiles_of_a_sheet_decode_it_once(
    sheets: tuple[SheetImages, list[dict[str, Any]]], decoded: list[bytes]
) -> None:
    images, rows = sheets
    with ThreadPoolExecutor(4) as threads:
        tiles = list(threads.map(images.picture, rows))
    assert len(decoded) == len(set(decoded)) == SHEETS_KEPT + 2
    for row, tile in zip(rows, tiles, strict=True):
        whole = open_picture(images.image_bytes(row))
        assert (cut := images.tiling(row)) is not None
        assert tile.tobytes() == cut.cut(resized(whole, cut.scaled), row["tile"]).tobytes()


def test_sheets_that_were_asked_for_long_ago_are_decoded_again(
    sheets: tuple[SheetImages, list[dict[str, Any]]], decoded: list[bytes]
) -> None:
    images, rows = sheets
    for row in [*rows[::4], rows[-1], rows[0]]:
        images.picture(row)
    assert len(decoded) == SHEETS_KEPT + 3
    assert decoded[-1] == decoded[0]


def test_a_copy_for_another_process_starts_without_pictures(
    sheets: tuple[SheetImages, list[dict[str, Any]]], decoded: list[bytes]
) -> None:
    images, rows = sheets
    first = images.picture(rows[0])
    copy = pickle.loads(pickle.dumps(images))
    assert copy.picture(rows[0]).tobytes() == first.tobytes()
    assert len(decoded) == 2


def test_a_damaged_sheet_is_one_for_every_tile(
    sheets: tuple[SheetImages, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    images, rows = sheets

    def fail(data: bytes) -> Image.Image:
        raise ValueError("damaged")

    monkeypatch.setattr(sheet_images, "open_picture", fail)
    for row in rows[:3]:
        with pytest.raises(ValueError, match="damaged"):
            images.picture(row)

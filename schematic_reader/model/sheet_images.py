"""The pictures of one split as model inputs: upright, transparency on white, shrunk to the limits."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from schematic_reader.config import ImageLimits
from schematic_reader.io.picture import Box, fitted_size, open_fitted, open_picture
from schematic_reader.io.tables import Pictures, readable
from schematic_reader.io.tile_parts import shown_parts
from schematic_reader.io.tiles import Tiling, tiling

SHEETS_KEPT = 4
"""Sheets whose picture is kept: threads ask for the tiles of one after the other, and of the next sheet's."""


class SheetImages:
    """Pictures of the message rows of ``split``; their sizes are known without opening them.

    Args:
        folder: the folder of the clean splits, ``data/clean``.
        limits: the largest picture that the model gets.
    """

    def __init__(self, folder: Path, split: str, limits: ImageLimits) -> None:
        self._pictures = Pictures(folder, split)
        self._limits = limits
        self._sizes: dict[str, list[tuple[int, int]]] = {}
        self._folder = folder / split
        self._opened = _LastPictures()

    def picture(self, row: dict[str, Any]) -> Image.Image:
        """The RGB picture of a message row, or of the shown part of its tile, within the limits."""
        tiles = self.tiling(row)
        if row.get("tile") is None or tiles is None:
            data, limits = self.image_bytes(row), self._limits
            return open_fitted(data, max_side=limits.max_side, max_pixels=limits.max_pixels)
        return tiles.cut(self._open(row), row["tile"], row.get("shown"))

    def _open(self, row: dict[str, Any]) -> Image.Image:
        """The RGB picture of the whole sheet at its full size."""
        return self._opened.get((row["part"], row["row"]), lambda: open_picture(self.image_bytes(row)))

    def tiling(self, row: dict[str, Any]) -> Tiling | None:
        """How the sheet of a message row is cut; None where it is asked about as a whole."""
        return tiling(*self._full_size(row), self._limits)

    def shown_parts(self, row: dict[str, Any]) -> dict[int, Box]:
        """What to show of the tiles of a message row's sheet; nothing of one that is not cut."""
        tiles = self.tiling(row)
        return shown_parts(self._open(row), tiles) if tiles else {}

    def image_bytes(self, row: dict[str, Any]) -> bytes:
        """The bytes of a message row's picture as the data set has them."""
        return self._pictures.read(row["part"], row["row"])

    def size(self, row: dict[str, Any]) -> tuple[int, int]:
        """Width and height in pixels that ``picture`` would have."""
        tiles = self.tiling(row)
        if row.get("tile") is not None and tiles is not None:
            return tiles.cut_size(row.get("shown"))
        width, height = self._full_size(row)
        return fitted_size(width, height, max_side=self._limits.max_side, max_pixels=self._limits.max_pixels)

    def _full_size(self, row: dict[str, Any]) -> tuple[int, int]:
        part = row["part"]
        if part not in self._sizes:
            with readable(self._folder / part, "clean-to-parquet"):
                table = pq.read_table(self._folder / part, columns=["width", "height"])
            columns = (table.column(name).to_pylist() for name in ("width", "height"))
            self._sizes[part] = list(zip(*columns, strict=True))
        return self._sizes[part][row["row"]]


class _LastPictures:
    """The pictures made last, ``SHEETS_KEPT`` of them, each made once however many threads ask for it.

    It may be pickled or forked to worker processes, which start with none.
    """

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[str, int], Future[Image.Image]] = OrderedDict()
        self._owner, self._lock = os.getpid(), Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"_owner": 0}

    def get(self, key: tuple[str, int], make: Callable[[], Image.Image]) -> Image.Image:
        """The picture of that name; who asks first makes it, and others wait. Raises as ``make``."""
        if self._owner != os.getpid():
            self._made, self._owner, self._lock = OrderedDict(), os.getpid(), Lock()
        with self._lock:
            found = self._made.get(key)
            if found is None:
                own = self._made[key] = Future()
                if len(self._made) > SHEETS_KEPT:
                    self._made.popitem(last=False)
            else:
                self._made.move_to_end(key)
        if found is not None:
            return found.result()
        try:
            picture = make()
        except BaseException as error:
            own.set_exception(error)
            raise
        own.set_result(picture)
        return picture

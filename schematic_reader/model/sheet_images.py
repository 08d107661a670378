"""The pictures of one split as model inputs: upright, transparency on white, shrunk to the limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from schematic_reader.config import ImageLimits
from schematic_reader.io.picture import fitted_size, open_fitted, open_picture
from schematic_reader.io.tables import Pictures, readable
from schematic_reader.io.tiles import Tiling, tiling


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

    def picture(self, row: dict[str, Any]) -> Image.Image:
        """The RGB picture of a message row, or of its tile, at most as large as the limits."""
        data = self.image_bytes(row)
        tiles = self.tiling(row)
        if row.get("tile") is None or tiles is None:
            return open_fitted(data, max_side=self._limits.max_side, max_pixels=self._limits.max_pixels)
        return tiles.cut(tiles.scale(open_picture(data)), row["tile"])

    def tiling(self, row: dict[str, Any]) -> Tiling | None:
        """How the sheet of a message row is cut; None where it is asked about as a whole."""
        return tiling(*self._full_size(row), self._limits)

    def image_bytes(self, row: dict[str, Any]) -> bytes:
        """The bytes of a message row's picture as the data set has them."""
        return self._pictures.read(row["part"], row["row"])

    def size(self, row: dict[str, Any]) -> tuple[int, int]:
        """Width and height in pixels that ``picture`` would have."""
        tiles = self.tiling(row)
        if row.get("tile") is not None and tiles is not None:
            return tiles.size
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

"""What the frozen vision tower made of each sheet, kept on disk: it looks at a sheet only once a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from schematic_reader.io.files import atomic_write
from schematic_reader.model.row import Row


@dataclass(frozen=True)
class Features:
    """One sheet: ``grid``, int64, ``(1, 3)``, and ``levels`` of shape ``(levels, placeholders, width)``.

    The first level replaces the placeholders' embeddings, the others join the first decoder layers.
    """

    grid: torch.Tensor
    levels: torch.Tensor


class FeatureCache:
    """A file a sheet below ``folder``, named by the sheet's id, which is a hash of its content.

    The folder belongs to one base model and one size limit of pictures: its name has to tell them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, ids: Sequence[str]) -> bool:
        """Whether every one of these sheets has been seen."""
        return all(self._file(name).is_file() for name in ids)

    def read(self, name: str) -> Features:
        """The features of one sheet, on the CPU."""
        found = load_file(self._file(name))
        return Features(found["grid"], found["levels"])

    def write(self, row: Row, levels: torch.Tensor) -> None:
        """Keep what the tower gave for a row whose samples have one picture each.

        Args:
            levels: of shape ``(levels, placeholders of all pictures, width)``.
        """
        patches = row.picture_starts.diff()
        merged = int(patches.sum()) // levels.shape[1]  # patches behind one placeholder
        parts = levels.cpu().split((patches // merged).tolist(), dim=1)
        for name, grid, part in zip(row.ids, row.image_grid_thw.cpu().split(1), parts, strict=True):
            with atomic_write(self._file(name)) as file:
                save_file({"grid": grid.contiguous(), "levels": part.contiguous()}, file)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.safetensors"


def bytes_a_token(vision_config: Any, dtype: torch.dtype) -> int:
    """How much is kept for one placeholder, in bytes."""
    levels = 1 + len(vision_config.deepstack_visual_indexes)
    return int(levels * vision_config.out_hidden_size * dtype.itemsize)

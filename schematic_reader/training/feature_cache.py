"""Features of the frozen vision tower, cached on disk: each sheet passes through the tower once per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from schematic_reader.io.files import atomic_write
from schematic_reader.model.packed_batch import PackedBatch


@dataclass(frozen=True)
class VisionFeatures:
    """Features of one sheet: ``grid``, int64 ``(1, 3)``, and ``levels``, ``(levels, placeholders, width)``.

    The first level replaces the placeholders' embeddings, the others are added after the first decoder layers
    (deepstack).
    """

    grid: torch.Tensor
    levels: torch.Tensor


class FeatureCache:
    """One file per sheet below ``folder``, named by the sheet's id, which is a hash of its content.

    The folder must belong to one base model and one size limit of pictures.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, sheet_ids: Sequence[str]) -> bool:
        """Whether all of these sheets are cached."""
        return all(self._file(sheet_id).is_file() for sheet_id in sheet_ids)

    def read(self, sheet_id: str) -> VisionFeatures:
        """The features of one sheet, on the CPU."""
        tensors = load_file(self._file(sheet_id))
        return VisionFeatures(tensors["grid"], tensors["levels"])

    def write(self, batch: PackedBatch, levels: torch.Tensor) -> None:
        """Cache the tower's output for a batch whose samples have one image each.

        Args:
            levels: ``(levels, placeholders of all images, width)``.
        """
        patches = batch.image_cu_seqlens.diff()  # of each image
        merged = int(patches.sum()) // levels.shape[1]  # patches behind one placeholder
        # (levels, P, width) -> one (levels, placeholders, width) per image
        parts = levels.cpu().split((patches // merged).tolist(), dim=1)
        for sheet_id, grid, part in zip(
            batch.sheet_ids, batch.image_grid_thw.cpu().split(1), parts, strict=True
        ):
            with atomic_write(self._file(sheet_id)) as file:
                save_file({"grid": grid.contiguous(), "levels": part.contiguous()}, file)

    def _file(self, sheet_id: str) -> Path:
        return self._folder / f"{sheet_id}.safetensors"


def bytes_per_token(vision_config: Any, dtype: torch.dtype) -> int:
    """Cache size of one image placeholder, in bytes."""
    levels = 1 + len(vision_config.deepstack_visual_indexes)
    return int(levels * vision_config.out_hidden_size * dtype.itemsize)

"""Features of the frozen vision tower, cached on disk: each sheet passes through the tower once per run."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from schematic_reader.io.files import atomic_write
from schematic_reader.model.packed_batch import PackedBatch

log = logging.getLogger(__name__)

_CHECKSUM = "sha256"


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

    The folder must belong to one base model and one size limit of pictures. A file is verified before a
    process first uses it; a damaged one is removed, so that its sheet passes through the tower again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._verified: set[str] = set()

    def has(self, sheet_ids: Sequence[str]) -> bool:
        """Whether all of these sheets are cached."""
        return all(self._is_whole(sheet_id) for sheet_id in sheet_ids)

    def _is_whole(self, sheet_id: str) -> bool:
        file = self._file(sheet_id)
        if sheet_id in self._verified or not file.is_file():
            return sheet_id in self._verified
        try:
            with safe_open(file, "pt") as stored:
                checksum = (stored.metadata() or {}).get(_CHECKSUM)
            whole = checksum == _digest(load_file(file))
        except SafetensorError:
            whole = False
        if whole:
            self._verified.add(sheet_id)
        else:
            log.warning("%s is damaged: the sheet is encoded again", file)
            file.unlink(missing_ok=True)
        return whole

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
            tensors = {"grid": grid.contiguous(), "levels": part.contiguous()}
            with atomic_write(self._file(sheet_id), sync=False) as file:
                save_file(tensors, file, {_CHECKSUM: _digest(tensors)})

    def _file(self, sheet_id: str) -> Path:
        return self._folder / f"{sheet_id}.safetensors"


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """The SHA-256 of the tensors' bytes, in hex."""
    digest = hashlib.sha256()
    for _, tensor in sorted(tensors.items()):
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def bytes_per_token(vision_config: Any, dtype: torch.dtype) -> int:
    """Cache size of one image placeholder, in bytes."""
    levels = 1 + len(vision_config.deepstack_visual_indexes)
    return int(levels * vision_config.out_hidden_size * dtype.itemsize)

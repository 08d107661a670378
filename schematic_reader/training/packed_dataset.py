"""Packed batches, decoded and encoded on demand: on a GPU ahead of time, in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig

from schematic_reader.io.parallel import cores
from schematic_reader.model import distributed
from schematic_reader.model.device import Device
from schematic_reader.model.encode import IGNORE_INDEX, Encoded, Encoder
from schematic_reader.model.packed_batch import BatchShape, PackedBatch, pack_batch
from schematic_reader.model.vision_inputs import vision_inputs
from schematic_reader.training.examples import Examples, sample_id
from schematic_reader.training.feature_cache import FeatureCache

_MAX_WORKERS = 16  # 12 make 260 tiles a second, fewer than one GPU takes with the small model


@dataclass(frozen=True)
class PackedDataset:
    """The packed batches of ``plan``, each a tuple of indexes of examples; an empty one is a spare batch.

    Args:
        vision_config: of the model whose vision tower gets the batches.
        shape: what all batches are padded to; None for no padding.
        feature_cache: where vision features are read and written; None for a split that is not cached.
    """

    examples: Examples
    encoder: Encoder
    plan: Sequence[tuple[int, ...]]
    device: Device
    vision_config: Qwen3VLVisionConfig
    shape: BatchShape | None = None
    feature_cache: FeatureCache | None = None

    def batch(self, number: int) -> PackedBatch:
        """Batch ``number`` of the plan on the CPU, with cached features in place of pixels if there are."""
        if not self.plan[number]:
            return self._spare_batch()
        rows = [self.examples.rows[index] for index in self.plan[number]]
        sheet_ids = [sample_id(row) for row in rows]
        image_features = None
        if self.feature_cache is not None and self.feature_cache.has(sheet_ids):
            cached = [self.feature_cache.read(sheet_id) for sheet_id in sheet_ids]
            image_features = torch.cat([one.levels for one in cached], 1)  # (levels, P, width)
            samples = [
                self.encoder.encode_with_cached_features(one.grid, row["messages"])
                for one, row in zip(cached, rows, strict=True)
            ]
        else:
            samples = [self._encode(index) for index in self.plan[number]]
        packed = self._pack(samples, sheet_ids, image_features)
        if image_features is not None:
            return packed
        inputs = vision_inputs(packed.image_grid_thw, self.vision_config)
        return replace(packed, vision_inputs=inputs, cache_features=self.feature_cache is not None)

    def _encode(self, index: int) -> Encoded:
        """The sample of one example; its pixels get their type before they are copied into a batch."""
        sample = self.examples.encode(index, self.encoder)
        return replace(sample, pixel_values=sample.pixel_values.to(self.device.dtype))

    def _pack(
        self, samples: list[Encoded], sheet_ids: list[str], image_features: torch.Tensor | None = None
    ) -> PackedBatch:
        return pack_batch(
            samples,
            sheet_ids,
            merge_size=self.encoder.merge_size,
            pad_id=self.encoder.pad_id,
            shape=self.shape,
            image_features=image_features,
        )

    def _spare_batch(self) -> PackedBatch:
        """The shortest sample without an answer, for a rank that a step has no sheet for.

        Its loss and gradients are 0, and its rank takes part in what the ranks compute together.
        """
        shortest = min(range(len(self.examples.lengths)), key=self.examples.lengths.__getitem__)
        sample = self._encode(shortest)
        return self._pack([replace(sample, labels=torch.full_like(sample.labels, IGNORE_INDEX))], [])

    def collate(self, items: list[dict[str, list[int]]]) -> dict[str, Any]:
        """The packed batches that one rank has of one optimizer step, ``[{"numbers": numbers}]``."""
        return {"batches": [self.batch(number) for number in items[0]["numbers"]]}

    def batches(self, numbers: Sequence[int] | None = None) -> Iterator[PackedBatch]:
        """All batches in order, or those of ``numbers``, on the device."""
        numbers = range(len(self.plan)) if numbers is None else numbers
        # With batch_size None the loader collates single elements, which are numbers of batches here.
        loader: Any = DataLoader(
            numbers,  # type: ignore[arg-type]
            batch_size=None,
            collate_fn=self.batch,  # type: ignore[arg-type]
            generator=torch.Generator(),  # the default generator belongs to dropout
            num_workers=min(num_workers(self.device), len(numbers)),
            pin_memory=self.device.name == "cuda",
        )
        for batch in loader:
            yield batch.to(self.device.torch_device)


def num_workers(device: Device) -> int:
    """Number of processes that decode and encode sheets ahead of the model.

    None on a CPU, where the model needs every core.
    """
    if device.name != "cuda":
        return 0
    return max(1, min(_MAX_WORKERS, cores() // distributed.local_world_size() - 1))

"""Rows for the model, decoded and encoded when they are asked for: ahead and in other processes on a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.data import DataLoader

from schematic_reader.io.parallel import cores
from schematic_reader.model import processes
from schematic_reader.model.device import Device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.row import Row, Shape, lay_out
from schematic_reader.training.examples import Examples
from schematic_reader.training.features import FeatureCache

_MAX_WORKERS = 12  # 25 ms a sheet each: more than one GPU reads


@dataclass(frozen=True)
class Feed:
    """The rows of ``plan``, each a tuple of indexes of examples.

    Args:
        shape: what all rows are padded to; None for rows as long as their samples.
        seen: where features of pictures are found that the vision tower has seen before, and kept.
    """

    examples: Examples
    encoder: Encoder
    plan: Sequence[tuple[int, ...]]
    device: Device
    shape: Shape | None = None
    seen: FeatureCache | None = None

    def row(self, at: int) -> Row:
        """Row number ``at`` on the CPU, with features in place of pixels if its pictures have been seen."""
        chosen = [self.examples.rows[index] for index in self.plan[at]]
        ids = [row["id"] for row in chosen]
        features = None
        if self.seen is not None and self.seen.has(ids):
            found = [self.seen.read(name) for name in ids]
            features = torch.cat([one.levels for one in found], 1)
            pairs = zip(found, chosen, strict=True)
            samples = [self.encoder.encode_seen(one.grid, row["messages"]) for one, row in pairs]
        else:
            samples = [self.examples.encode(index, self.encoder) for index in self.plan[at]]
        made = lay_out(
            samples,
            ids,
            merge=self.encoder.merge,
            pad_id=self.encoder.pad_id,
            shape=self.shape,
            features=features,
        )
        keep = self.seen is not None and features is None
        return replace(made, pixel_values=made.pixel_values.to(self.device.dtype), keep=keep)

    def collate(self, items: list[dict[str, int]]) -> dict[str, Any]:
        """The one row of a batch, ``{"row": number}``."""
        return {"row": self.row(items[0]["row"])}

    def rows(self) -> Iterator[Row]:
        """All rows in order, on the device."""
        # With no batch size, what is collated is one element, here the number of a row.
        loader: Any = DataLoader(
            range(len(self.plan)),  # type: ignore[arg-type]
            batch_size=None,
            collate_fn=self.row,  # type: ignore[arg-type]
            generator=torch.Generator(),  # leaves alone the one that dropout draws from
            num_workers=min(workers(self.device), len(self.plan)),
            pin_memory=self.device.name == "cuda",
        )
        for row in loader:
            yield row.to(self.device.place)


def workers(device: Device) -> int:
    """How many processes decode and encode sheets ahead of the model.

    On a CPU the model needs every core, and a worker would only take one away.
    """
    if device.name != "cuda":
        return 0
    return max(1, min(_MAX_WORKERS, cores() // processes.on_this_machine() - 1))

"""Rows for the model, decoded and encoded ahead by worker processes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch.utils.data import DataLoader, Dataset

from stages.store.parallel import cores
from stages.vlm.device import Device
from stages.vlm.encode import Encoder
from stages.vlm.examples import Examples
from stages.vlm.row import Row, Shape, lay_out

_MAX_WORKERS = 12  # 25 ms a sheet each: more than one GPU reads


@dataclass(frozen=True)
class _Rows(Dataset[Row]):
    examples: Examples
    encoder: Encoder
    plan: Sequence[tuple[int, ...]]
    shape: Shape | None
    dtype: torch.dtype

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, at: int) -> Row:
        samples = [self.examples.encode(index, self.encoder) for index in self.plan[at]]
        ids = [self.examples.rows[index]["id"] for index in self.plan[at]]
        row = lay_out(samples, ids, merge=self.encoder.merge, pad_id=self.encoder.pad_id, shape=self.shape)
        return replace(row, pixel_values=row.pixel_values.to(self.dtype))


@dataclass
class Feed:
    """Iterates over the rows of ``plan``, on the device, and counts the time that is spent waiting for them.

    Args:
        shape: what all rows are padded to; None for rows as long as their samples.
    """

    examples: Examples
    encoder: Encoder
    plan: Sequence[tuple[int, ...]]
    device: Device
    shape: Shape | None = None
    waited: float = field(default=0.0, init=False)  # seconds

    def __iter__(self) -> Iterator[Row]:
        on_cuda = self.device.name == "cuda"
        # On a CPU the model needs every core, and a worker would only take one away.
        workers = min(_MAX_WORKERS, cores() - 1, len(self.plan)) if on_cuda else 0
        loader = DataLoader(
            _Rows(self.examples, self.encoder, self.plan, self.shape, self.device.dtype),
            batch_size=None,
            num_workers=workers,
            pin_memory=on_cuda,
            prefetch_factor=2 if workers else None,
            generator=torch.Generator(),  # leaves alone the one that dropout draws from
        )
        rows = iter(loader)
        while True:
            start = time.perf_counter()
            row = next(rows, None)
            self.waited += time.perf_counter() - start
            if row is None:
                return
            yield row.to(self.device.name)

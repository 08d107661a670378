"""A stream of chunks of pictures, made by worker processes and delivered in order.

The stream holds the same bytes whatever the number of workers: worker ``w`` makes the chunks at the places
``w``, ``w + workers`` and so on, each from its own number, into shared memory of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Protocol

import numpy as np

# Chunks of this number and above are of held-out sheets: they are never trained on.
VALIDATION_CHUNK = 1_000_000_000
_DEPTH = 3  # finished chunks that a worker keeps ahead


@dataclass
class Chunk:
    """Pictures of one shape as the training takes them; ``n`` pictures, ``k`` sets of questions each."""

    pictures: np.ndarray  # uint8 (n, height, width): palette indices
    tokens: np.ndarray  # int16 (n, k, slots): questions and answers
    answers: np.ndarray  # uint8 (n, k, slots): 1 where the token belongs to an answer
    characters: np.ndarray  # uint8 (n, height / SPOT, width / SPOT): class of the character in the spot
    kinds: np.ndarray  # uint8 (n, 2, rows, columns): class of the symbol whose middle, body is in the cell
    asked: np.ndarray  # uint8 (n, k, number of slots): which question stands in the slot
    enlarged: np.ndarray  # uint8 (n,): by how much the picture is enlarged, a place in enlarged.FACTORS

    @classmethod
    def empty(cls, like: Chunk, buffer: Any) -> Chunk:
        """A chunk of the same shapes in ``buffer``."""
        arrays, offset = {}, 0
        for field in fields(cls):
            model = getattr(like, field.name)
            arrays[field.name] = np.ndarray(model.shape, model.dtype, buffer, offset)
            offset += -(-model.nbytes // 8) * 8
        return cls(**arrays)

    @property
    def nbytes(self) -> int:
        return sum(-(-getattr(self, field.name).nbytes // 8) * 8 for field in fields(self))

    def copy_from(self, other: Chunk) -> None:
        for field in fields(self):
            getattr(self, field.name)[...] = getattr(other, field.name)


class Maker(Protocol):
    """Makes chunks; it is sent to the workers, so it must be small and importable by name."""

    def empty(self, name: str) -> Chunk:
        """A chunk of a shape, with nothing in it."""

    def __call__(self, number: int, name: str) -> Chunk:
        """The chunk of a number, always the same."""


Order = tuple[int, str]  # number and shape of a chunk


class Feed:
    """Iterates over chunks in order.

    A chunk is valid until the next one is asked for. With no workers, chunks are made on demand.

    Args:
        names: of all shapes that can be asked for.
        orders: the chunk at each place of the stream, from place 0 on.
    """

    def __init__(self, make: Maker, names: list[str], orders: Callable[[int], Order], workers: int) -> None:
        self._make = make
        self._orders = orders
        self._workers: list[Any] = []
        self._memory: list[list[SharedMemory]] = []
        if not workers:
            return
        context = multiprocessing.get_context("spawn")
        self._models = {name: make.empty(name) for name in names}
        size = max(model.nbytes for model in self._models.values())
        self._queues = [(context.Queue(), context.Queue()) for _ in range(workers)]
        for which, (free, full) in enumerate(self._queues):
            memory = [SharedMemory(create=True, size=size) for _ in range(_DEPTH)]
            self._memory.append(memory)
            blocks = [block.name for block in memory]
            worker = context.Process(target=_work, args=(make, blocks, names, free, full), daemon=True)
            worker.start()
            self._workers.append(worker)
            for index in range(_DEPTH):
                free.put((index, orders(which + index * workers)))

    def __iter__(self) -> Iterator[tuple[str, Chunk]]:
        for place in itertools.count():
            number, name = self._orders(place)
            if not self._workers:
                yield name, self._make(number, name)
                continue
            which = place % len(self._workers)
            free, full = self._queues[which]
            while True:
                try:
                    index = full.get(timeout=5)
                    break
                except queue.Empty:
                    if not self._workers[which].is_alive():
                        raise RuntimeError("a worker that makes pictures has died: see above") from None
            yield name, Chunk.empty(self._models[name], self._memory[which][index].buf)
            free.put((index, self._orders(place + _DEPTH * len(self._workers))))

    def close(self) -> None:
        """Ends the workers and frees the shared memory."""
        for worker in self._workers:
            worker.terminate()
            worker.join()
        for block in (block for memory in self._memory for block in memory):
            with contextlib.suppress(BufferError):  # somebody still looks at its last chunk
                block.close()
            block.unlink()
        self._workers, self._memory = [], []


def _work(make: Maker, blocks: list[str], names: list[str], free: Any, full: Any) -> None:
    os.nice(5)
    models = {name: make.empty(name) for name in names}
    memory = [SharedMemory(name=block) for block in blocks]
    while True:
        index, (number, name) = free.get()
        Chunk.empty(models[name], memory[index].buf).copy_from(make(number, name))
        full.put(index)

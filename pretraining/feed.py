"""A stream of chunks of sheets, made by worker processes and delivered in order.

The stream holds the same bytes whatever the number of workers: worker ``w`` makes the chunks at the places
``w``, ``w + workers`` and so on, each from its own number, into shared memory of its own.
"""

from __future__ import annotations

import itertools
import multiprocessing
import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Protocol

import numpy as np

_DEPTH = 3  # finished chunks that a worker keeps ahead


@dataclass
class Chunk:
    """Sheets as the training takes them; ``n`` sheets, ``k`` sets of questions each."""

    pictures: np.ndarray  # uint8 (n, height, width): palette indices
    tokens: np.ndarray  # int16 (n, k, slots): questions and answers
    answers: np.ndarray  # uint8 (n, k, slots): 1 where the token belongs to an answer
    cells: np.ndarray  # uint8 (n, cells, bytes): packed bits, 1 where the label holds in the cell
    asked: np.ndarray  # uint8 (n, k, number of slots): which question stands in the slot

    @classmethod
    def empty(cls, like: Chunk, buffer: Any) -> Chunk:
        """A chunk of the same shapes in ``buffer``."""
        arrays, offset = {}, 0
        for field in fields(cls):
            model = getattr(like, field.name)
            arrays[field.name] = np.ndarray(model.shape, model.dtype, buffer, offset)
            offset += model.nbytes
        return cls(**arrays)

    @property
    def nbytes(self) -> int:
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    def copy_from(self, other: Chunk) -> None:
        for field in fields(self):
            getattr(self, field.name)[...] = getattr(other, field.name)


class Maker(Protocol):
    """Makes chunks; it is sent to the workers, so it must be small and importable by name."""

    def empty(self) -> Chunk:
        """A chunk of the right shapes and types."""

    def __call__(self, number: int) -> Chunk:
        """The chunk of a number, always the same."""


class Feed:
    """Iterates over the chunks of the given numbers.

    A chunk is valid until the next one is asked for. With no workers, chunks are made on demand.

    Args:
        numbers: the number of the chunk at each place of the stream, from place 0 on.
    """

    def __init__(self, make: Maker, numbers: Callable[[int], int], workers: int) -> None:
        self._make = make
        self._numbers = numbers
        self._workers: list[Any] = []
        self._memory: list[list[SharedMemory]] = []
        if not workers:
            return
        context = multiprocessing.get_context("spawn")
        model = make.empty()
        self._queues = [(context.Queue(), context.Queue()) for _ in range(workers)]
        self._views = []
        for which, (free, full) in enumerate(self._queues):
            memory = [SharedMemory(create=True, size=model.nbytes) for _ in range(_DEPTH)]
            self._memory.append(memory)
            self._views.append([Chunk.empty(model, block.buf) for block in memory])
            names = [block.name for block in memory]
            worker = context.Process(target=_work, args=(make, names, free, full), daemon=True)
            worker.start()
            self._workers.append(worker)
            for index in range(_DEPTH):
                free.put((index, numbers(which + index * workers)))

    def __iter__(self) -> Iterator[Chunk]:
        for place in itertools.count():
            if not self._workers:
                yield self._make(self._numbers(place))
                continue
            free, full = self._queues[place % len(self._workers)]
            while True:
                try:
                    index = full.get(timeout=5)
                    break
                except queue.Empty:
                    if not self._workers[place % len(self._workers)].is_alive():
                        raise RuntimeError("a worker that makes sheets has died: see above") from None
            yield self._views[place % len(self._workers)][index]
            free.put((index, self._numbers(place + _DEPTH * len(self._workers))))

    def close(self) -> None:
        """Ends the workers and frees the shared memory."""
        for worker in self._workers:
            worker.terminate()
            worker.join()
        self._views = []
        for block in (block for memory in self._memory for block in memory):
            block.close()
            block.unlink()
        self._workers, self._memory = [], []


def _work(make: Maker, names: list[str], free: Any, full: Any) -> None:
    model = make.empty()
    blocks = [SharedMemory(name=name) for name in names]
    views = [Chunk.empty(model, block.buf) for block in blocks]
    while True:
        index, number = free.get()
        views[index].copy_from(make(number))
        full.put(index)

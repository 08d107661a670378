"""A stream of chunks of sheets, made by worker processes and delivered in order.

Chunk ``i`` holds the same bytes whatever the number of workers: worker ``w`` makes the chunks ``w``,
``w + workers`` and so on, each from its own number, into shared memory of its own.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from multiprocessing.shared_memory import SharedMemory
from typing import Any

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


class Feed:
    """Iterates over the chunks ``first``, ``first + 1`` and so on without end.

    A chunk is valid until the next one is asked for. With no workers, chunks are made on demand.

    Args:
        make: makes the chunk of a number; must be importable by name, as it is sent to the workers.
    """

    def __init__(self, make: Callable[[int], Chunk], workers: int, first: int = 0) -> None:
        self._make = make
        self._first = first
        self._workers: list[Any] = []
        self._memory: list[list[SharedMemory]] = []
        if not workers:
            return
        context = multiprocessing.get_context("spawn")
        model = make(first)
        self._queues = [(context.Queue(), context.Queue()) for _ in range(workers)]
        self._views = []
        for number, (free, full) in enumerate(self._queues):
            memory = [SharedMemory(create=True, size=model.nbytes) for _ in range(_DEPTH)]
            self._memory.append(memory)
            self._views.append([Chunk.empty(model, block.buf) for block in memory])
            for index in range(_DEPTH):
                free.put(index)
            worker = context.Process(
                target=_work,
                args=(make, first + number, workers, [block.name for block in memory], free, full),
                daemon=True,
            )
            worker.start()
            self._workers.append(worker)

    def __iter__(self) -> Iterator[Chunk]:
        number = self._first
        while True:
            if not self._workers:
                yield self._make(number)
            else:
                which = (number - self._first) % len(self._workers)
                free, full = self._queues[which]
                while True:
                    try:
                        index = full.get(timeout=5)
                        break
                    except multiprocessing.queues.Empty:
                        if not self._workers[which].is_alive():
                            raise RuntimeError(
                                "a worker that makes sheets has died: see its message above"
                            ) from None
                yield self._views[which][index]
                free.put(index)
            number += 1

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


def _work(
    make: Callable[[int], Chunk], number: int, stride: int, names: list[str], free: Any, full: Any
) -> None:
    model = make(number)
    blocks = [SharedMemory(name=name) for name in names]
    views = [Chunk.empty(model, block.buf) for block in blocks]
    while True:
        index = free.get()
        views[index].copy_from(model)
        full.put(index)
        number += stride
        model = make(number)

"""What a model is asked: message rows with their pictures, made ready while it answers the ones before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar

import torch
from PIL import Image as PILImage

from schematic_reader.io.parallel import cores
from schematic_reader.model import processes
from schematic_reader.model.encode import Encoded, Encoder

GREY = (128, 128, 128)

_MAX_THREADS = 16  # 45 ms a sheet each: more than one GPU answers
_AHEAD = 3  # batches that are made ready or waiting

T = TypeVar("T")

Said = tuple[list[int], list[float]]
"""Tokens of an answer and, but for a beam search, the probability of each."""


class Shown(Protocol):
    """The pictures of message rows as the model gets them; ``model.sheets.Sheets`` is one."""

    def picture(self, row: dict[str, Any]) -> PILImage.Image: ...
    def size(self, row: dict[str, Any]) -> tuple[int, int]: ...


@dataclass(frozen=True)
class Questions:
    """Message rows that a model is asked about.

    Args:
        blind: show a grey sheet of the same size in place of each picture.
        dtype: of the pixels.
    """

    encoder: Encoder
    sheets: Shown
    rows: Sequence[dict[str, Any]]
    blind: bool
    dtype: torch.dtype

    @cached_property
    def lengths(self) -> list[tuple[int, int]]:
        """Tokens of each row's prompt and of its right answer, told without opening a picture."""
        found = []
        for row in self.rows:
            answer = len(self.encoder.answer_ids(row["messages"][-1]["content"][0]["text"]))
            found.append((self.encoder.prompt_length([self.sheets.size(row)], row["messages"]), answer))
        return found

    def longest_first(self) -> list[int]:
        """The numbers of the rows, those with the longest right answers first, then the longest prompts."""
        return sorted(range(len(self.rows)), key=lambda i: (-self.lengths[i][1], -self.lengths[i][0], i))

    def key(self, number: int) -> str:
        """The name under which the answer about a row is kept."""
        return f"{'blind' if self.blind else 'seen'}:{self.rows[number]['id']}"

    def encode(self, number: int) -> Encoded:
        """The prompt about a row."""
        row = self.rows[number]
        picture = PILImage.new("RGB", self.sheets.size(row), GREY) if self.blind else self.sheets.picture(row)
        made = self.encoder.encode_prompt([picture], row["messages"])
        return replace(made, pixel_values=made.pixel_values.to(self.dtype))

    def ahead(
        self, batches: Sequence[Sequence[int]], made: Callable[[list[Encoded]], T]
    ) -> Iterator[tuple[Sequence[int], Future[T]]]:
        """Each batch of rows with what ``made`` makes of their prompts, in threads, some batches ahead."""
        threads = max(1, min(_MAX_THREADS, cores() // processes.on_this_machine()))
        # Each thread's own threads inside PyTorch would only be in the others' way.
        alone = partial(torch.set_num_threads, 1)
        with (
            ThreadPoolExecutor(1, initializer=alone) as maker,
            ThreadPoolExecutor(threads, initializer=alone) as encoders,
        ):
            coming = deque[tuple[Sequence[int], Future[T]]]()
            for batch in batches:
                encoded = [encoders.submit(self.encode, number) for number in batch]
                coming.append((batch, maker.submit(lambda these: made([e.result() for e in these]), encoded)))
                if len(coming) == _AHEAD:
                    yield coming.popleft()
            yield from coming

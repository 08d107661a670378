"""Prompts of message rows: their lengths, their images, and their encoding in threads ahead of the GPU."""

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
from schematic_reader.model import distributed
from schematic_reader.model.encode import Encoded, Encoder

GREY = (128, 128, 128)
"""The one colour of the sheet that the no-image control shows."""

_MAX_THREADS = 16  # 45 ms a sheet and thread: more sheets per second than one GPU answers
_BATCHES_AHEAD = 3  # encoded or being encoded

T = TypeVar("T")


class ImageSource(Protocol):
    """The images of message rows as the model gets them; ``model.sheet_images.SheetImages`` is one."""

    def picture(self, row: dict[str, Any]) -> PILImage.Image: ...
    def size(self, row: dict[str, Any]) -> tuple[int, int]: ...


@dataclass(frozen=True)
class PromptBatch:
    """The prompts of one call: message rows with their images.

    Rows are named by their number, 0 for the first.

    Args:
        with_image: False puts a grey image of the same size in place of each (the no-image control).
    """

    encoder: Encoder
    images: ImageSource
    rows: Sequence[dict[str, Any]]
    with_image: bool = True

    @cached_property
    def lengths(self) -> list[tuple[int, int]]:
        """Tokens of each row's prompt and of its target, computed without opening an image."""
        found = []
        for row in self.rows:
            target = len(self.encoder.answer_ids(row["messages"][-1]["content"][0]["text"]))
            found.append((self.encoder.prompt_length([self.images.size(row)], row["messages"]), target))
        return found

    def longest_first(self) -> list[int]:
        """The rows' numbers by descending length of the target, then of the prompt."""
        return sorted(range(len(self.rows)), key=lambda i: (-self.lengths[i][1], -self.lengths[i][0], i))

    def image(self, number: int) -> PILImage.Image:
        """The image that the model gets with the row's prompt, RGB."""
        row = self.rows[number]
        return (
            self.images.picture(row) if self.with_image else PILImage.new("RGB", self.images.size(row), GREY)
        )

    def encode(self, number: int, dtype: torch.dtype) -> Encoded:
        """The row's prompt, its ``pixel_values`` in ``dtype``."""
        encoded = self.encoder.encode_prompt([self.image(number)], self.rows[number]["messages"])
        return replace(encoded, pixel_values=encoded.pixel_values.to(dtype))

    def encode_ahead(
        self,
        batches: Sequence[Sequence[int]],
        collate: Callable[[list[Encoded]], T],
        dtype: torch.dtype,
    ) -> Iterator[tuple[Sequence[int], Future[T]]]:
        """Each batch of row numbers with its collated prompts, made in threads, some batches ahead.

        Args:
            collate: from a batch's encoded prompts to what the model takes.
            dtype: of the pixel values.
        """
        threads = max(1, min(_MAX_THREADS, cores() // distributed.local_world_size()))
        # One PyTorch thread in each of ours: more would compete for the same cores.
        single = partial(torch.set_num_threads, 1)
        with (
            ThreadPoolExecutor(1, initializer=single) as collator,
            ThreadPoolExecutor(threads, initializer=single) as encoders,
        ):
            pending = deque[tuple[Sequence[int], Future[T]]]()
            for batch in batches:
                encoded = [encoders.submit(self.encode, number, dtype) for number in batch]
                # `these` is bound at call time of the lambda, so each batch collates its own prompts.
                made = collator.submit(lambda these: collate([each.result() for each in these]), encoded)
                pending.append((batch, made))
                if len(pending) == _BATCHES_AHEAD:
                    yield pending.popleft()
            yield from pending

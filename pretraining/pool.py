"""The last pictures of the stream, on the training device, and the batches drawn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pretraining.feed import Chunk

_DTYPES = {np.dtype(np.uint8): torch.uint8, np.dtype(np.int16): torch.int16}
_ARRAYS = ("pictures", "tokens", "answers", "characters", "kinds", "enlarged")


@dataclass(frozen=True)
class Batch:
    """Tensors on the training device; see ``feed.Chunk`` for what they hold."""

    pictures: torch.Tensor  # uint8 (batch, height, width)
    themes: torch.Tensor  # int64 (batch,): which colours
    tokens: torch.Tensor  # int64 (batch, slots)
    answers: torch.Tensor  # bool (batch, slots)
    characters: torch.Tensor  # uint8 (batch, height / SPOT, width / SPOT)
    kinds: torch.Tensor  # uint8 (batch, 2, rows, columns)
    enlarged: torch.Tensor  # int64 (batch,): by how much, a place in enlarged.FACTORS


class Pool:
    """Holds picture ``i`` of the stream at place ``i % size``.

    Pictures go to the device on a stream of their own, so that the copy does not wait for earlier steps.
    """

    def __init__(self, like: Chunk, size: int, device: torch.device) -> None:
        self.size = size
        self.device = device
        self.count = 0
        self._arrays = {
            name: torch.zeros(
                (size, *getattr(like, name).shape[1:]),
                dtype=_DTYPES[getattr(like, name).dtype],
                device=device,
            )
            for name in _ARRAYS
        }
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def add(self, chunk: Chunk) -> None:
        """Append the pictures of a chunk; the oldest ones make room. The chunk may be reused at once."""
        places = (self.count + torch.arange(len(chunk.pictures))) % self.size
        arrived = self._arrive(chunk)
        for name, array in self._arrays.items():
            array[places.to(self.device)] = arrived[name]
        self.count += len(places)

    def draw(self, batch: int, fresh: int, themes: int, generator: torch.Generator) -> Batch:
        """The last ``fresh`` pictures and others at random, each with one of its sets of questions.

        Args:
            themes: how many colour themes there are; each is as frequent as every other.
        """
        kept = min(self.count, self.size)
        new = torch.arange(self.count - fresh, self.count)
        old = torch.randint(self.count - kept, self.count, (batch - fresh,), generator=generator)
        places = torch.cat([new, old]) % self.size
        sets = torch.randint(0, self._arrays["tokens"].shape[1], (batch,), generator=generator)
        theme = torch.randint(0, themes, (batch,), generator=generator)
        at, of, theme = (t.to(self.device, non_blocking=True) for t in (places, sets, theme))
        return Batch(
            self._arrays["pictures"][at],
            theme,
            self._arrays["tokens"][at, of].long(),
            self._arrays["answers"][at, of].bool(),
            self._arrays["characters"][at],
            self._arrays["kinds"][at],
            self._arrays["enlarged"][at].long(),
        )

    def _arrive(self, chunk: Chunk) -> dict[str, torch.Tensor]:
        arrays = {name: torch.from_numpy(getattr(chunk, name)) for name in self._arrays}
        if self._stream is None:
            return arrays
        with torch.cuda.stream(self._stream):
            sent = {name: array.to(self.device) for name, array in arrays.items()}
        self._stream.synchronize()
        main = torch.cuda.current_stream(self.device)
        main.wait_stream(self._stream)
        for tensor in sent.values():
            tensor.record_stream(main)
        return sent

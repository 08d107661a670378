"""How long the device takes for what it is asked to do, without waiting for it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Moment:
    """When the device had done all that it had been asked for until then."""

    def __init__(self, device: torch.device) -> None:
        self._seconds = time.perf_counter()
        self._event = torch.cuda.Event(enable_timing=True) if device.type == "cuda" else None
        if self._event is not None:
            self._event.record()

    def wait(self) -> None:
        """Return once the device has come so far."""
        if self._event is not None:
            self._event.synchronize()

    def since(self, earlier: Moment) -> float:
        """Milliseconds since ``earlier``; both have been waited for."""
        if self._event is None or earlier._event is None:
            return 1000 * (self._seconds - earlier._seconds)
        return float(earlier._event.elapsed_time(self._event))


class Stopwatch:
    """Takes the time of things of several kinds on ``device``."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._taken: dict[str, list[tuple[Moment, Moment]]] = defaultdict(list)

    def now(self) -> Moment:
        return Moment(self._device)

    @contextmanager
    def taking(self, kind: str) -> Iterator[None]:
        """Take the time of the block; it may end before the device does."""
        start = self.now()
        yield
        self._taken[kind].append((start, self.now()))

    def milliseconds(self, kind: str) -> list[float]:
        """What each block of that kind took."""
        self.now().wait()
        return [end.since(start) for start, end in self._taken[kind]]

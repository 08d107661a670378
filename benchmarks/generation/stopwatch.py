"""CUDA event timers around calls, which take the device's time without waiting for it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch


class _Timestamp:
    """When the device has done all that was queued until now."""

    def __init__(self, device: torch.device) -> None:
        self._seconds = time.perf_counter()
        self._event = torch.cuda.Event(enable_timing=True) if device.type == "cuda" else None
        if self._event is not None:
            self._event.record()

    def wait(self) -> None:
        """Return once the device has come so far."""
        if self._event is not None:
            self._event.synchronize()

    def since(self, earlier: _Timestamp) -> float:
        """Milliseconds since ``earlier``; both have been waited for."""
        if self._event is None or earlier._event is None:
            return 1000 * (self._seconds - earlier._seconds)
        return float(earlier._event.elapsed_time(self._event))


class Stopwatch:
    """Times calls of methods on ``device``, by the method's name."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._spans: dict[str, list[tuple[_Timestamp, _Timestamp]]] = defaultdict(list)

    @contextmanager
    def timing(self, cls: type, *names: str) -> Iterator[None]:
        """Time every call of these methods of ``cls`` until the block ends."""
        plain = {name: getattr(cls, name) for name in names}
        for name in names:
            setattr(cls, name, self._timed(name, plain[name]))
        try:
            yield
        finally:
            for name, method in plain.items():
                setattr(cls, name, method)

    def _timed(self, name: str, method: Any) -> Any:
        @wraps(method)
        def timed(*arguments: Any, **named: Any) -> Any:
            start = _Timestamp(self._device)
            result = method(*arguments, **named)
            self._spans[name].append((start, _Timestamp(self._device)))
            return result

        return timed

    def milliseconds(self, name: str) -> list[float]:
        """What each call of that method took."""
        _Timestamp(self._device).wait()
        return [end.since(start) for start, end in self._spans[name]]

    def seconds_after(self, name: str, other: str) -> float:
        """From the end of the last call of ``name`` to that of the last one of ``other``."""
        _Timestamp(self._device).wait()
        return self._spans[other][-1][1].since(self._spans[name][-1][1]) / 1000

"""An ordered parallel map over processes with a bounded number of jobs in flight."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from schematic_reader.cli import UserError

Job = TypeVar("Job")
Result = TypeVar("Result")

_IN_FLIGHT = 4  # jobs a worker, so that none waits while results are yielded in order
_call_in_worker: Callable[[Any], Any]  # set in worker processes alone


def cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered_map(function: Callable[[Job], Result], tasks: Iterable[Job], *, workers: int) -> Iterator[Result]:
    """Yield ``function(task)`` for each task, in order; at most a few tasks a worker are under way.

    Args:
        function: a module's function, a ``functools.partial`` of one or another object that can be pickled.
            Each worker gets it once, so it may hold much that every task needs.
        workers: processes; with 1 the work is done in this one.

    Raises:
        UserError: a worker was killed from outside, as the system does when memory runs out.
    """
    if workers == 1:
        yield from map(function, tasks)
        return
    # Not forked: pyarrow runs threads by then, and a fork would copy the locks that they hold.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_prepare_worker, initargs=(function,)
    ) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(_call, task))
                if len(waiting) == workers * _IN_FLIGHT:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                "a worker process was killed, most likely for lack of memory: free memory or lower "
                "clean.max_pixels, then run the same command again"
            ) from None
        finally:
            # Waited for here: left to the interpreter's end, the pool may be closing its pipe just then.
            pool.shutdown(cancel_futures=True)


def _prepare_worker(function: Callable[[Any], Any]) -> None:
    global _call_in_worker
    _call_in_worker = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts are the parent's


def _call(task: Any) -> Any:
    return _call_in_worker(task)

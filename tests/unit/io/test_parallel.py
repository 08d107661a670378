"""Work over processes: order, bounds and what happens when one is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from schematic_reader.cli import UserError
from schematic_reader.io.parallel import cores, ordered_map


def square(number: int) -> int:
    return number * number


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(number: int) -> int:
    raise ValueError(f"bad {number}")


class Heavy:
    """A function that counts how often it is sent to another process."""

    sent = 0

    def __call__(self, number: int) -> int:
        return number + 1

    def __reduce__(self) -> tuple[type[Heavy], tuple[()]]:
        Heavy.sent += 1
        return Heavy, ()


def test_each_worker_gets_the_function_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What copies of sheets are drawn from takes a second to send, and three times as long as a copy."""
    monkeypatch.setattr(Heavy, "sent", 0)
    assert list(ordered_map(Heavy(), range(20), workers=2)) == list(range(1, 21))
    assert 1 <= Heavy.sent <= 2


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    assert list(ordered_map(square, range(50), workers=workers)) == [number**2 for number in range(50)]


@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_are_not_taken_far_ahead_of_the_results(workers: int) -> None:
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    results = ordered_map(square, tasks(), workers=workers)
    for _ in range(5):
        next(results)
    results.close()  # type: ignore[attr-defined]
    assert taken <= 5 + 4 * workers


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_is_raised_here(workers: int) -> None:
    with pytest.raises(ValueError, match="bad 0"):
        list(ordered_map(fail, range(5), workers=workers))


def test_a_killed_worker_is_one_line_about_memory() -> None:
    with pytest.raises(UserError, match="killed.*memory"):
        list(ordered_map(die, range(10), workers=2))


@pytest.mark.parametrize("function", [square, fail])
def test_no_worker_outlives_the_map(function: Callable[[int], int]) -> None:
    """The interpreter, which waits for those that are left, would meet what they have closed meanwhile."""
    with suppress(ValueError):
        list(ordered_map(function, range(1), workers=2))
    assert multiprocessing.active_children() == []


def test_there_is_at_least_one_core() -> None:
    assert cores() >= 1

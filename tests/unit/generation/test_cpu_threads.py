"""Continuous batching in several threads of a CPU: the same answers, errors, and what is left behind."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from schematic_reader.generation import continuous_batching
from schematic_reader.generation.continuous_batching import Request, _in_threads
from schematic_reader.generation.kv_cache import SlotKVCache
from schematic_reader.generation.prompts import PromptBatch
from schematic_reader.model.device import float32_matmul
from schematic_reader.model.encode import Encoded
from tests.support.answering import Ask, Rows

Stopped = Callable[[], bool]


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def seen_by(monkeypatch: pytest.MonkeyPatch, name: str, look: Callable[..., Any]) -> list[Any]:
    """What ``look`` says to the arguments of each call of a method of ``SlotKVCache``."""
    found, method = [], getattr(SlotKVCache, name)

    def looked(self: SlotKVCache, *args: Any) -> torch.Tensor:
        found.append(look(*args))
        result: torch.Tensor = method(self, *args)
        return result

    monkeypatch.setattr(SlotKVCache, name, looked)
    return found


def test_a_process_with_one_thread_for_its_kernels_answers_in_one(
    rows: Rows, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was started with ``OMP_NUM_THREADS=1``, however many cores there are."""
    torch.set_num_threads(1)
    prefills = seen_by(monkeypatch, "prefill", lambda *_: threading.get_ident())
    ask(rows[1], batch_size=4)
    assert set(prefills) == {threading.get_ident()}


@pytest.mark.parametrize("number", [2, 3])
def test_threads_answer_as_one_does(
    rows: Rows, ask: Ask, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Each row is answered once and in its place, with fewer slots than rows."""
    torch.set_num_threads(1)
    alone = ask(rows[1], batch_size=4)
    torch.set_num_threads(number)
    prefills = seen_by(monkeypatch, "prefill", lambda _, slots: (threading.get_ident(), len(slots)))
    found = ask(rows[1], batch_size=4)
    assert len({thread for thread, _ in prefills}) == number
    assert sum(prompts for _, prompts in prefills) == len(rows[1])
    assert len({answer.text for answer in alone}) > 1
    assert [answer.text for answer in found] == [answer.text for answer in alone]
    for answer, other in zip(found, alone, strict=True):
        assert answer.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert ask(rows[1], batch_size=4) == found


def test_how_long_a_picture_takes_to_encode_does_not_change_what_is_decoded_together(
    rows: Rows, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuous_batching, "PREFILL_TOKENS", 80)  # a prompt each
    torch.set_num_threads(1)
    taken, step, encode = [], SlotKVCache.decode_step, PromptBatch.encode
    started, lock, encoded = threading.Event(), threading.Lock(), list[int]()

    def recorded(self: SlotKVCache, longest: int, slots: int | None = None) -> torch.Tensor:
        taken.append(slots)
        started.set()
        return step(self, longest, slots)

    def slow(self: PromptBatch, number: int, dtype: torch.dtype) -> Encoded:
        with lock:
            encoded.append(number)
            is_first = len(encoded) == 1
        if not is_first:
            started.wait(0.5)
        return encode(self, number, dtype)

    monkeypatch.setattr(SlotKVCache, "decode_step", recorded)
    monkeypatch.setattr(PromptBatch, "encode", slow)
    ask(rows[1], batch_size=5)
    assert taken[0] == 5


def test_all_is_computed_in_inference_mode_and_at_one_precision(
    rows: Rows, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The precision is that of the process: a thread that changed it would change the others' products."""
    torch.set_num_threads(2)

    def state(*_: object) -> tuple[bool, str]:
        return torch.is_inference_mode_enabled(), torch.get_float32_matmul_precision()

    prefills, steps = (seen_by(monkeypatch, name, state) for name in ("prefill", "decode_step"))
    with float32_matmul("medium"):
        ask(rows[1])
        assert torch.get_float32_matmul_precision() == "medium"
    assert {*prefills, *steps} == {(True, "highest")}


def request(number: int) -> Request:
    return Request(number, 0, 1, [])  # type: ignore[arg-type]


def until_stopped(stopped: Stopped, ends: list[bool]) -> None:
    """Wait, 20 seconds at most, and record whether it was told to stop."""
    start = time.monotonic()
    while not stopped() and time.monotonic() < start + 20:
        time.sleep(0.001)
    ends.append(stopped())


def test_an_error_in_one_thread_stops_the_others_and_is_raised() -> None:
    ends: list[bool] = []

    def fails(stopped: Stopped) -> Iterator[Request]:
        yield request(0)
        raise LookupError("no such token")

    def goes_on(stopped: Stopped) -> Iterator[Request]:
        yield request(1)
        until_stopped(stopped, ends)

    threads = threading.active_count()
    found = []
    with pytest.raises(LookupError, match="no such token"):
        for one in _in_threads([goes_on, fails]):
            found.append(one.number)
    assert Counter(found) == {0: 1, 1: 1}
    assert ends == [True]
    assert threading.active_count() == threads


def test_threads_stop_where_no_more_is_asked_for() -> None:
    ends: list[bool] = []

    def goes_on(stopped: Stopped) -> Iterator[Request]:
        yield request(1)
        until_stopped(stopped, ends)

    running = _in_threads([goes_on, goes_on])
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert ends == [True, True]


def test_a_run_that_is_stopped_takes_no_further_step(
    rows: Rows, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread fails at its first step; the other would take some more at most."""
    torch.set_num_threads(2)
    failed, step, steps = threading.Event(), SlotKVCache.decode_step, []

    def fails_once(self: SlotKVCache, longest: int, slots: int | None = None) -> torch.Tensor:
        if not failed.is_set():
            failed.set()
            raise LookupError("no such token")
        time.sleep(0.1)
        steps.append(slots)
        return step(self, longest, slots)

    monkeypatch.setattr(SlotKVCache, "decode_step", fails_once)
    with pytest.raises(LookupError, match="no such token"):
        ask(rows[1], batch_size=4, max_new_tokens=60)
    assert len(steps) < 5


def test_pytorchs_threads_are_shared_out_and_then_as_many_as_before() -> None:
    def told(stopped: Stopped) -> Iterator[Request]:
        yield request(torch.get_num_threads())

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(6)
        assert [one.number for one in _in_threads([told, told, told])] == [2, 2, 2]
        assert torch.get_num_threads() == 6
        later: list[int] = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [6]
        for _ in _in_threads([told] * 9):
            pass
        assert torch.get_num_threads() == 6
    finally:
        torch.set_num_threads(before)

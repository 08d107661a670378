"""Continuous batching: a slot goes to the next request as soon as the one before it has finished.

Prompts are prefilled several at once, packed; between two prefills all running requests take decode steps
together. The host reads a step's tokens some steps later, so that the GPU never waits for it. Which prompts
share a prefill is planned beforehand, and where a run may resume a decode step has the same shapes however
many slots are in use, so that an answer does not depend on which requests were finished before.

On a CPU the requests are shared out over threads, each with slots of its own: the products of a decode step
are so small that one core does them nearly as fast as several that wait for each other.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from queue import SimpleQueue
from threading import Event
from typing import Any

import torch
from transformers import LogitsProcessorList

from schematic_reader.generation.kv_cache import SlotKVCache, StepOutput, slot_attention
from schematic_reader.generation.prompts import PromptBatch
from schematic_reader.generation.settings import Decoding, GeneratedTokens
from schematic_reader.generation.symbols_watch import EndWatch
from schematic_reader.model.device import float32_matmul
from schematic_reader.model.encode import Encoded
from schematic_reader.model.packed_batch import BatchShape, PackedBatch, pack_batch
from schematic_reader.model.packed_model import PackedModel
from schematic_reader.model.vision_inputs import vision_inputs

PREFILL_TOKENS = 8192
"""Tokens of a prefill, at most: enough to keep a GPU busy, few enough that slots are not long empty."""

PREFILL_BUCKET = 64
"""The length of a prefill is rounded up to a multiple of this."""

_FIRST_PREFILL_DIVISOR = 4  # the first prefill is so much shorter, so that the GPU starts early

_HOST_LAG_STEPS = 2  # decode steps that the host is behind where tokens are selected on the device

MAX_THREADS = 4
"""Of a CPU that answer: Python runs one at a time between the kernels of a decode step."""

_MAX_PREFILL_SLOT_FRACTION = 4
"""Where slots are filled again, a prefill takes at most this part of them: more would wait empty together."""


@dataclass
class Request:
    """One row's generation: the tokens so far, and the probability of each.

    Args:
        number: of the row.
        cached_tokens: of the prompt, then also of the answer, that are in the KV cache.
        max_new_tokens: the most tokens of the answer.
        processors: change the scores before a token is selected; most requests have none.
        watch: tells where the answer ends before a stop token.
    """

    number: int
    cached_tokens: int
    max_new_tokens: int
    processors: LogitsProcessorList
    watch: EndWatch | None = None
    tokens: list[int] = field(default_factory=list)
    probs: list[float] = field(default_factory=list)


def generate_continuously(
    model: Any,
    prompts: PromptBatch,
    order: Sequence[int],
    decoding: Decoding,
    *,
    answered: Container[int],
    max_new_tokens: Callable[[int], int],
    resumable: bool,
) -> Iterator[dict[int, GeneratedTokens]]:
    """The answer to each row, by its number, as it finishes.

    Args:
        order: the numbers of the rows, in the order in which they get a slot.
        answered: those whose answers are there. They are prefilled all the same beside others, so that these
            are computed as they would have been.
        max_new_tokens: of the row with this number.
        resumable: whether a run may resume with a part of the answers, which then must not depend on what
            is decoded beside them. A GPU's never do.
    """
    if all(number in answered for number in order):
        return
    settings, encoder, on_cpu = decoding.settings, prompts.encoder, model.device.type == "cpu"
    compiled = settings.compile_from is not None and len(order) >= settings.compile_from
    threads = 1 if compiled or not on_cpu else min(torch.get_num_threads(), MAX_THREADS, len(order))
    # Each thread has its share of the rows: which of them are decoded together does not depend on time.
    slots = min(settings.batch_size, math.ceil(len(order) / threads))

    def pack(samples: list[Encoded]) -> PackedBatch:
        tokens = sum(len(sample.input_ids) for sample in samples)
        shape = BatchShape(math.ceil(tokens / PREFILL_BUCKET) * PREFILL_BUCKET, len(samples))
        ids = [""] * len(samples)
        batch = pack_batch(samples, ids, merge_size=encoder.merge_size, pad_id=encoder.pad_id, shape=shape)
        batch = replace(batch, vision_inputs=vision_inputs(batch.image_grid_thw, model.config.vision_config))
        return batch.pin_memory() if model.device.type == "cuda" else batch

    def request(number: int) -> Request | None:
        if number in answered:
            return None
        # A request's input_ids are those of its answer alone: none are the prompt's.
        processors = decoding.logits_processors(1, 0)
        watch = decoding.watch() if decoding.watch else None
        return Request(number, prompts.lengths[number][0], max_new_tokens(number), processors, watch)

    def run(packed: PackedModel, order: Sequence[int], stopped: Callable[[], bool]) -> Iterator[Request]:
        """The requests of these rows, as they finish."""
        # 1) plan which prompts are prefilled together; a prefill whose rows are all answered is left out
        lengths = [prompts.lengths[number][0] for number in order]
        plan = [[order[index] for index in indexes] for indexes in plan_prefills(lengths, slots=slots)]
        plan = [numbers for numbers in plan if not all(number in answered for number in numbers)]
        max_len = max(length + max_new_tokens(number) for number, length in zip(order, lengths, strict=True))
        # 2) tokens are selected on the device unless logits processors, which run on the host, change scores
        greedy = not decoding.logits_processors(1, 0)
        cache = SlotKVCache(packed, slots, max_len, greedy_on_device=greedy)
        # 3) prefill and decode, while threads encode and pack the prompts of the next prefills
        encoded = prompts.encode_ahead(plan, pack, model.dtype)
        prefills = (([request(number) for number in numbers], batch) for numbers, batch in encoded)
        batching = ContinuousBatching(cache, decoding.stop_ids, resumable=resumable, stopped=stopped)
        yield from batching.run_requests(prefills)

    # A CPU's precision is the process's, not a thread's. With a lower one, rounding cached keys and values
    # to bfloat16 takes longer than their products.
    with slot_attention(model) as packed, float32_matmul("highest") if on_cpu else nullcontext():
        if compiled:
            packed.compile_layers(dynamic=True)
        runs = [partial(run, packed, order[thread::threads]) for thread in range(threads)]
        for done in _in_threads(runs) if threads > 1 else runs[0](lambda: False):
            yield {done.number: GeneratedTokens(done.tokens, done.probs)}


_Run = Callable[[Callable[[], bool]], Iterator[Request]]
"""Yields requests as they finish, until it is told that the rest is not wanted any more."""


def _in_threads(runs: Sequence[_Run]) -> Iterator[Request]:
    """What each of ``runs`` yields, as it comes, each in a thread of its own.

    PyTorch's threads, as many as ``OMP_NUM_THREADS`` allows, are shared out among them. What a run raises is
    raised here, after the others have stopped.
    """
    before, inner = torch.get_num_threads(), max(1, torch.get_num_threads() // len(runs))
    found: SimpleQueue[Request | BaseException | None] = SimpleQueue()  # None behind the last of a run
    stopped = Event()

    def run(requests: _Run) -> None:
        try:
            torch.set_num_threads(inner)  # of this thread
            with torch.inference_mode():
                for request in requests(stopped.is_set):
                    found.put(request)
            found.put(None)
        except BaseException as error:  # noqa: BLE001, raised again in the thread that waits
            found.put(error)

    try:
        with ThreadPoolExecutor(len(runs)) as threads:
            try:
                for each in runs:
                    threads.submit(run, each)
                running = len(runs)
                while running:
                    one = found.get()
                    if isinstance(one, BaseException):
                        raise one
                    if one is None:
                        running -= 1
                    else:
                        yield one
            finally:
                stopped.set()
    finally:
        torch.set_num_threads(before)  # also what threads that start later begin with


def plan_prefills(lengths: Sequence[int], *, slots: int) -> list[list[int]]:
    """Which prompts each prefill packs, by their index in ``lengths``, in order.

    Args:
        lengths: tokens of each prompt.
        slots: of the KV cache.
    """
    plan: list[list[int]] = [[]]
    tokens, most = 0, slots if len(lengths) <= slots else max(1, slots // _MAX_PREFILL_SLOT_FRACTION)
    for index, length in enumerate(lengths):
        budget = PREFILL_TOKENS if len(plan) > 1 else PREFILL_TOKENS // _FIRST_PREFILL_DIVISOR
        if plan[-1] and (tokens + length > budget or len(plan[-1]) == most):
            plan.append([])
            tokens = 0
        plan[-1].append(index)
        tokens += length
    return plan


class ContinuousBatching:
    """Runs requests through the slots of a KV cache.

    Args:
        stop_ids: tokens that end an answer.
        resumable: every decode step has the same shapes; without it a CPU's takes the slots in use alone.
        stopped: whether the requests that have not finished are not wanted any more; asked before each step.
    """

    def __init__(
        self,
        cache: SlotKVCache,
        stop_ids: Container[int],
        *,
        resumable: bool,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._cache, self._stop_ids, self._stopped = cache, stop_ids, stopped
        self._in_use_alone = cache.on_cpu and not resumable
        self._running: list[Request | None] = [None] * cache.slots  # by slot

    def run_requests(
        self, prefills: Iterable[tuple[Sequence[Request | None], Future[PackedBatch]]]
    ) -> Iterator[Request]:
        """Yields each request as it finishes.

        Args:
            prefills: the requests of each prefill with its packed prompts; None for a prompt that needs no
                answer.
        """
        waiting = iter(prefills)
        upcoming = next(waiting, None)
        # Steps whose tokens the host has not read, each with the requests that had the slots.
        unread: deque[tuple[list[Request | None], StepOutput]] = deque()
        lag = _HOST_LAG_STEPS if self._cache.greedy_on_device and not self._cache.on_cpu else 0
        while not self._stopped():
            # 1) prefill while there are free slots and, unless nothing else is to do, prompts are ready
            while upcoming and self._admits(*upcoming):
                self._prefill_into_free_slots(upcoming[0], upcoming[1].result())
                upcoming = next(waiting, None)
            if not any(self._running):
                return
            # 2) one decode step for all slots: (slots, vocabulary)
            in_use = self._close_gaps() if self._in_use_alone else None
            logits = self._cache.decode_step(max(one.cached_tokens for one in self._running if one), in_use)
            unread.append((list(self._running), self._cache.last_step_async()))
            for request in self._running:
                if request:
                    request.cached_tokens += 1
            # 3) read the tokens of the steps before the last ones, and free the slots of what has finished
            while len(unread) > lag:
                requests, output = unread.popleft()
                yield from self._collect_finished(requests, *output.wait())
            # 4) where logits processors have a say, select the next tokens
            if not self._cache.greedy_on_device:
                self._select_tokens(slice(self._cache.slots), self._running, logits)

    def _admits(self, requests: Sequence[Request | None], batch: Future[PackedBatch]) -> bool:
        """Whether these requests are prefilled now: there are slots, and no running request would wait.

        On a CPU they would, for the same cores, so that what is decoded together does not depend on time.
        """
        has_room = sum(request is not None for request in requests) <= self._running.count(None)
        return has_room and (self._cache.on_cpu or batch.done() or not any(self._running))

    def _close_gaps(self) -> int:
        """Move requests from the last slots into free ones before them; how many slots are in use."""
        free = [slot for slot, request in enumerate(self._running) if request is None]
        used = [slot for slot, request in enumerate(self._running) if request is not None]
        for target, source in zip(free, reversed(used), strict=False):
            if target > source:
                break
            self._cache.move(source, target)
            self._running[target], self._running[source] = self._running[source], None
        return len(used)

    def _prefill_into_free_slots(self, requests: Sequence[Request | None], batch: PackedBatch) -> None:
        """Prefill packed prompts and give each request a slot."""
        free = iter([slot for slot, request in enumerate(self._running) if request is None])
        spare = self._cache.slots
        slots = [spare if request is None else next(free) for request in requests]
        logits = self._cache.prefill(batch, slots)
        self._select_tokens(slots, requests, logits)
        for slot, request in zip(slots, requests, strict=True):
            if request:
                self._running[slot] = request

    def _select_tokens(
        self, slots: Sequence[int] | slice, requests: Sequence[Request | None], logits: torch.Tensor
    ) -> None:
        """Append to each slot the token that scores highest after the request's own logits processors."""
        self._cache.append_argmax(slots, logits, _processed(requests, logits))

    def _collect_finished(
        self, requests: Sequence[Request | None], tokens: Sequence[int], probs: Sequence[float]
    ) -> Iterator[Request]:
        """Add a step's tokens to the requests that had the slots then; yield and free those that finish."""
        for slot, (request, token, prob) in enumerate(zip(requests, tokens, probs, strict=True)):
            if request is None or self._running[slot] is not request:
                continue  # the slot was empty, or its request finished in a step before
            request.tokens.append(token)
            request.probs.append(prob)
            ended = token in self._stop_ids or len(request.tokens) == request.max_new_tokens
            if ended or (request.watch and request.watch(token)):
                self._running[slot] = None
                yield request


def _processed(requests: Sequence[Request | None], logits: torch.Tensor) -> torch.Tensor:
    """The scores of each request's next token, ``(requests, vocabulary)`` like ``logits``."""
    ids: Any = partial(torch.tensor, dtype=torch.int64, device=logits.device)
    changed = {
        row: request.processors(ids([request.tokens]), logits[row][None])[0]
        for row, request in enumerate(requests)
        if request and request.processors
    }
    if not changed:
        return logits
    return torch.stack([changed.get(row, scores) for row, scores in enumerate(logits)])

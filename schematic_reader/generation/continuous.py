"""Continuous batching: a sheet's slot is given to the next sheet as soon as its answer has ended.

Prompts are read several at once, packed into a row; between two such rows all sheets that have a slot take
decoding steps together. The host hears of a step's tokens some steps later, so that the GPU never waits for
it. Which prompts share a row is known beforehand, and a step has the same shape however many slots are in
use, so that what is said about a sheet does not depend on which others were answered before.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from transformers import LogitsProcessorList

from schematic_reader.generation.asking import Questions, Said
from schematic_reader.generation.slots import Slots, reading
from schematic_reader.generation.stopwatch import Moment, Stopwatch
from schematic_reader.model.encode import Encoded
from schematic_reader.model.row import Row, Shape, lay_out

PROMPT_TOKENS = 8192
"""Of a row of prompts, at most: enough to keep a GPU busy, few enough that slots are not long empty."""

PROMPT_GRAIN = 64
"""Tokens that the length of such a row is a multiple of."""

COMPILED_FROM = 2000
"""Sheets from which compiling saves more time than it takes (benchmarks/RESULTS.md)."""

_EARLY = 4  # the first row is so much shorter, so that the GPU soon has something to do

_LAG = 2  # steps that the host is behind, where the GPU chooses the tokens

_HELD_SHARE = 4
"""A row has at most this part of the slots where they are filled again: more would wait empty together."""


@dataclass
class Asked:
    """A sheet that is asked about: its number, and what it has said so far and how probable that was.

    ``length`` are the tokens of its prompt, then also of its answer, that are in the cache; of the answer
    there may be ``most``. ``processors`` change the scores before a token is chosen.
    """

    number: int
    length: int
    most: int
    processors: LogitsProcessorList
    tokens: list[int] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)


def answer_continuously(
    model: Any,
    questions: Questions,
    chosen: Sequence[int],
    *,
    kept: Container[int],
    at_once: int,
    most: Sequence[int],
    stops: Sequence[int],
    processors: Callable[[int], LogitsProcessorList],
    compiled: bool,
    stopwatch: Stopwatch,
) -> Iterator[dict[int, Said]]:
    """What is said about each row, by its number, when its answer has ended.

    Args:
        chosen: the numbers of the rows, in the order in which they come to their turn.
        kept: those that need no answer. They are read all the same with others of their row of prompts, so
            that these are computed as they would have been.
        at_once: how many sheets are answered at once.
        most: tokens that each row's answer may have.
        stops: tokens that end an answer.
        processors: what changes the scores of a row's next tokens, of which none need to be the prompt.
        compiled: compile the model's layers, for any number of tokens.
        stopwatch: takes the time of rows of ``prompts`` and of ``steps``.
    """
    if all(i in kept for i in chosen):
        return
    encoder, prompts = questions.encoder, [questions.lengths[i][0] for i in chosen]
    rows = [[chosen[place] for place in row] for row in plan_prompts(prompts, slots=at_once)]
    rows = [row for row in rows if not all(i in kept for i in row)]
    places = max(prompt + most[i] for i, prompt in zip(chosen, prompts, strict=True))
    on_cuda = model.device.type == "cuda"

    def laid_out(samples: list[Encoded]) -> Row:
        tokens = sum(len(sample.input_ids) for sample in samples)
        shape = Shape(math.ceil(tokens / PROMPT_GRAIN) * PROMPT_GRAIN, len(samples))
        ids = [""] * len(samples)
        row = lay_out(samples, ids, merge=encoder.merge, pad_id=encoder.pad_id, shape=shape)
        return row.pin_memory() if on_cuda else row

    def asked(i: int) -> Asked | None:
        return None if i in kept else Asked(i, questions.lengths[i][0], most[i], processors(i))

    with reading(model) as reader:
        if compiled:
            reader.compile_layers(dynamic=True)
        takes = not processors(chosen[0])
        slots = Slots(reader, at_once, places, takes=takes)
        made = questions.ahead(rows, laid_out)
        coming = (([asked(i) for i in numbers], row) for numbers, row in made)
        for sheet in answers(slots, coming, stops, stopwatch):
            yield {sheet.number: (sheet.tokens, sheet.sure)}


def plan_prompts(lengths: Sequence[int], *, slots: int) -> list[list[int]]:
    """The places of the prompts of each row, in their order.

    Args:
        lengths: tokens of each prompt.
        slots: how many sheets are answered at once.
    """
    rows: list[list[int]] = [[]]
    tokens, most = 0, slots if len(lengths) <= slots else max(1, slots // _HELD_SHARE)
    for place, length in enumerate(lengths):
        room = PROMPT_TOKENS if len(rows) > 1 else PROMPT_TOKENS // _EARLY
        if rows[-1] and (tokens + length > room or len(rows[-1]) == most):
            rows.append([])
            tokens = 0
        rows[-1].append(place)
        tokens += length
    return rows


def answers(
    slots: Slots,
    rows: Iterable[tuple[Sequence[Asked | None], Future[Row]]],
    stops: Sequence[int],
    stopwatch: Stopwatch,
) -> Iterator[Asked]:
    """Each sheet when its answer is whole.

    Args:
        rows: of prompts, each with the sheets in it; None for one that is not asked about again.
        stops: tokens that end an answer.
        stopwatch: takes the time of rows of ``prompts`` and of ``steps``.
    """
    owners: list[Asked | None] = [None] * slots.count
    under_way: deque[tuple[list[Asked | None], torch.Tensor, Moment]] = deque()
    coming = iter(rows)
    following = next(coming, None)
    while True:
        while following:
            sheets, row = following
            has_room = sum(asked is not None for asked in sheets) <= owners.count(None)
            if not has_room or (any(owners) and not row.done()):
                break
            prompts = row.result()
            with stopwatch.taking("prompts"):
                _admit(slots, owners, sheets, prompts)
            following = next(coming, None)
        if not any(owners):
            return
        with stopwatch.taking("steps"):
            longest = max(asked.length for asked in owners if asked)
            logits = slots.step(longest)
        under_way.append((list(owners), slots.reported(), stopwatch.now()))
        for asked in owners:
            if asked:
                asked.length += 1
        while len(under_way) > (_LAG if slots.takes else 0):
            then, reported, moment = under_way.popleft()
            moment.wait()
            read, probabilities = reported.tolist()
            yield from _heard(owners, then, read, probabilities, stops)
        if not slots.takes:
            _choose(slots, owners, logits)


def _admit(slots: Slots, owners: list[Asked | None], sheets: Sequence[Asked | None], row: Row) -> None:
    """Read a row of prompts and give each sheet that is asked about a slot."""
    free = iter([slot for slot, asked in enumerate(owners) if asked is None])
    given = [slots.count if asked is None else next(free) for asked in sheets]
    logits = slots.read(row, given)
    slots.take(given, logits, _processed(sheets, logits))
    for slot, asked in zip(given, sheets, strict=True):
        if asked:
            owners[slot] = asked


def _choose(slots: Slots, owners: Sequence[Asked | None], logits: torch.Tensor) -> None:
    """Go on with the tokens that the sheets' own processors leave the likeliest."""
    slots.take(slice(slots.count), logits, _processed(owners, logits))


def _processed(sheets: Sequence[Asked | None], logits: torch.Tensor) -> torch.Tensor:
    """The scores of each sheet's next token, ``(sheets, vocabulary)`` like ``logits``."""
    ids: Any = partial(torch.tensor, dtype=torch.int64, device=logits.device)
    changed = {
        place: asked.processors(ids([asked.tokens]), logits[place][None])[0]
        for place, asked in enumerate(sheets)
        if asked and asked.processors
    }
    if not changed:
        return logits
    return torch.stack([changed.get(place, scores) for place, scores in enumerate(logits)])


def _heard(
    owners: list[Asked | None],
    then: Sequence[Asked | None],
    read: Sequence[float],
    probabilities: Sequence[float],
    stops: Sequence[int],
) -> Iterator[Asked]:
    """Add what a step read to the answers of those who had the slots ``then``; those that end leave them."""
    for slot, (asked, token, sure) in enumerate(zip(then, read, probabilities, strict=True)):
        if asked is None or owners[slot] is not asked:
            continue
        asked.tokens.append(int(token))
        asked.sure.append(sure)
        if asked.tokens[-1] in stops or len(asked.tokens) == asked.most:
            owners[slot] = None
            yield asked

"""Packing: which samples share an optimizer step or a packed batch, and in what order they are trained.

Optimizer steps are planned first, from the samples and the tokens of a step alone, so that they are the same
whatever the number of GPUs; then each step's samples are spread over ranks and packed batches. A step is
a packed batch, or several where it has more tokens than one may have.

Sheets have nearly equal token counts, so that first-fit decreasing leaves a gap in most batches: 7 % of the
tokens on real sheets, against 1 % here. Within a window of the shuffled samples, the longest one left opens a
batch, and the subset of the others that fills it best joins ("minimum bin slack", Gupta and Ho, 1999).
Batches are shuffled again, so that long samples do not come first.

How well samples of nearly equal length fill a batch depends most on its length: seven of 930 tokens fill
6,528 and leave an eighth of 7,424 empty. So the configured length is an upper bound, and the best one up to
it is chosen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WINDOW = 1024  # samples packed together: enough to fill every batch, few enough to stay shuffled
LENGTH_MULTIPLE = 128  # of packed lengths, as the tiles of a matrix product
_MIN_LENGTH_SHARE = 0.75  # of the configured length


@dataclass(frozen=True)
class PackingPlan:
    """Packed batches as tuples of sample indexes, in training order, each of at most ``tokens`` tokens."""

    batches: list[tuple[int, ...]]
    lengths: Sequence[int]  # tokens of each sample
    tokens: int

    @property
    def padding(self) -> float:
        """Share of all batches' tokens that no sample fills, 0 to 1."""
        used = sum(self.lengths[index] for batch in self.batches for index in batch)
        return 1 - used / (len(self.batches) * self.tokens)


@dataclass(frozen=True)
class Step:
    """The packed batches of one optimizer step, by rank; equally many on each, a spare one is empty."""

    ranks: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def batches(self) -> list[tuple[int, ...]]:
        """Of all ranks, one rank after the other."""
        return [batch for batches in self.ranks for batch in batches]

    @property
    def samples(self) -> list[int]:
        """The samples of the step."""
        return [index for batch in self.batches for index in batch]


def spread_step(
    batches: Sequence[tuple[int, ...]], lengths: Sequence[int], *, packed_length: int, world_size: int
) -> Step:
    """Spread an optimizer step over the ranks, in as few packed batches as hold it, of balanced lengths.

    Args:
        batches: the step as packed batches for one rank.
        lengths: tokens of each sample.
        packed_length: tokens of a packed batch at most.
    """
    samples = [index for batch in batches for index in batch]
    total = sum(lengths[index] for index in samples)
    per_rank = -(-total // (packed_length * world_size))
    while True:
        count = per_rank * world_size
        # The batches as they are if each rank gets as many, else balanced ones if they fit.
        for spread in (batches if len(batches) == count else [], _balanced(samples, lengths, count), batches):
            fits = all(sum(lengths[index] for index in batch) <= packed_length for batch in spread)
            if fits and 0 < len(spread) <= count:
                ordered = [*spread, *[()] * (count - len(spread))]
                # Every world_size-th batch is a rank's, so that a spare one is the last of the last ranks.
                return Step(tuple(tuple(ordered[rank::world_size]) for rank in range(world_size)))
        per_rank += 1


def _balanced(samples: Sequence[int], lengths: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """At most ``count`` batches of about equal lengths: the longest sample left joins the shortest batch."""
    batches: list[list[int]] = [[] for _ in range(min(count, len(samples)))]
    tokens = [0] * len(batches)
    for index in sorted(samples, key=lambda index: -lengths[index]):
        shortest = tokens.index(min(tokens))
        batches[shortest].append(index)
        tokens[shortest] += lengths[index]
    position = {index: i for i, index in enumerate(samples)}
    return [tuple(sorted(batch, key=position.__getitem__)) for batch in batches]


def step_batches(plan: PackingPlan, count: int) -> list[list[tuple[int, ...]]]:
    """The packed batches of each optimizer step, ``count`` of them; the last step may have fewer."""
    return [plan.batches[start : start + count] for start in range(0, len(plan.batches), count)]


def best_packed_length(lengths: Sequence[int], max_length: int) -> int:
    """The packed length up to ``max_length`` that leaves the least padding in a first window.

    Args:
        lengths: tokens of each sample, none over ``max_length``.
    """
    window = range(min(len(lengths), WINDOW))
    used = sum(lengths[index] for index in window)
    shortest = max(max(lengths), int(max_length * _MIN_LENGTH_SHARE))
    multiples = (tokens for tokens in range(max_length, shortest - 1, -1) if tokens % LENGTH_MULTIPLE == 0)

    def padding(tokens: int) -> float:
        return 1 - used / (len(_pack_window(window, lengths, tokens)) * tokens)

    return min([max_length, *multiples], key=padding)


def plan_packing(lengths: Sequence[int], *, tokens: int, epochs: float, seed: int) -> PackingPlan:
    """Pack samples into batches of at most ``tokens`` tokens, each sample once per epoch, reshuffled.

    Args:
        lengths: tokens of each sample.
        epochs: how often each sample is trained; a fraction trains that share of the samples in a last epoch.

    Raises:
        ValueError: a sample is longer than a batch.
    """
    if max(lengths) > tokens:
        raise ValueError(f"a sample of {max(lengths)} tokens does not fit into a packed batch of {tokens}")
    batches: list[tuple[int, ...]] = []
    remaining = max(1, round(len(lengths) * epochs))  # samples
    epoch = 0
    while remaining > 0:
        # 1) Shuffle the samples, by seed and epoch alone.
        generator = random.Random(f"{seed}:{epoch}")
        order = list(range(len(lengths)))
        generator.shuffle(order)
        order = order[:remaining]
        # 2) Cut the order into windows of equal size, so that no small rest packs badly.
        windows = -(-len(order) // WINDOW)
        boundaries = [i * len(order) // windows for i in range(windows + 1)]
        # 3) Pack each window and shuffle its batches.
        for start, end in pairwise(boundaries):
            packed = _pack_window(order[start:end], lengths, tokens)
            generator.shuffle(packed)
            batches += packed
        remaining -= len(order)
        epoch += 1
    return PackingPlan(batches, lengths, tokens)


def _pack_window(samples: Sequence[int], lengths: Sequence[int], tokens: int) -> list[tuple[int, ...]]:
    """Minimum bin slack: the longest sample left, and the others that fill the rest of the batch best."""
    remaining = sorted(samples, key=lambda index: -lengths[index])  # stable: equal lengths stay shuffled
    batches = []
    while remaining:
        first, *others = remaining
        joined = _fullest_subset([lengths[index] for index in others], tokens - lengths[first])
        batches.append((first, *(others[i] for i in joined)))
        taken = set(joined)
        remaining = [index for i, index in enumerate(others) if i not in taken]
    return batches


def _fullest_subset(lengths: list[int], capacity: int) -> list[int]:
    """Positions of the subset with the largest sum up to ``capacity``; of equal ones, that of the longest.

    Subset sums by dynamic programming over the bits of an integer: bit s of ``reachable[i]`` says that some
    of the first i lengths add up to s.
    """
    mask = (1 << (capacity + 1)) - 1
    reachable = [1]
    for length in lengths:
        reachable.append((reachable[-1] | reachable[-1] << length) & mask)
        if reachable[-1] >> capacity:
            break
    # Walk back from the largest sum: a length is in the subset if the sum is out of reach without it.
    total = reachable[-1].bit_length() - 1
    subset = []
    for i in range(len(reachable) - 1, 0, -1):
        if not reachable[i - 1] >> total & 1:
            subset.append(i - 1)
            total -= lengths[i - 1]
    return subset[::-1]

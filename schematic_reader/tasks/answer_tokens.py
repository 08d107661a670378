"""Which tokens of an answer say what."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence

EPS = 1e-12
"""Smallest probability: one that was rounded to 0 must not make a whole name impossible."""

_MAX_GAP = 24  # characters between two texts of an answer

Span = tuple[int, int]
"""Index of the first character in an answer, and of the one after the last."""


def span_tokens(ends: Sequence[int], span: Span) -> slice:
    """The tokens of a span, and the one after it.

    Args:
        ends: for each token, the number of characters of the answer up to its end, as ``ModelAnswer``.
    """
    first, last = span
    starts = [0, *ends[:-1]]
    return slice(bisect_right(ends, first), bisect_right(starts, last))


def geometric_mean(probabilities: Sequence[float]) -> float:
    """Of one probability or more."""
    logs = [math.log(max(probability, EPS)) for probability in probabilities]
    return math.exp(sum(logs) / len(logs))


def symbol_spans(symbols: Sequence[Sequence[str]], text: str) -> Iterator[Span | None]:
    """Where the text tells of each symbol, in the order of the text; None where it does so in escapes.

    All layouts but the verbatim ones say a symbol's texts one after the other.

    Args:
        symbols: reference, library symbol and value of each; what is empty is not said.
    """
    start = 0
    for texts in symbols:
        said, *more = [said for said in texts if said] or [""]
        first = text.find(said, start)
        last = first + len(said)
        for said in more:
            found = text.find(said, last, last + len(said) + _MAX_GAP)
            last = found + len(said) if found >= 0 else len(text) + 1
        if 0 <= first < last <= len(text):
            yield first, last
            start = last
        else:
            yield None

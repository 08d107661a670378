"""Counts of found, predicted and actual items, and precision, recall and F1.

A share of nothing is 0, as in scikit-learn's metrics with ``zero_division=0``; two empty sides match
exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schematic_reader.tasks.contract import Item


@dataclass(frozen=True, slots=True)
class Counts:
    """Items of one sheet, or of many together: found (true positives), predicted and actual."""

    found: int = 0
    predicted: int = 0
    actual: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.found + other.found, self.predicted + other.predicted, self.actual + other.actual)

    @property
    def precision(self) -> float:
        return share(self.found, self.predicted)

    @property
    def recall(self) -> float:
        return share(self.found, self.actual)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall, in counts: 2 found / (predicted + actual)."""
        return share(2 * self.found, self.predicted + self.actual)


def share(part: float, whole: float) -> float:
    """``part / whole``, 0 where there is nothing."""
    return part / whole if whole else 0.0


def count(predicted: Counter[Item], actual: Counter[Item]) -> Counts:
    """The counts of one sheet, of multisets: an item is found as often as both sides have it."""
    return Counts((predicted & actual).total(), predicted.total(), actual.total())


def total(counts: Iterable[Counts]) -> Counts:
    """The counts of all sheets together; their precision, recall and F1 are the micro averages."""
    return sum(counts, Counts())


def macro_f1(counts: Sequence[Counts]) -> float:
    """The mean of the sheets' own F1: each sheet weighs the same."""
    return share(sum(one.f1 for one in counts), len(counts))


def exact_match(counts: Sequence[Counts]) -> float:
    """The share of sheets whose answer has every item and no other."""
    return share(sum(one.found == one.predicted == one.actual for one in counts), len(counts))

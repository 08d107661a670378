"""Bootstrap intervals against every possible resample."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from schematic_reader.scoring.interval import f1_interval, gain_interval
from schematic_reader.scoring.precision_recall import Counts, total

REPOSITORIES = ["b", "a", "b", "c", "d"]
BEFORE = [Counts(1, 4, 6), Counts(0, 3, 5), Counts(2, 3, 7), Counts(4, 5, 6), Counts(1, 9, 3)]
AFTER = [Counts(4, 5, 6), Counts(1, 3, 5), Counts(5, 7, 7), Counts(3, 5, 6), Counts(2, 3, 3)]


def every_f1(sheets: list[Counts]) -> np.ndarray:
    """The micro F1 of each of the 4**4 equally likely draws of the four repositories, one by one."""
    groups = [[s for s, r in zip(sheets, REPOSITORIES, strict=True) if r == name] for name in "abcd"]
    return np.array([total(s for i in draw for s in groups[i]).f1 for draw in product(range(4), repeat=4)])


def enumerated(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5], method="inverted_cdf")
    return float(low), float(high)


def test_interval_is_that_of_all_resamples() -> None:
    interval = f1_interval(AFTER, REPOSITORIES, bootstrap_samples=200_000, seed=1)
    assert interval == pytest.approx(enumerated(every_f1(AFTER)), abs=2e-3)


def test_interval_is_that_of_a_plain_loop_over_the_same_draws() -> None:
    """The draws go by the names' order, so that neither row order nor hashing of strings has a say."""
    rng = np.random.default_rng(9)
    values = []
    for _ in range(300):
        times = dict(zip("abcd", rng.multinomial(4, [0.25] * 4), strict=True))
        drawn = [s for s, r in zip(AFTER, REPOSITORIES, strict=True) for _ in range(times[r])]
        values.append(total(drawn).f1)
    expected = np.percentile(values, [2.5, 97.5])
    assert f1_interval(AFTER, REPOSITORIES, bootstrap_samples=300, seed=9) == pytest.approx(
        expected, abs=1e-12
    )


def test_gain_is_paired() -> None:
    interval = gain_interval(AFTER, BEFORE, REPOSITORIES, bootstrap_samples=200_000, seed=1)
    assert interval == pytest.approx(enumerated(every_f1(AFTER) - every_f1(BEFORE)), abs=2e-3)
    assert gain_interval(AFTER, AFTER, REPOSITORIES, bootstrap_samples=1000, seed=1) == (0.0, 0.0)


def test_repositories_are_resampled_not_sheets() -> None:
    sheets = [Counts(1, 1, 1), Counts(0, 1, 1), Counts(1, 1, 1)]
    assert f1_interval(sheets, ["a", "a", "a"], bootstrap_samples=1000, seed=0) == (2 / 3, 2 / 3)
    low, high = f1_interval(sheets, ["a", "b", "c"], bootstrap_samples=1000, seed=0)
    assert low < 2 / 3 < high


def test_order_of_the_sheets_does_not_matter_and_the_seed_does() -> None:
    assert f1_interval(AFTER, REPOSITORIES, bootstrap_samples=100, seed=3) == f1_interval(
        AFTER[::-1], REPOSITORIES[::-1], bootstrap_samples=100, seed=3
    )
    ends = {f1_interval(AFTER, REPOSITORIES, bootstrap_samples=100, seed=seed) for seed in range(5)}
    assert len(ends) > 1


def test_nothing_said_and_nothing_there_is_zero() -> None:
    assert f1_interval([Counts(), Counts()], ["a", "b"], bootstrap_samples=10, seed=0) == (0.0, 0.0)

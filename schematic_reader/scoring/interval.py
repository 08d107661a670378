"""Bootstrap intervals of the micro F1 by resampling repositories.

Sheets of one repository resemble each other, so the repositories are drawn, with replacement, and each brings
all of its sheets (a cluster bootstrap: Davison and Hinkley, Bootstrap Methods and their Application, 1997,
section 3.8). The interval is the percentile one, from 2.5 to 97.5 per cent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schematic_reader.scoring.precision_recall import Counts, total

LEVEL = (2.5, 97.5)


def f1_interval(
    counts: Sequence[Counts], repositories: Sequence[str], *, draws: int, seed: int
) -> tuple[float, float]:
    """Low and high end of the micro F1 of the sheets, one entry of each sequence a sheet."""
    low, high = np.percentile(_f1_draws(counts, repositories, draws, seed), LEVEL)
    return float(low), float(high)


def gain_interval(
    tuned: Sequence[Counts],
    baseline: Sequence[Counts],
    repositories: Sequence[str],
    *,
    draws: int,
    seed: int,
) -> tuple[float, float]:
    """Low and high end of the tuned micro F1 minus the baseline's, on the same draws of repositories."""
    gains = _f1_draws(tuned, repositories, draws, seed) - _f1_draws(baseline, repositories, draws, seed)
    low, high = np.percentile(gains, LEVEL)
    return float(low), float(high)


def _f1_draws(
    counts: Sequence[Counts], repositories: Sequence[str], draws: int, seed: int
) -> NDArray[np.float64]:
    """The micro F1 of each draw, shape (draws,)."""
    by_repository: dict[str, list[Counts]] = {name: [] for name in sorted(set(repositories))}
    for one, name in zip(counts, repositories, strict=True):
        by_repository[name].append(one)
    sums = [total(group) for group in by_repository.values()]
    found = np.array([2 * one.found for one in sums], dtype=np.float64)
    said = np.array([one.predicted + one.actual for one in sums], dtype=np.float64)
    # How often each repository is drawn when as many are drawn as there are: (draws, repositories).
    n = max(len(sums), 1)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)[:, : len(sums)]
    numerator, denominator = weights @ found, weights @ said
    return np.divide(numerator, denominator, out=np.zeros(draws), where=denominator > 0)

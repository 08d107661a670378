"""Bootstrap intervals of the micro F1 by resampling repositories.

Sheets of one repository resemble each other, so repositories are resampled with replacement, each with all of
its sheets (a cluster bootstrap: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section
3.8). Intervals are percentile intervals at 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schematic_reader.scoring.precision_recall import Counts, total

LEVEL = (2.5, 97.5)
"""Percentiles of the low and the high end."""


def f1_interval(
    counts: Sequence[Counts], repositories: Sequence[str], *, bootstrap_samples: int, seed: int
) -> tuple[float, float]:
    """Low and high end of the micro F1 of the sheets, one entry of each sequence a sheet."""
    low, high = np.percentile(_f1_samples(counts, repositories, bootstrap_samples, seed), LEVEL)
    return float(low), float(high)


def gain_interval(
    tuned: Sequence[Counts],
    baseline: Sequence[Counts],
    repositories: Sequence[str],
    *,
    bootstrap_samples: int,
    seed: int,
) -> tuple[float, float]:
    """Low and high end of the tuned micro F1 minus the baseline's, over paired bootstrap samples."""
    after, before = (_f1_samples(side, repositories, bootstrap_samples, seed) for side in (tuned, baseline))
    gains = after - before
    low, high = np.percentile(gains, LEVEL)
    return float(low), float(high)


def _f1_samples(
    counts: Sequence[Counts], repositories: Sequence[str], bootstrap_samples: int, seed: int
) -> NDArray[np.float64]:
    """The micro F1 of each bootstrap sample, shape (bootstrap_samples,)."""
    by_repository: dict[str, list[Counts]] = {name: [] for name in sorted(set(repositories))}
    for one, name in zip(counts, repositories, strict=True):
        by_repository[name].append(one)
    sums = [total(group) for group in by_repository.values()]
    twice_found = np.array([2 * one.found for one in sums], dtype=np.float64)
    both = np.array([one.predicted + one.actual for one in sums], dtype=np.float64)
    weights = bootstrap_weights(len(sums), bootstrap_samples=bootstrap_samples, seed=seed)
    numerator, denominator = weights @ twice_found, weights @ both
    return np.divide(numerator, denominator, out=np.zeros(bootstrap_samples), where=denominator > 0)


def bootstrap_weights(repositories: int, *, bootstrap_samples: int, seed: int) -> NDArray[np.int64]:
    """How often each bootstrap sample holds each repository, shape (bootstrap_samples, repositories)."""
    n = max(repositories, 1)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=bootstrap_samples)
    return weights[:, :repositories]

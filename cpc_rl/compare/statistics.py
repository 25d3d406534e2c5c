"""What is said of a handful of seeds: means, intervals, differences and probabilities. Pure functions of arrays.

All intervals are 95 % and by the percentile bootstrap (scipy), which draws whole seeds with replacement. Of few seeds
it is too narrow: of three it covers about three times in four. BCa, which corrects for bias and skew, is no cure: it is
undefined where all seeds agree, and of three seeds it estimates its correction from three numbers. The t-interval,
which holds its level for values near a normal distribution, therefore stands beside the differences.

Agarwal et al. 2021, Deep reinforcement learning at the edge of the statistical precipice, has the measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95
FEWEST = 3  # seeds for an interval
RESAMPLES = 10_000
TRIM = 0.25
SAME = 1e-9  # of the larger of two returns: as far as that, they are equal, and their difference is rounding

Statistic = Callable[..., Any]


class Estimate(NamedTuple):
    """A value and its interval; `low` and `high` are None where there are too few seeds for one."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def apart_from_zero(self) -> bool:
        """Whether there is an interval and 0 lies outside."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def difference(a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
    """`a - b` elementwise, and 0 where both are the same to `SAME`."""
    difference = np.subtract(a, b)
    return np.where(np.abs(difference) <= SAME * np.maximum(np.abs(a), np.abs(b)), 0.0, difference)


def mean(values: np.ndarray, axis: int = -1) -> Any:
    """Mean over `axis`."""
    return np.mean(values, axis=axis)


def iqm(values: np.ndarray, axis: int = -1) -> Any:
    """Interquartile mean: without the lowest and the highest quarter, rounded down (of three values: the mean)."""
    return stats.trim_mean(values, TRIM, axis=axis)


def pooled_iqm(*samples: np.ndarray, axis: int = -1) -> Any:
    """Interquartile mean of all values of several samples together."""
    return iqm(np.concatenate(samples, axis=axis), axis=axis)


def probability_of_improvement(arm: np.ndarray, base: np.ndarray, axis: int = -1) -> Any:
    """P(arm > base) of a random run of each, ties (to `SAME`) half: the Mann-Whitney statistic over the pairs.

    Args:
        arm: [..., n] along `axis`.
        base: [..., m] along `axis`.
        axis: That of the runs.
    """
    pairs = difference(
        np.moveaxis(arm, axis, -1)[..., :, None], np.moveaxis(base, axis, -1)[..., None, :]
    )  # [..., n, m]
    return ((pairs > 0) + 0.5 * (pairs == 0)).mean((-2, -1))


def difference_of_means(arm: np.ndarray, base: np.ndarray, axis: int = -1) -> Any:
    """Mean of one sample less the mean of another."""
    return difference(np.mean(arm, axis=axis), np.mean(base, axis=axis))


def estimate(statistic: Statistic, *samples: Sequence[float] | np.ndarray) -> Estimate:
    """`statistic` of one or more samples with its interval; each sample is resampled by itself (stratified).

    No interval where a sample has fewer than `FEWEST` values; NaN where one has none.
    """
    arrays = tuple(np.asarray(sample, dtype=float) for sample in samples)
    if not all(len(array) for array in arrays):
        return Estimate(np.nan)
    value = float(statistic(*arrays))
    if any(len(array) < FEWEST for array in arrays):
        return Estimate(value)
    interval = _bootstrap(arrays, statistic, RESAMPLES)
    return Estimate(value, float(interval.low), float(interval.high))


def band(curves: np.ndarray, resamples: int = 2_000) -> tuple[np.ndarray, np.ndarray] | None:
    """Interval of the mean of `curves` [n, points] at each point: low and high [points]; None of too few curves."""
    if len(curves) < FEWEST:
        return None
    interval = _bootstrap((curves.T,), mean, resamples)  # [points, n]: the bootstrap goes along the last axis
    return np.asarray(interval.low), np.asarray(interval.high)


def t_interval(values: Sequence[float] | np.ndarray, fewest: int = FEWEST) -> Estimate:
    """Mean and its t-interval; none of fewer than `fewest` values."""
    array = np.asarray(values, dtype=float)
    if len(array) < fewest:
        return Estimate(float(array.mean()) if len(array) else np.nan)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(array) - 1) * stats.sem(array))
    return Estimate(float(array.mean()), float(array.mean()) - half, float(array.mean()) + half)


def best(values: Sequence[float] | np.ndarray, count: int = 3) -> float | None:
    """Mean of the `count` best, as in IMPALA's and CPC's figures; None where there is nothing to choose from."""
    return float(np.sort(values)[-count:].mean()) if len(values) > count else None


def _bootstrap(samples: tuple[np.ndarray, ...], statistic: Statistic, resamples: int) -> Any:
    result = stats.bootstrap(
        samples,
        statistic,
        n_resamples=resamples,
        vectorized=True,
        axis=-1,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),  # the same report of the same runs
    )
    return result.confidence_interval

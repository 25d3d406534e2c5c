"""What is said of a handful of seeds: means, intervals, differences and probabilities. Pure functions of arrays.

Intervals are 95 %. Those of means and of differences are t-intervals, which hold their level for values near a normal
distribution, however few. What has no t-interval (an interquartile mean) gets the percentile bootstrap (scipy), which
draws whole seeds with replacement, from ten seeds on: of three seeds it covers the truth three times in four only.

Agarwal et al. 2021, Deep reinforcement learning at the edge of the statistical precipice, has the measures.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy

LEVEL = 0.95
FEWEST = 3  # seeds for an interval
FEWEST_BOOTSTRAP = 10  # seeds for an interval by the bootstrap
RESAMPLES = 10_000
TRIM = 0.25
SAME = 1e-9  # of the larger of two returns: as far as that, they are equal, and their difference is rounding

Statistic = Callable[..., Any]


class Estimate(NamedTuple):
    """A value and its interval; `low` and `high` are None where there are too few seeds for one."""

    value: float
    low: float | None = None
    high: float | None = None


class Test(NamedTuple):
    """A difference with its interval, and the probability of one as large or larger if there were none."""

    difference: Estimate
    p: float | None  # two-sided; None where there are too few seeds


def difference(a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
    """`a - b` elementwise, and 0 where both are the same to `SAME`."""
    difference = np.subtract(a, b)
    return np.where(np.abs(difference) <= SAME * np.maximum(np.abs(a), np.abs(b)), 0.0, difference)


def mean(values: np.ndarray, axis: int = -1) -> Any:
    """Mean over `axis`."""
    return np.mean(values, axis=axis)


def iqm(values: np.ndarray, axis: int = -1) -> Any:
    """Interquartile mean: without the lowest and the highest quarter, rounded down (of three values: the mean)."""
    return scipy.stats.trim_mean(values, TRIM, axis=axis)


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


def mann_whitney(arm: np.ndarray, base: np.ndarray) -> float | None:
    """Two-sided p of `probability_of_improvement` against 1/2, exact: 0.1 where all of three beat all of three.

    None where a sample has fewer than `FEWEST` values. Ties (to `SAME`) are counted by permutations: all there are, or
    10,000 of them.
    """
    if min(len(arm), len(base)) < FEWEST:
        return None
    ranks = np.concatenate([arm, base])
    order = np.argsort(ranks)
    steps = difference(ranks[order][1:], ranks[order][:-1]) > 0
    ranks[order] = np.concatenate([[0], np.cumsum(steps)])
    method: Any = "exact" if steps.all() else scipy.stats.PermutationMethod(n_resamples=RESAMPLES, rng=_generator())
    return float(scipy.stats.mannwhitneyu(ranks[: len(arm)], ranks[len(arm) :], method=method).pvalue)


def paired_t(differences: np.ndarray) -> Test:
    """The paired t-test: mean of the differences [n] of pairs, its t-interval, and p."""
    found = t_interval(differences)
    if found.low is None:
        return Test(found, None)
    if found.low == found.high:  # all differences are equal
        return Test(found, float(found.value == 0))
    return Test(found, float(scipy.stats.ttest_1samp(differences, 0).pvalue))


def welch_t(arm: np.ndarray, base: np.ndarray) -> Test:
    """Welch's t-test of two samples that are not paired: difference of means, its interval, and p."""
    value = float(difference(np.mean(arm), np.mean(base)))
    if min(len(arm), len(base)) < FEWEST:
        return Test(Estimate(value), None)
    if all(difference(x.max(), x.min()) == 0 for x in (arm, base)):
        return Test(Estimate(value, value, value), float(value == 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one of them is constant: it says so, and is right
        found = scipy.stats.ttest_ind(arm, base, equal_var=False)
    interval = found.confidence_interval(LEVEL)
    return Test(Estimate(value, float(interval.low), float(interval.high)), float(found.pvalue))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction of the p of several tests: below 0.05, with 5 % risk that any of them is so by chance."""
    order = np.argsort(p)
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate(factors * np.asarray(p, dtype=float)[order]))
    return corrected.tolist()


def estimate(statistic: Statistic, *samples: Sequence[float] | np.ndarray) -> Estimate:
    """`statistic` of one or more samples with its interval; each sample is resampled by itself (stratified).

    No interval where a sample has fewer than `FEWEST_BOOTSTRAP` values; NaN where one has none.
    """
    arrays = tuple(np.asarray(sample, dtype=float) for sample in samples)
    if not all(len(array) for array in arrays):
        return Estimate(np.nan)
    value = float(statistic(*arrays))
    if any(len(array) < FEWEST_BOOTSTRAP for array in arrays):
        return Estimate(value)
    interval = scipy.stats.bootstrap(
        arrays,
        statistic,
        n_resamples=RESAMPLES,
        vectorized=True,
        axis=-1,
        confidence_level=LEVEL,
        method="percentile",
        rng=_generator(),
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))


def resamples(*sizes: int, count: int = 2_000) -> list[np.ndarray]:
    """Draws of n seeds with replacement, for each n of `sizes`: indices [count, n]."""
    generator = _generator()
    return [generator.integers(n, size=(count, n)) for n in sizes]


def band(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """t-interval of the mean of `curves` [n, points] at each point: low and high [points]; None of too few curves."""
    if len(curves) < FEWEST:
        return None
    half = scipy.stats.t.ppf((1 + LEVEL) / 2, len(curves) - 1) * scipy.stats.sem(curves, axis=0)
    return curves.mean(0) - half, curves.mean(0) + half


def t_interval(values: Sequence[float] | np.ndarray, fewest: int = FEWEST) -> Estimate:
    """Mean and its t-interval; none of fewer than `fewest` values."""
    array = np.asarray(values, dtype=float)
    if len(array) < fewest:
        return Estimate(float(array.mean()) if len(array) else np.nan)
    half = float(scipy.stats.t.ppf((1 + LEVEL) / 2, len(array) - 1) * scipy.stats.sem(array))
    return Estimate(float(array.mean()), float(array.mean()) - half, float(array.mean()) + half)


def best(values: Sequence[float] | np.ndarray, count: int = 3) -> float | None:
    """Mean of the `count` best, as in IMPALA's and CPC's figures; None where there is nothing to choose from."""
    return float(np.sort(values)[-count:].mean()) if len(values) > count else None


def _generator() -> np.random.Generator:
    return np.random.default_rng(0)  # the same report of the same runs

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cpc_rl.compare import statistics
from cpc_rl.compare.statistics import (
    Estimate,
    band,
    best,
    estimate,
    holm,
    iqm,
    mann_whitney,
    mean,
    paired_t,
    pooled_iqm,
    t_interval,
    welch_t,
)

VALUES = st.lists(st.integers(-5, 5), min_size=1, max_size=7)


def naive_improvement(arm: list[int], base: list[int]) -> float:
    wins = sum(1.0 if x > y else 0.5 if x == y else 0.0 for x in arm for y in base)
    return wins / (len(arm) * len(base))


@given(VALUES, VALUES)
def test_probability_of_improvement_counts_pairs(arm: list[int], base: list[int]) -> None:
    found = statistics.probability_of_improvement(np.array(arm), np.array(base))
    assert found == pytest.approx(naive_improvement(arm, base))
    statistic = stats.mannwhitneyu(arm, base).statistic
    assert found == pytest.approx(statistic / (len(arm) * len(base)))


def test_probability_of_improvement_of_many_resamples_at_once() -> None:
    generator = np.random.default_rng(0)
    arm, base = generator.integers(0, 4, (6, 5)), generator.integers(0, 4, (6, 3))
    found = statistics.probability_of_improvement(arm, base, axis=-1)
    assert found.tolist() == pytest.approx(
        [naive_improvement(list(a), list(b)) for a, b in zip(arm, base, strict=True)]
    )


def test_iqm_leaves_out_a_quarter_on_either_side() -> None:
    assert iqm(np.array([100.0, 1.0, 2.0, -50.0])) == 1.5
    assert iqm(np.array([1.0, 2.0, 9.0])) == 4.0  # of three: the mean
    assert iqm(np.arange(8.0) ** 2) == np.mean([4, 9, 16, 25])
    assert iqm(np.arange(10.0) ** 2) == np.mean([4, 9, 16, 25, 36, 49])  # two and a half: two
    assert pooled_iqm(np.array([100.0, 1.0]), np.array([2.0, -50.0])) == 1.5


def test_a_bootstrap_interval_is_that_of_all_resamples() -> None:
    """Of ten values, five 0 and five 1, the mean of a resample is a binomial share."""
    found = estimate(mean, [0.0] * 5 + [1.0] * 5)
    low, high = stats.binom.ppf([0.025, 0.975], 10, 0.5) / 10
    assert found == (0.5, pytest.approx(low), pytest.approx(high))


def test_fewer_than_ten_get_no_interval_by_the_bootstrap() -> None:
    assert estimate(mean, np.arange(9.0)) == Estimate(4.0)
    assert estimate(pooled_iqm, np.arange(12.0), np.arange(9.0)).low is None  # the smaller sample decides


@pytest.mark.parametrize(("values", "value"), [([2.0, 4.0], 3.0), ([2.0], 2.0)])
def test_fewer_than_three_get_no_interval(values: list[float], value: float) -> None:
    assert t_interval(values) == Estimate(value)
    assert paired_t(np.array(values)) == (Estimate(value), None)
    assert welch_t(np.array(values), np.zeros(5)) == (Estimate(value), None)
    assert mann_whitney(np.array(values), np.zeros(5)) is None
    assert band(np.array(values)[:, None]) is None


def test_nothing_is_not_a_number() -> None:
    assert np.isnan(estimate(mean, []).value) and np.isnan(t_interval([]).value)
    assert estimate(mean, []).low is None


def test_equal_values_have_an_interval_of_no_width() -> None:
    equal = np.full(3, 2.0)
    assert t_interval(equal) == Estimate(2.0, 2.0, 2.0)
    assert paired_t(equal) == (Estimate(2.0, 2.0, 2.0), 0.0) and paired_t(np.zeros(3)).p == 1.0
    assert welch_t(equal, np.ones(4)) == (Estimate(1.0, 1.0, 1.0), 0.0) and welch_t(equal, equal).p == 1.0


def test_three_that_beat_three_are_a_chance_of_one_in_ten() -> None:
    """Of the 20 ways to choose three of six, two are as far apart."""
    assert mann_whitney(np.array([4.0, 5.0, 6.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(0.1)


@given(VALUES, VALUES)
@settings(max_examples=20, deadline=None)
def test_mann_whitney_is_the_share_of_all_divisions(arm: list[int], base: list[int]) -> None:
    """The p is twice the share of the divisions of all values whose statistic is as low, or as high."""
    arm, base = arm[:4], base[:4]
    found = mann_whitney(np.array(arm, dtype=float), np.array(base, dtype=float))
    if min(len(arm), len(base)) < 3:
        assert found is None
        return
    values = arm + base
    every = []
    for chosen in combinations(range(len(values)), len(arm)):
        rest = [value for i, value in enumerate(values) if i not in chosen]
        every.append(naive_improvement([values[i] for i in chosen], rest))
    here = naive_improvement(arm, base)
    tails = [np.mean([x <= here + 1e-9 for x in every]), np.mean([x >= here - 1e-9 for x in every])]
    assert found == pytest.approx(min(1.0, 2 * min(tails)))


def test_the_tests_are_scipys() -> None:
    arm, base = np.array([3.0, 5.0, 4.0, 9.0]), np.array([1.0, 6.0, 2.0, 3.5])
    paired = stats.ttest_rel(arm, base)
    expected = (pytest.approx((arm - base).mean()), *map(pytest.approx, paired.confidence_interval()))
    assert paired_t(arm - base) == (expected, pytest.approx(paired.pvalue))
    variances, n = np.array([arm.var(ddof=1), base.var(ddof=1)]), 4
    error = np.sqrt(variances.sum() / n)  # Welch and Satterthwaite by hand
    freedom = variances.sum() ** 2 / (variances**2 / (n - 1)).sum()
    half = stats.t.ppf(0.975, freedom) * error
    value = arm.mean() - base.mean()
    found = welch_t(arm, base)
    assert found.difference == pytest.approx((value, value - half, value + half))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(value) / error, freedom))


def test_holm_multiplies_the_smallest_by_all_the_next_by_one_less_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([0.2]) == [0.2] and holm([]) == []


@pytest.mark.parametrize("n", [3, 5])
def test_without_an_effect_five_levels_seldom_have_one(n: int) -> None:
    """5 % of comparisons of two equal arms over five levels; the bootstrap found one in three of four."""
    generator = np.random.default_rng(n)
    found = [
        min(holm([paired_t(generator.normal(size=n) - generator.normal(size=n)).p or 1.0 for _ in range(5)])) < 0.05
        for _ in range(500)
    ]
    assert np.mean(found) == pytest.approx(0.05, abs=0.03)  # a standard error of 0.01


def test_t_interval_is_scipys() -> None:
    values = [1.0, 4.0, 2.0, 7.0]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert t_interval(values) == pytest.approx((3.5, expected.low, expected.high))


def test_the_bootstrap_of_three_covers_what_the_report_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is why there is none: its interval of three values reaches from the lowest to the highest."""
    monkeypatch.setattr(statistics, "FEWEST_BOOTSTRAP", 3)
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    assert estimate(mean, [3.0, 1.0, 8.0]) == Estimate(4.0, 1.0, 8.0)
    generator = np.random.default_rng(3)
    found = [estimate(mean, generator.normal(size=3)) for _ in range(400)]
    held = np.mean([e.low is not None and e.high is not None and e.low <= 0 <= e.high for e in found])
    assert held == pytest.approx(0.75, abs=0.06)  # a standard error of 0.02


def test_a_band_is_the_t_interval_of_each_point() -> None:
    curves = np.array([[0.0, 5.0], [1.0, 5.0], [9.0, 5.0]])  # [n, points]
    found = band(curves)
    assert found is not None
    for point, (low, high) in enumerate(zip(*found, strict=True)):
        assert t_interval(curves[:, point])[1:] == pytest.approx((low, high))


def test_a_stratum_is_resampled_by_itself() -> None:
    """Of two levels each of which has equal values no resample mixes, so the interval has no width."""
    assert estimate(pooled_iqm, [0.0] * 10, [10.0] * 10) == Estimate(5.0, 5.0, 5.0)


def test_the_best_of_many_and_not_of_three() -> None:
    assert best([1.0, 9.0, 3.0, 6.0]) == 6.0
    assert best([1.0, 9.0, 3.0]) is None


def test_what_rounding_makes_of_equal_returns_is_a_tie() -> None:
    third = np.array([0.1 + 0.2, 0.3, 0.3])
    assert statistics.probability_of_improvement(third, np.array([0.3, 0.3, 0.1 + 0.2])) == 0.5
    assert mann_whitney(third, np.array([0.3, 0.3, 0.1 + 0.2])) == 1.0
    assert welch_t(third, np.full(3, 0.3)).difference.value == 0.0
    assert statistics.difference(np.array([1.0, 1 + 1e-12, 1 + 1e-6, -2.0, 0.0]), 1.0).tolist() == [
        0.0,
        0.0,
        (1 + 1e-6) - 1.0,
        -3.0,
        -1.0,
    ]
    assert statistics.difference(1e-300, 0.0) == 1e-300  # small is not equal
    assert np.isnan(statistics.difference(np.nan, 1.0))

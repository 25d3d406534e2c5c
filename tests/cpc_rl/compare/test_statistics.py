import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cpc_rl.compare import statistics
from cpc_rl.compare.statistics import Estimate, band, best, estimate, iqm, mean, pooled_iqm, t_interval

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


def test_an_interval_of_three_values_reaches_from_the_lowest_to_the_highest() -> None:
    assert estimate(mean, [3.0, 1.0, 8.0]) == Estimate(
        4.0, 1.0, 8.0
    )  # a resample of one value: 1 in 27, more than 2.5 %


def test_an_interval_is_that_of_all_resamples() -> None:
    values = np.array([0.0, 1.0, 5.0, 6.0])
    every = [values[[i, j, k, m]].mean() for i in range(4) for j in range(4) for k in range(4) for m in range(4)]
    found = estimate(mean, values)
    low, high = np.quantile(every, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low, abs=0.26), pytest.approx(high, abs=0.26))  # one step of 0.25
    assert found.value == 3.0


@pytest.mark.parametrize(("values", "value"), [([2.0, 4.0], 3.0), ([2.0], 2.0)])
def test_fewer_than_three_get_no_interval(values: list[float], value: float) -> None:
    assert estimate(mean, values) == Estimate(value)
    assert t_interval(values) == Estimate(value)
    assert band(np.array(values)[:, None]) is None


def test_the_smaller_sample_decides_about_an_interval() -> None:
    three, two = [1.0, 2.0, 3.0], [0.0, 1.0]
    assert estimate(statistics.difference_of_means, three, two) == Estimate(1.5)
    assert estimate(statistics.difference_of_means, three, [0.0, 0.0, 0.0]) == Estimate(2.0, 1.0, 3.0)


def test_nothing_is_not_a_number() -> None:
    assert np.isnan(estimate(mean, []).value) and np.isnan(t_interval([]).value)
    assert estimate(mean, []).low is None


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert estimate(mean, [2.0, 2.0, 2.0]) == Estimate(2.0, 2.0, 2.0)
    assert estimate(statistics.probability_of_improvement, [2.0] * 3, [1.0] * 3) == Estimate(1.0, 1.0, 1.0)


def test_t_interval_is_scipys() -> None:
    values = [1.0, 4.0, 2.0, 7.0]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert t_interval(values) == pytest.approx((3.5, expected.low, expected.high))


def coverage(n: int, trials: int = 400) -> float:
    generator = np.random.default_rng(n)
    found = (estimate(mean, generator.normal(size=n)) for _ in range(trials))
    return float(np.mean([e.low <= 0 <= e.high for e in found if e.low is not None and e.high is not None]))


@pytest.mark.parametrize(("n", "told"), [(3, 0.75), (5, 0.85), (10, 0.90)])
def test_the_bootstrap_covers_what_the_report_says(n: int, told: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    assert coverage(n) == pytest.approx(told, abs=0.05)  # 400 trials: a standard error of 0.02


def test_a_band_is_the_interval_of_each_point() -> None:
    curves = np.array([[0.0, 5.0], [1.0, 5.0], [9.0, 5.0]])  # [n, points]
    found = band(curves)
    assert found is not None
    assert (found[0].tolist(), found[1].tolist()) == ([0, 5], [9, 5])


def test_a_stratum_is_resampled_by_itself() -> None:
    """Of two levels each of which has equal values no resample mixes, so the interval has no width."""
    assert estimate(pooled_iqm, [0.0] * 4, [10.0] * 4) == Estimate(5.0, 5.0, 5.0)


def test_the_best_of_many_and_not_of_three() -> None:
    assert best([1.0, 9.0, 3.0, 6.0]) == 6.0
    assert best([1.0, 9.0, 3.0]) is None


@settings(max_examples=20)
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=6))
def test_intervals_lie_between_the_ends(values: list[float]) -> None:
    found = estimate(mean, values)
    assert found.low is not None and found.high is not None
    assert (
        min(values) - 1e-9 <= found.low <= found.value + 1e-9 and found.value - 1e-9 <= found.high <= max(values) + 1e-9
    )


@pytest.mark.parametrize(
    ("found", "apart"),
    [
        (Estimate(1, 0.5, 2), True),
        (Estimate(-1, -2, -0.5), True),
        (Estimate(1, -0.5, 2), False),
        (Estimate(1), False),
        (Estimate(1, 0, 2), False),
    ],
)
def test_apart_from_zero(found: Estimate, apart: bool) -> None:
    assert found.apart_from_zero is apart


def test_what_rounding_makes_of_equal_returns_is_a_tie() -> None:
    third = np.array([0.1 + 0.2, 0.3, 0.3])
    assert statistics.probability_of_improvement(third, np.array([0.3, 0.3, 0.1 + 0.2])) == 0.5
    assert statistics.difference_of_means(third, np.full(3, 0.3)) == 0.0
    assert statistics.difference(np.array([1.0, 1 + 1e-12, 1 + 1e-6, -2.0, 0.0]), 1.0).tolist() == [
        0.0,
        0.0,
        (1 + 1e-6) - 1.0,
        -3.0,
        -1.0,
    ]
    assert statistics.difference(1e-300, 0.0) == 1e-300  # small is not equal
    assert np.isnan(statistics.difference(np.nan, 1.0))

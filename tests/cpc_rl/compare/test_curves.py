import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from cpc_rl.compare import curves
from cpc_rl.compare.curves import (
    Curve,
    common_grid,
    final_return,
    frames_to_reach,
    mean_between,
    read_curve,
    resample,
)
from cpc_rl.runs import read_metrics
from tests.cpc_rl.made_runs import line, log_run


def naive_mean(curve: Curve, low: float, high: float) -> float:
    inside = [(r, n) for f, r, n in zip(*curve, strict=True) if low < f <= high]
    weight = sum(n for _, n in inside)
    return sum(r * n for r, n in inside) / weight if inside else math.nan


def test_lines_of_the_logger_are_read(tmp_path: Path) -> None:
    rows = [
        {"frames": 100, "episodes": 0},
        {"frames": 200, "episodes": 3, "episode_return": 4.0},
        {"frames": 300, "episodes": 1, "episode_return": float("nan")},
        {"frames": 400, "episodes": 2, "episode_return": 5.0},
    ]
    curve, broken = read_curve(read_metrics(log_run(tmp_path / "run", rows) / "metrics.jsonl"))
    assert [x.tolist() for x in curve] == [[200, 400], [4, 5], [3, 2]]
    assert broken == 1


def test_nothing_is_an_empty_curve() -> None:
    curve, broken = read_curve([{"frames": 100, "episodes": 0}, {"frames": 200}])
    assert [x.tolist() for x in curve] == [[], [], []] and broken == 0


def test_where_frames_go_back_the_later_lines_count() -> None:
    first = [{"frames": n, "episodes": 1, "episode_return": 1.0} for n in (100, 200, 300)]
    taken_up = [{"frames": 150, "episodes": 0}, {"frames": 250, "episodes": 1, "episode_return": 2.0}]
    curve, broken = read_curve([*first, {"frames": 310, "episodes": 1, "episode_return": None}, *taken_up])
    assert (curve.frames.tolist(), curve.returns.tolist(), broken) == ([100, 250], [1, 2], 0)


def test_means_weigh_lines_by_their_episodes() -> None:
    curve = line([10, 20, 30], [1.0, 4.0, 8.0], [3, 1, 2])
    assert mean_between(curve, 0, 20) == (3 + 4) / 4
    assert mean_between(curve, 10, 30) == (4 + 16) / 3
    assert np.isnan(mean_between(curve, 20, 29)) and np.isnan(mean_between(curve, 30, 99))


SOME = st.floats(-1e9, 1e9).filter(lambda x: abs(x) > 1e-6)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(SOME, st.lists(st.integers(1, 9), min_size=3, max_size=40), st.lists(st.floats(-1e12, 1e12), max_size=5))
def test_a_mean_of_equal_returns_is_that_return_whatever_came_before(
    x: float, episodes: list[int], before: list[float]
) -> None:
    curve = line(
        range(1, len(before) + len(episodes) + 1), [*before, *[x] * len(episodes)], [*[7] * len(before), *episodes]
    )
    at = np.arange(len(before) + 1, len(curve.frames) + 1.0)
    assert mean_between(curve, float(len(before)), at).tolist() == [x] * len(at)
    assert final_return(curve, np.array([1.0, curve.frames[-1]])) == x or len(before) > 0.9 * len(curve.frames) - 2


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.tuples(SOME, st.integers(1, 99)), min_size=1, max_size=20))
def test_a_mean_is_exact_but_for_its_last_rounding(lines: list[tuple[float, int]]) -> None:
    curve = line(range(1, len(lines) + 1), [r for r, _ in lines], [n for _, n in lines])
    exact = sum(Fraction(r) * n for r, n in lines) / sum(n for _, n in lines)
    assert mean_between(curve, 0, len(lines)) == float(exact)


def test_resampling_is_that_of_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    frames = np.sort(generator.choice(1000, 40, replace=False)) + 1.0
    curve = line(frames, generator.normal(size=40), generator.integers(1, 9, 40))
    grid = np.linspace(frames[0], frames[-1], curves.POINTS)
    width = curves.WINDOW * (frames[-1] - frames[0])
    found = resample(curve, grid)
    expected = [naive_mean(curve, at - width, at) for at in grid]
    empty = np.isnan(expected)
    assert 0 < empty.sum() < 40
    assert found[~empty] == pytest.approx(np.array(expected)[~empty])
    assert found[empty] == pytest.approx(np.interp(grid[empty], curve.frames, curve.returns))


def test_irregular_frames_fall_into_the_windows_they_lie_in() -> None:
    curve = line([1, 2, 50, 100], [0.0, 10.0, 4.0, 8.0])
    assert resample(curve, np.array([2.0, 50.0, 75.0, 100.0]), window=10).tolist() == [5, 4, 6, 8]


def test_a_curve_ends_where_its_run_does() -> None:
    found = resample(line([10, 20], [1.0, 2.0]), np.array([5.0, 10.0, 20.0, 21.0]), window=5)
    assert np.isnan(found).tolist() == [True, False, False, True]


def test_the_common_grid_is_where_all_have_returns() -> None:
    grid = common_grid([line([5, 40], [0, 0]), line([10, 60], [0, 0])], points=4)
    assert grid is not None and grid.tolist() == [10, 20, 30, 40]
    assert common_grid([line([5, 9], [0, 0]), line([10, 60], [0, 0])]) is None


def test_the_final_return_is_of_the_last_tenth() -> None:
    curve = line([0, 89, 90, 95, 100, 110], [0.0, 50.0, 60.0, 1.0, 4.0, 99.0], [1, 1, 1, 2, 1, 1])
    assert final_return(curve, np.linspace(0, 100, 5)) == 2.0  # of frames above 90, up to 100
    assert final_return(line([0, 50, 150], [0.0, 1.0, 3.0]), np.linspace(0, 100, 5)) == 2.0  # none ended: between lines


def test_area_is_the_mean_height() -> None:
    assert curves.area(np.array([[0.0, 1.0, 2.0], [3.0, 3.0, 3.0]])).tolist() == [1, 3]
    ramp = np.linspace(0, 1, 101) ** 2
    assert curves.area(ramp) == pytest.approx(trapezoid(ramp, dx=0.01))


@pytest.mark.parametrize(
    ("values", "target", "reached"),
    [
        ([0, 2, 4], 3.0, 250.0),
        ([0, 2, 4], 4.0, 300.0),
        ([5, 0, 9], 4.0, 100.0),
        ([0, 6, 1], 3.0, 150.0),
        ([0, 1, 2], 3.0, np.nan),
        ([0, 1, 3 - 1e-12], 3.0, 300.0),  # rounding is no difference
        ([0, 1, 3 - 1e-6], 3.0, np.nan),
        ([-3, -1 - 1e-12, -1], -1.0, 200.0),
    ],
)
def test_frames_to_reach(values: list[float], target: float, reached: float) -> None:
    grid = np.array([100.0, 200.0, 300.0])
    found = frames_to_reach(grid, np.array(values, dtype=float), target)
    assert found == pytest.approx(reached, rel=1e-15, nan_ok=True)
    both = frames_to_reach(grid, np.array([[0.0, 2.0, 4.0], values]), np.array([4.0, target]))
    assert both.tolist() == pytest.approx([300.0, reached], nan_ok=True)

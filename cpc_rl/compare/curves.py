"""From the lines of metrics.jsonl to curves on common frames, and what is read off them. Pure functions of arrays.

A line says: of `episodes` episodes that ended since the line before, the mean return is `episode_return`. Lines are
weighed by their episodes, so that a mean is one over episodes, however the lines fell. So are those of other metrics of
these episodes; where a line says something else, all lines weigh alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from cpc_rl.compare.statistics import difference

POINTS = 101  # of a curve
WINDOW = 0.05  # of the common frames: what a point averages, backwards
FINAL = 0.1  # of the common frames: what the final return averages
RETURN = "episode_return"  # the metric that is compared by default


class Curve(NamedTuple):
    """Returns of one run over its frames, or another metric."""

    frames: np.ndarray  # [N], increasing
    returns: np.ndarray  # [N], mean over the episodes that ended since the line before
    episodes: np.ndarray  # [N], how many those are


def read_curve(rows: Iterable[Mapping[str, Any]], metric: str = RETURN) -> tuple[Curve, int]:
    """The curve of `metric` in `rows`, and how many lines have one that is not a number (left out of it).

    Where frames go back, as where a run was taken up again from a checkpoint, the later lines count.
    """
    points: list[tuple[float, float, float]] = []
    for row in rows:
        if ("eval/return" in row) != metric.startswith("eval/"):  # evaluations have lines of their own
            continue
        if metric not in row and metric != RETURN:
            continue
        frames, value = row.get("frames") or 0, row.get(metric)
        while frames > 0 and points and points[-1][0] >= frames:
            points.pop()
        episodes: Any = 1
        if metric.startswith("episode"):
            episodes = row.get("episodes", 0 if value is None else 1) or 0  # lines of other programs may lack it
        if frames > 0 and episodes > 0:
            points.append((frames, math.nan if value is None else value, episodes))
    table = np.array(points, dtype=float).reshape(-1, 3)  # [lines, 3]
    finite = np.isfinite(table[:, 1])
    frames, returns, episodes = table[finite].T
    return Curve(frames, returns, episodes), int((~finite).sum())


def first(curve: Curve, frames: float) -> Curve:
    """The curve up to so many frames."""
    return Curve(*(column[: np.searchsorted(curve.frames, frames, side="right")] for column in curve))


def common_grid(curves: Iterable[Curve], points: int = POINTS) -> np.ndarray | None:
    """Frames [points] at which all of `curves` have returns; None where they share none."""
    ends = [(curve.frames[0], curve.frames[-1]) for curve in curves]
    first, last = max(first for first, _ in ends), min(last for _, last in ends)
    return np.linspace(first, last, points) if first <= last else None


def mean_between(curve: Curve, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """Mean return of the episodes on lines of more than `low` and up to `high` frames; NaN where there are none.

    Exact but for one rounding at the end: where all lines say x the mean is x, whatever came before and however many
    episodes each line has. Differences of running sums of floats would say so to a few digits only.

    Args:
        curve: Of N lines.
        low: [...] frames.
        high: [...] frames.
    """
    counts, values = ([x.as_integer_ratio() for x in column.tolist()] for column in (curve.episodes, curve.returns))
    episodes, episode = _running_sums(counts)  # N + 1 whole numbers, and their unit
    returns, unit = _running_sums([(a * b, c * d) for (a, c), (b, d) in zip(counts, values, strict=True)])
    begin, end = (np.searchsorted(curve.frames, edge, side="right") for edge in (low, high))

    def mean(i: int, j: int) -> float:
        return (returns[j] - returns[i]) * episode / ((episodes[j] - episodes[i]) * unit) if j > i else math.nan

    return np.vectorize(mean, otypes=[float])(begin, end)


def _running_sums(ratios: Sequence[tuple[int, int]]) -> tuple[list[int], int]:
    """0, the first, the first two, ... of floats given as ratios, in whole numbers of 1/unit; and unit."""
    unit = max((below for _, below in ratios), default=1)  # all are powers of two, for that is what a float is made of
    return list(accumulate((above * (unit // below) for above, below in ratios), initial=0)), unit


def resample(curve: Curve, grid: np.ndarray, window: float | None = None) -> np.ndarray:
    """Return [points] at each of the frames `grid`: over the episodes of the `window` frames before it.

    Where no episode ended in the window, the value between the lines on either side; NaN before the first line and
    behind the last one. `window` is by default the share `WINDOW` of the grid's span.
    """
    width = WINDOW * (grid[-1] - grid[0]) if window is None else window
    means = mean_between(curve, grid - width, grid)
    between = np.interp(grid, curve.frames, curve.returns)
    inside = (grid >= curve.frames[0]) & (grid <= curve.frames[-1])
    return np.where(inside, np.where(np.isnan(means), between, means), np.nan)


def final_return(curve: Curve, grid: np.ndarray) -> float:
    """Mean return of the episodes on the last `FINAL` of the grid's frames (where none ended: as the curve says)."""
    value = float(mean_between(curve, grid[-1] - FINAL * (grid[-1] - grid[0]), grid[-1]))
    return float(np.interp(grid[-1], curve.frames, curve.returns)) if math.isnan(value) else value


def area(values: np.ndarray) -> np.ndarray:
    """Mean height [...] of curves [..., points] on an even grid: the area below (trapezoids) over the frames."""
    return (values[..., 1:] + values[..., :-1]).mean(-1) / 2 if values.shape[-1] > 1 else values[..., 0]


def frames_to_reach(grid: np.ndarray, values: np.ndarray, target: np.ndarray | float) -> np.ndarray:
    """Frames at which curves first are at their targets, linear between points; NaN where one never is.

    Args:
        grid: [points] frames.
        values: [..., points].
        target: [...].
    """
    target = np.asarray(target, dtype=float)[..., None]
    there = difference(values, target) >= 0
    i = there.argmax(-1, keepdims=True)  # the first
    before, at = (np.take_along_axis(values, index, -1) for index in (np.maximum(i - 1, 0), i))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(i == 0, 1.0, np.minimum(1.0, (target - before) / (at - before)))
    frames = grid[np.maximum(i - 1, 0)] + share * (grid[i] - grid[np.maximum(i - 1, 0)])
    return np.where(there.any(-1), frames[..., 0], np.nan)

"""Ridge regression that is scored on held-out episodes: the linear probes of `cpc_rl.probe`."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float64]

FOLDS = 5
PENALTIES = 10.0 ** torch.arange(-6, 4, dtype=torch.float64)  # of features whose mean variance is 1
RESAMPLES = 10_000


class Score(TypedDict):
    """R^2 on held-out episodes with its 95 % interval over episodes; None where the fact never varied."""

    r2: float | None
    low: float | None
    high: float | None


def ridge(x: Tensor, y: Tensor, penalties: Tensor) -> Tensor:
    """Weights w that minimise |y - x w|^2 / N + penalty |w|^2: x [N, D], y [N, M], penalties [P] -> [P, D, M]."""
    scale, turn = torch.linalg.eigh(x.T @ x / len(x))  # one decomposition does for all penalties
    target = turn.T @ (x.T @ y) / len(x)  # [D, M]
    return turn @ (target / (scale[:, None] + penalties[:, None, None]))  # [P, D, M]


def held_out(x: Tensor, y: Tensor, fold: Tensor) -> Tensor:
    """Predict each fold from all others: features [N, D], facts [N, M], folds [N] of 0 to FOLDS - 1 -> [N, M].

    The penalty of each column is the one that is best on the next fold, fitted on the rest; then both are fitted on.
    """
    x, y = x.double(), y.double()
    predicted = torch.empty_like(y)  # [N, M]
    for k in range(FOLDS):
        test, validation = fold == k, fold == (k + 1) % FOLDS
        errors = (_from_to(x, y, ~test & ~validation, validation) - y[validation]).square().mean(1)  # [P, M]
        best = errors.argmin(0)  # [M]
        predicted[test] = _from_to(x, y, ~test, test)[best, :, torch.arange(y.shape[1])].T
    return predicted


def _from_to(x: Tensor, y: Tensor, fit: Tensor, to: Tensor) -> Tensor:
    """Predictions for the rows `to` of ridge regressions on the rows `fit`, one for each penalty: [P, n, M]."""
    mean = x[fit].mean(0)  # [D]
    # One scale for all: a feature that hardly varies among `fit` would explode among `to` by its own deviation.
    scale = (x[fit] - mean).square().mean().sqrt()
    scale = torch.where(scale > 1e-6, scale, 1.0)  # no features, or none that varied
    centre = y[fit].mean(0)  # [M]
    weights = ridge((x[fit] - mean) / scale, y[fit] - centre, PENALTIES)  # [P, D, M]
    return (x[to] - mean) / scale @ weights + centre


def r_squared(y: Tensor, predicted: Tensor, episode: Tensor) -> Score:
    """1 - |y - predicted|^2 / |y - mean|^2, both summed over the columns of [N, M]; resampled by `episode` [N]."""
    truth = (y - y.mean(0)).double().numpy()  # [N, M]
    residual = (y - predicted).double().numpy()  # [N, M]
    _, number, count = np.unique(episode.numpy(), return_inverse=True, return_counts=True)  # [N], [E]

    def by_episode(values: Array) -> Array:
        return np.stack([np.bincount(number, column) for column in values.T], 1)  # [E, M]

    drawn = np.random.default_rng(0).multinomial(len(count), np.full(len(count), 1 / len(count)), RESAMPLES)
    drawn = np.concatenate([np.ones((1, len(count))), drawn])  # [1 + R, E], the first has each episode once
    wrong = (drawn @ by_episode(residual**2)).sum(1)
    total = (drawn @ by_episode(truth**2) - (drawn @ by_episode(truth)) ** 2 / (drawn @ count)[:, None]).sum(1)
    varies = total > 1e-9 * len(truth)  # a resample may lack the episodes in which a fact is true
    if not varies[0]:
        return {"r2": None, "low": None, "high": None}
    values = 1 - wrong[varies] / total[varies]
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return {"r2": float(values[0]), "low": float(low), "high": float(high)}

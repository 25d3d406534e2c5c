"""Ridge regression against its normal equations, and scores against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cpc_rl import ridge as module
from cpc_rl.ridge import FOLDS, held_out, r_squared, ridge

EPISODES, EACH = 20, 30


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def episode() -> Tensor:
    return torch.arange(EPISODES).repeat(EACH)  # [N]


def test_weights_solve_the_normal_equations() -> None:
    x, y, penalties = draw(50, 7), draw(50, 3, seed=1), torch.tensor([1e-3, 1.0], dtype=torch.float64)
    for weights, penalty in zip(ridge(x, y, penalties), penalties, strict=True):
        wanted = torch.linalg.solve(x.T @ x + 50 * penalty * torch.eye(7), x.T @ y)
        assert torch.allclose(weights, wanted)


def test_no_penalty_and_many_rows_find_the_line_that_made_them() -> None:
    x, truth = draw(200, 4), draw(4, 2, seed=1)
    assert torch.allclose(ridge(x, x @ truth, torch.zeros(1, dtype=torch.float64))[0], truth)


def test_what_is_linear_is_found_and_noise_is_not(episode: Tensor) -> None:
    x = draw(len(episode), 6) * torch.tensor([1, 10, 0.1, 1, 1, 0]) + 1000  # the last never varies
    y = torch.stack([x[:, 1] * 3 - x[:, 2] * 500 + 7, draw(len(episode), seed=1)], 1)
    predicted = held_out(x, y, episode % FOLDS)
    found, noise = (r_squared(y[:, [k]], predicted[:, [k]], episode)["r2"] for k in (0, 1))
    assert found is not None and found > 0.9999 and noise is not None and noise < 0.02


def test_a_feature_that_varies_in_one_fold_alone_does_not_explode_there(episode: Tensor) -> None:
    fold = episode % FOLDS
    x = draw(len(episode), 6)
    x[:, 5] = torch.where(fold == 2, 1.0, 1e-4) * x[:, 5]
    y = x[:, :1] + 0.1 * draw(len(episode), 1, seed=1)
    predicted = held_out(x, y, fold)
    found = r_squared(y, predicted, episode)["r2"]
    assert found is not None and found > 0.95


def test_a_row_is_predicted_from_other_folds_only(episode: Tensor) -> None:
    """Features that name the episode, and a fact that is the episode's own: known by heart, never by rule."""
    x = torch.eye(EPISODES, dtype=torch.float64)[episode]
    y = draw(EPISODES, 1)[episode]
    fold = episode % FOLDS
    predicted = held_out(x, y, fold)
    assert (r_squared(y, predicted, episode)["r2"] or 0) <= 0
    changed = torch.where((fold == 2)[:, None], y + 5, y)  # of fold 2 by itself
    assert torch.allclose(held_out(x, changed, fold)[fold == 2], predicted[fold == 2])


def test_from_no_features_the_mean_of_the_other_folds_is_predicted(episode: Tensor) -> None:
    y, fold = draw(len(episode), 2), episode % FOLDS
    predicted = held_out(torch.empty(len(episode), 0), y, fold)
    for k in range(FOLDS):
        assert torch.allclose(predicted[fold == k], y[fold != k].mean(0).expand(int((fold == k).sum()), 2))


def naive(y: np.ndarray, predicted: np.ndarray) -> float:
    wrong = total = 0.0
    for column in range(y.shape[1]):
        mean = sum(y[:, column]) / len(y)
        wrong += sum((a - b) ** 2 for a, b in zip(y[:, column], predicted[:, column], strict=True))
        total += sum((a - mean) ** 2 for a in y[:, column])
    return 1 - wrong / total


def test_the_score_and_its_interval_are_those_of_a_loop(episode: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 40)
    y = draw(len(episode), 2) + episode[:, None] / 10 + 100
    predicted = y + draw(len(episode), 2, seed=1)
    score = r_squared(y, predicted, episode + 5)
    assert score["r2"] == pytest.approx(naive(y.numpy(), predicted.numpy()))
    values = []
    for counts in np.random.default_rng(0).multinomial(EPISODES, np.full(EPISODES, 1 / EPISODES), 40):
        rows = np.concatenate([np.flatnonzero(episode == k) for k in range(EPISODES) for _ in range(counts[k])])
        values.append(naive(y.numpy()[rows], predicted.numpy()[rows]))
    assert [score["low"], score["high"]] == pytest.approx(np.quantile(values, (0.025, 0.975)))


def test_perfect_predictions_score_one_the_mean_zero_and_what_never_varies_nothing(episode: Tensor) -> None:
    y = draw(len(episode), 1)
    assert r_squared(y, y, episode) == {"r2": 1, "low": 1, "high": 1}
    assert r_squared(y, y.mean(0).expand_as(y), episode)["r2"] == pytest.approx(0)
    assert r_squared(torch.ones_like(y), y, episode) == {"r2": None, "low": None, "high": None}


def test_what_varies_in_one_episode_only_has_a_score(episode: Tensor) -> None:
    y = torch.where((episode == 3)[:, None], draw(len(episode), 1), 0.0)
    score = r_squared(y, y / 2, episode)
    assert score["r2"] is not None and score["low"] is not None and np.isfinite(score["low"])

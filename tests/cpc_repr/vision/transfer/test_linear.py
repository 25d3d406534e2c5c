"""Probes on toy features whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize

from cpc_repr.objective import generator
from cpc_repr.vision.transfer.linear import (
    GridProbe,
    LinearConfig,
    fit_grid,
    fit_lbfgs,
    fit_sgd,
    independent,
    scores,
    top,
)

CONFIG = LinearConfig(
    sgd_updates=340, sgd_batch=64, lbfgs_penalty=0.1, grid_updates=150, grid_batch=32, grid_learning_rate=0.01
)


def quiet(done: int, total: int) -> None:
    assert 0 < done <= total


def separable(count: int, seed: int, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of wild scale and offset; one column never changes."""
    draws = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % classes
    centres = torch.eye(classes) * 6
    x = centres[y] + torch.randn(count, classes, generator=draws)
    return torch.cat([1000 + 300 * x, torch.full((count, 1), 7.0)], 1), y


@pytest.mark.parametrize("kind", ["sgd", "lbfgs"])
def test_separable_features_are_told_apart(kind: str) -> None:
    (x, y), (test_x, test_y) = separable(200, 0), separable(100, 1)
    probe = fit_sgd(x, y, 4, CONFIG, generator(0, 0, 4), quiet) if kind == "sgd" else fit_lbfgs(x, y, 4, CONFIG, quiet)
    found = scores(probe, test_x, test_y, kind, ks=(1, 2))
    assert found[kind].accuracy > 0.95 and found[f"{kind}_top2"].accuracy >= found[kind].accuracy
    shuffled = scores(probe, test_x, test_y.roll(1), kind, ks=(1,))
    assert shuffled[kind].accuracy < 0.05


def test_sgd_follows_the_papers_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = torch.optim.SGD.step

    def noting(self: torch.optim.SGD, *args: object) -> object:
        rates.append(self.param_groups[0]["lr"])
        assert self.param_groups[0]["momentum"] == 0.9
        return step(self, *args)

    monkeypatch.setattr(torch.optim.SGD, "step", noting)
    x, y = separable(50, 0)
    fit_sgd(x, y, 4, CONFIG.model_copy(update={"sgd_updates": 85}), generator(0, 0, 4), quiet)
    assert rates == [0.1] * 50 + [0.01] * 25 + [0.001] * 10


def test_lbfgs_finds_the_penalised_optimum() -> None:
    """Against scipy's general optimiser on the objective written out in numpy."""
    draws = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 3, generator=draws).double(), torch.arange(40) % 3
    probe = fit_lbfgs(x, y, 3, LinearConfig(), quiet)
    z = ((x - x.mean(0)) / x.std(0, correction=0)).numpy()

    def objective(theta: np.ndarray) -> float:
        w, b = theta[:9].reshape(3, 3), theta[9:]
        logits = z @ w.T + b
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return float(-log_p[np.arange(40), y].mean() + 100 / 9 * (w**2).sum())

    best = optimize.minimize(objective, np.zeros(12), method="BFGS")
    weight, bias = (p.detach().double().numpy() for p in probe.classify.parameters())
    ours = objective(np.concatenate([weight.ravel(), bias]))
    assert ours == pytest.approx(best.fun, abs=1e-6)


def test_grid_probe_is_batch_norm_without_scale_and_a_mean_of_logits() -> None:
    probe = GridProbe(5, 3)
    assert sorted(name for name, p in probe.named_parameters() if p.requires_grad) == [
        "classify.bias",
        "classify.weight",
        "norm.bias",
    ]
    probe.eval()
    z = torch.randn(2, 4, 4, 5)
    cells = torch.stack([probe(z[:, i : i + 1, j : j + 1]) for i in range(4) for j in range(4)])
    torch.testing.assert_close(probe(z), cells.mean(0))
    torch.testing.assert_close(probe(z), probe(z.mean((1, 2), keepdim=True)))  # in evaluation: mean-pool, then linear


def test_grid_probe_learns_and_its_scale_stays_1() -> None:
    def batch(number: int) -> tuple[torch.Tensor, torch.Tensor]:
        draws = torch.Generator().manual_seed(number)
        y = torch.arange(32) % 3
        z = torch.randn(32, 3, 3, 4, generator=draws)
        z[torch.arange(32), :, :, y] += 2
        return z, y

    probe = fit_grid(4, 3, CONFIG, batch, quiet)
    z, y = batch(10_000)
    assert not probe.training and top(probe(z), y, 1).float().mean() > 0.9
    assert probe.norm.weight.eq(1).all()


def test_top() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    y = torch.tensor([0, 1, 2])
    assert top(logits, y, 1).tolist() == [True, False, False]
    assert top(logits, y, 2).tolist() == [True, True, False]
    assert top(logits, y, 5).all()


def test_intervals_of_independent_pictures() -> None:
    """Wilson's interval of 10 of 10 and of 50 of 100, from tables."""
    all_right = independent(torch.ones(10, dtype=torch.bool))
    assert (all_right.accuracy, all_right.high) == (1.0, pytest.approx(1.0)) and all_right.low == pytest.approx(
        0.7225, abs=1e-4
    )
    half = independent(torch.arange(100) < 50)
    assert (half.low, half.high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))

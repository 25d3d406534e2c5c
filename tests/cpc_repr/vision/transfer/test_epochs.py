"""Probes fitted in passes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cpc_repr.bookmark import Bookmark
from cpc_repr.probes import Probe, Score
from cpc_repr.training import Stopped
from cpc_repr.vision.transfer.epochs import Curve, DropoutProbe, EpochKind, course, fit_epochs
from cpc_repr.vision.transfer.linear import LinearConfig, scores
from cpc_rl.runs import StopSignal
from tests.cpc_repr.vision.transfer.test_linear import separable

CONFIG = LinearConfig(linear_epochs=40, linear_batch=64, mlp_epochs=30, mlp_batch=64, mlp_hidden=16, lbfgs_penalty=0.01)
CPU = torch.device("cpu")


def fitted(kind: EpochKind, path: Path, stop_at: int = -1, seed: int = 0) -> tuple[Probe, Curve]:
    (x, y), (test_x, test_y) = separable(200, 0), separable(100, 1)
    stop = StopSignal()

    def tick(done: int, total: int) -> None:
        if stop.stop:
            raise Stopped
        stop.stop = done == stop_at

    def look(probe: Probe) -> Score:
        return scores(probe, test_x, test_y, kind, ks=(1,))[kind]

    mark = Bookmark(path, {"seed": seed}, 1000, stop)
    return fit_epochs(kind, x, y, 4, CONFIG, seed, CPU, look, mark, tick)


@pytest.mark.parametrize("kind", ["linear_epochs", "mlp_epochs"])
def test_separable_features_are_told_apart_and_a_stopped_fit_goes_on_bit_for_bit(
    kind: EpochKind, tmp_path: Path
) -> None:
    probe, curve = fitted(kind, tmp_path / "one.pt")
    assert curve[max(curve)].accuracy > 0.95 and min(curve) == 1
    with pytest.raises(Stopped):
        fitted(kind, tmp_path / "two.pt", stop_at=50)
    again, same = fitted(kind, tmp_path / "two.pt")
    assert same == curve
    assert all(torch.equal(a, b) for a, b in zip(probe.parameters(), again.parameters(), strict=True))
    other, _ = fitted(kind, tmp_path / "three.pt", seed=1)
    assert not torch.equal(next(other.parameters()), next(probe.parameters()))


def test_schedules_are_those_of_the_paper() -> None:
    """Kolesnikov et al. 2019, supplement and code: 0.1 x batch / 256, 520 passes; 0.01, 180 passes."""
    linear = course("linear_epochs", LinearConfig(), 2048, 1000)
    rates = [linear.rate_in(epoch) for epoch in (0, 479, 480, 499, 500, 519)]
    assert rates == pytest.approx([0.8, 0.8, 0.08, 0.08, 0.008, 0.008])
    assert (linear.epochs, linear.batch, linear.penalty, len(linear.looks)) == (520, 2048, 0, 21)
    mlp = course("mlp_epochs", LinearConfig(), 2048, 1000)
    rates = [mlp.rate_in(epoch) for epoch in (0, 59, 60, 119, 120, 179)]
    assert rates == pytest.approx([0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4])
    assert (mlp.epochs, mlp.batch, mlp.penalty) == (180, 512, 100 / (2048 * 1000))
    assert max(mlp.looks) == 180 and min(mlp.looks) == 1


def test_dropout_is_of_training_alone() -> None:
    x, _ = separable(50, 0)
    probe = DropoutProbe(x, 4, LinearConfig().mlp_hidden, LinearConfig().mlp_dropout)
    assert [tuple(p.shape) for p in probe.parameters()] == [(1000, 5), (1000,), (4, 1000), (4,)]
    assert not torch.equal(probe(x), probe(x))
    probe.eval()
    assert torch.equal(probe(x), probe(x))

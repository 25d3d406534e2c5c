"""Probes fitted by SGD in many passes over the training pictures, as Kolesnikov et al. 2019: linear, and with a layer.

Accuracy is looked at between the passes, for it keeps rising (their Figure 1). It stops nothing and chooses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.bookmark import Bookmark
from cpc_repr.context import Tick
from cpc_repr.objective import generator
from cpc_repr.probes import Probe, Score
from cpc_repr.training import drawing, seeded
from cpc_repr.vision.transfer.linear import LinearConfig, LinearProbe, moments

EpochKind = Literal["linear_epochs", "mlp_epochs"]
Kind = Literal["linear", "lbfgs", "mlp"] | EpochKind  # all probes of features [N, D]
EPOCH_KINDS: tuple[EpochKind, ...] = get_args(EpochKind)
LOOKS = 20  # at the accuracy, evenly spaced, beside the one after the first pass
Curve = dict[int, Score]  # passes -> accuracy


class Course(NamedTuple):
    """How a probe is fitted by SGD with momentum 0.9."""

    epochs: int
    batch: int
    rate: float
    drops: tuple[int, ...]  # so many of `parts` parts of the passes, after each of which the rate is a tenth
    parts: int
    penalty: float  # factor of the squared weights

    def rate_in(self, epoch: int) -> float:
        """Learning rate in pass `epoch`, from 0."""
        return float(self.rate * 0.1 ** sum(epoch * self.parts >= drop * self.epochs for drop in self.drops))

    @property
    def looks(self) -> set[int]:
        """After how many passes the accuracy is looked at."""
        return {1} | {max(1, round(self.epochs * i / LOOKS)) for i in range(1, LOOKS + 1)}


class DropoutProbe(Probe):
    """Standardise, a hidden layer with ReLU, dropout, a linear map: [N, D] -> logits [N, classes]."""

    def __init__(self, x: Tensor, classes: int, hidden: int, dropout: float) -> None:
        """For features like `x` [N, D]."""
        super().__init__(*moments(x), classes, hidden)
        first, last = nn.Linear(x.shape[1], hidden), nn.Linear(hidden, classes)
        self.classify = nn.Sequential(first, nn.ReLU(), nn.Dropout(dropout), last)


def course(kind: EpochKind, config: LinearConfig, width: int, classes: int) -> Course:
    """The schedule of `kind` for features of `width` numbers."""
    if kind == "linear_epochs":
        rate = config.linear_learning_rate * config.linear_batch / 256
        return Course(config.linear_epochs, config.linear_batch, rate, (480, 500), 520, 0.0)
    penalty = config.lbfgs_penalty / (width * classes)
    return Course(config.mlp_epochs, config.mlp_batch, config.mlp_learning_rate, (1, 2), 3, penalty)


def fit_epochs(
    kind: EpochKind,
    x: Tensor,
    y: Tensor,
    classes: int,
    config: LinearConfig,
    seed: int,
    device: torch.device,
    look: Callable[[Probe], Score],
    mark: Bookmark,
    tick: Tick,
) -> tuple[Probe, Curve]:
    """Fit a probe; a stopped one goes on where `mark` is, bit for bit.

    Args:
        kind: Linear, or with a hidden layer.
        x: Features [N, D] on the CPU; they may lie in a file.
        y: int64 [N], 0..classes-1.
        classes: How many there are.
        config: Of the fit.
        seed: Of weights, order and dropout.
        device: Where to compute.
        look: Gives the accuracy that the curve is of.
        mark: Keeps the state.
        tick: Told how many of how many updates are done; may raise to stop.

    Returns:
        The probe, and its accuracy after some of the passes, the last among them.
    """
    plan = course(kind, config, x.shape[1], classes)
    probe = _probe(kind, x, classes, config, seed).to(device)
    optimiser = torch.optim.SGD(probe.classify.parameters(), lr=plan.rate, momentum=0.9)
    saved, curve = mark.read(), Curve()
    if saved:
        probe.load_state_dict(saved["probe"])
        optimiser.load_state_dict(saved["optimiser"])
        curve = {epoch: Score(*values) for epoch, values in saved["curve"].items()}
    each, orders = -(-len(x) // plan.batch), _Orders(len(x), seed)
    for update in range(saved.get("updates", 0), plan.epochs * each):
        epoch, step = divmod(update, each)
        rows = orders(epoch)[step * plan.batch :][: plan.batch]
        probe.train()
        with drawing(generator(seed, update, 6), device):
            logits = probe(x[rows].to(device))
        loss = F.cross_entropy(logits, y[rows].to(device))
        loss = loss + plan.penalty * sum(p.square().sum() for p in probe.classify.parameters() if p.ndim > 1)
        optimiser.param_groups[0]["lr"] = plan.rate_in(epoch)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        if step == each - 1 and epoch + 1 in plan.looks:
            curve[epoch + 1] = look(probe.eval())
        mark.offer(lambda done=update + 1: _state(done, probe, optimiser, curve))  # type: ignore[misc]
        tick(update + 1, plan.epochs * each)
    return probe.eval(), curve


class _Orders:
    """The order of the rows in each pass; the one last asked for is remembered."""

    def __init__(self, rows: int, seed: int) -> None:
        self._rows, self._seed, self._known = rows, seed, (-1, torch.empty(0))

    def __call__(self, epoch: int) -> Tensor:
        if self._known[0] != epoch:
            self._known = (epoch, torch.randperm(self._rows, generator=generator(self._seed, epoch, 8)))
        return self._known[1]


def _probe(kind: EpochKind, x: Tensor, classes: int, config: LinearConfig, seed: int) -> Probe:
    if kind == "linear_epochs":
        return LinearProbe(x, classes)
    return cast(DropoutProbe, seeded(seed, lambda: DropoutProbe(x, classes, config.mlp_hidden, config.mlp_dropout)))


def _state(updates: int, probe: Probe, optimiser: torch.optim.Optimizer, curve: Curve) -> dict[str, object]:
    plain = {epoch: [score.accuracy, score.low, score.high] for epoch, score in curve.items()}
    return {"updates": updates, "probe": probe.state_dict(), "optimiser": optimiser.state_dict(), "curve": plain}

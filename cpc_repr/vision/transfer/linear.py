"""How frozen features are probed: the protocols of the papers beside those of `cpc_repr.probes`.

All but the grid probe work on features averaged over the grid, standardised by the training pictures' mean and
deviation, so that one penalty and one learning rate serve pixels and networks alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from pydantic import Field
from scipy import optimize
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen
from cpc_repr.bookmark import Bookmark
from cpc_repr.context import Tick
from cpc_repr.probes import Probe, Score

SCHEDULE = ((50, 0.1), (75, 0.01), (85, 0.001))  # CPC v1: until 50, 75 and 85 thousand updates of the 85


class LinearConfig(Frozen):
    """Length of the papers' probes."""

    sgd_updates: int = Field(
        default=85_000,
        ge=1,
        le=10**9,
        description="Updates of SGD on averaged features, at 0.1, 0.01, 0.001 for 50, 25, 10 of 85 parts.",
    )
    sgd_batch: int = Field(default=2048, ge=1, le=65_536, description="Pictures of each update.")
    lbfgs_iterations: int = Field(default=800, ge=1, le=10**6, description="Iterations of L-BFGS, at most.")
    lbfgs_penalty: float = Field(
        default=100.0,
        ge=0,
        le=1e9,
        description="Penalty: p of p / (M C) ||W||^2, M numbers of a representation, C classes; the paper's 100 is "
        "for M of thousands and C of 1000.",
    )
    grid_updates: int = Field(
        default=100_000,
        ge=1,
        le=10**9,
        description="Updates of Adam on the classifier of every cell, through the frozen encoder.",
    )
    grid_batch: int = Field(default=512, ge=1, le=65_536, description="Pictures of each update.")
    grid_learning_rate: float = Field(
        default=5e-4, gt=0, le=1, description="Learning rate of Adam on the classifier of every cell."
    )
    grid_views: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Encode so many views of each picture once and draw from those; none: new views at each update.",
    )
    grid_augment: bool = Field(
        default=False,
        description="Whether views are augmented by --augment.* as in training, which CPC v2 does, or only cropped.",
    )
    linear_epochs: int = Field(
        default=520,
        ge=1,
        le=100_000,
        description="Passes of the probe `linear_epochs`: SGD, a tenth of the rate from 480 and from 500 of 520 parts.",
    )
    linear_batch: int = Field(default=2048, ge=1, le=65_536, description="Pictures of an update of `linear_epochs`.")
    linear_learning_rate: float = Field(
        default=0.1,
        gt=0,
        le=10,
        description="Learning rate of `linear_epochs` for batches of 256, in proportion for others.",
    )
    mlp_epochs: int = Field(
        default=180,
        ge=1,
        le=100_000,
        description="Passes of the probe `mlp_epochs`: SGD, a tenth of the rate from a third and from two thirds; "
        "penalty as L-BFGS.",
    )
    mlp_batch: int = Field(default=512, ge=1, le=65_536, description="Pictures of an update of `mlp_epochs`.")
    mlp_hidden: int = Field(default=1000, ge=1, le=65_536, description="Hidden units of `mlp_epochs`.")
    mlp_dropout: float = Field(default=0.5, ge=0, lt=1, description="Dropout of `mlp_epochs`.")
    mlp_learning_rate: float = Field(default=0.01, gt=0, le=10, description="Learning rate of `mlp_epochs`.")


class LinearProbe(Probe):
    """Standardise and map: [N, D] -> logits [N, classes]; weights begin at 0."""

    classify: nn.Linear

    def __init__(self, x: Tensor, classes: int) -> None:
        """For features like `x` [N, D]."""
        super().__init__(*moments(x), classes, None)
        nn.init.zeros_(self.classify.weight)
        nn.init.zeros_(self.classify.bias)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation [D] of the columns of x [N, D]; 1 where one is constant."""
    deviation, mean = torch.std_mean(x, dim=0, correction=0)
    return mean, deviation.where(deviation > 1e-6, 1.0)


def fit_sgd(
    x: Tensor, y: Tensor, classes: int, config: LinearConfig, draws: torch.Generator, tick: Tick
) -> LinearProbe:
    """Logistic regression by SGD with momentum 0.9, in batches drawn with replacement (van den Oord et al. 2018).

    Args:
        x: Features [N, D].
        y: int64 [N], 0..classes-1.
        classes: How many there are.
        config: Of the fit.
        draws: Of the batches, on the CPU.
        tick: Told how many of how many updates are done; may raise to stop.
    """
    probe = LinearProbe(x, classes).to(x.device)
    optimiser = torch.optim.SGD(probe.classify.parameters(), lr=SCHEDULE[0][1], momentum=0.9)
    total = config.sgd_updates
    for update in range(total):
        for group in optimiser.param_groups:
            group["lr"] = next(rate for until, rate in SCHEDULE if update * 85 < until * total)
        chosen = torch.randint(len(x), (min(config.sgd_batch, len(x)),), generator=draws).to(x.device)
        optimiser.zero_grad()
        torch.autograd.backward(F.cross_entropy(probe(x[chosen]), y[chosen]))
        optimiser.step()
        tick(update + 1, total)
    return probe


def fit_lbfgs(x: Tensor, y: Tensor, classes: int, config: LinearConfig, tick: Tick) -> LinearProbe:
    """Logistic regression by L-BFGS on all features at once (Kolesnikov et al. 2019).

    Minimises the mean cross-entropy plus p / (M C) ||W||^2 for features of M numbers and C classes; no penalty on b.
    """
    probe = LinearProbe(x, classes).to(x.device)
    standard = (x - probe.mean) / probe.deviation
    parameters = [*probe.classify.parameters()]
    shapes, strength = [p.shape for p in parameters], config.lbfgs_penalty / (x.shape[1] * classes)

    def put(theta: np.ndarray) -> None:
        flat = torch.as_tensor(theta, dtype=x.dtype, device=x.device)
        parts = torch.split(flat, [shape.numel() for shape in shapes])
        for p, part, shape in zip(parameters, parts, shapes, strict=True):
            p.data = part.view(shape)

    def value(theta: np.ndarray) -> tuple[float, np.ndarray]:
        put(theta)
        weight, bias = parameters
        loss = F.cross_entropy(F.linear(standard, weight, bias), y) + strength * weight.square().sum()
        slopes = torch.autograd.grad(loss, parameters)
        return loss.item(), torch.cat([slope.flatten() for slope in slopes]).cpu().double().numpy()

    done, iterations = 0, config.lbfgs_iterations

    def count(_: np.ndarray) -> None:
        nonlocal done
        done += 1
        tick(min(done, iterations), iterations)

    start = np.zeros(sum(p.numel() for p in parameters))
    best, _, _ = optimize.fmin_l_bfgs_b(value, start, maxiter=iterations, maxfun=20 * iterations, callback=count)
    put(best)
    return probe


class GridProbe(nn.Module):
    """Batch normalisation without scale, a linear map on every cell, the mean of logits (Hénaff et al. 2020)."""

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(size)
        assert self.norm.weight is not None
        self.norm.weight.requires_grad_(False)  # stays 1
        self.classify = nn.Conv2d(size, classes, 1)

    def forward(self, z: Tensor) -> Tensor:
        """Logits [B, classes] of z [B, H, W, D]."""
        logits: Tensor = self.classify(self.norm(z.permute(0, 3, 1, 2))).mean((-2, -1))
        return logits


def fit_grid(
    size: int,
    classes: int,
    config: LinearConfig,
    batch: Callable[[int], tuple[Tensor, Tensor]],
    tick: Tick,
    device: torch.device | str = "cpu",
    mark: Bookmark | None = None,
) -> GridProbe:
    """Fit a grid probe by Adam. `batch` maps the update's number to z [B, H, W, D] and labels [B]; `mark` keeps it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        probe = GridProbe(size, classes).to(device)
    trained = [p for p in probe.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=config.grid_learning_rate)
    saved = mark.read() if mark is not None else {}
    if saved:
        probe.load_state_dict(saved["probe"])
        optimiser.load_state_dict(saved["optimiser"])
    for update in range(saved.get("updates", 0), config.grid_updates):
        z, y = batch(update)
        optimiser.zero_grad()
        torch.autograd.backward(F.cross_entropy(probe(z), y))
        optimiser.step()
        if mark is not None:
            state = {"probe": probe.state_dict(), "optimiser": optimiser.state_dict()}
            mark.offer(lambda state=state, done=update + 1: {"updates": done, **state})  # type: ignore[misc]
        tick(update + 1, config.grid_updates)
    return probe.eval()


def top(logits: Tensor, y: Tensor, k: int) -> Tensor:
    """Whether the class is among the k best, bool [N]. With few classes, k of all of them are always right."""
    k = min(k, logits.shape[-1])
    return (logits.topk(k, dim=-1).indices == y[:, None]).any(-1)


def independent(hit: Tensor) -> Score:
    """Mean of `hit` [N] with its 95 % interval (Wilson): pictures are independent of each other."""
    n, p, z = len(hit), float(hit.double().mean()), 1.959964
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Score(p, (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n))


@torch.no_grad()
def scores(probe: nn.Module, x: Tensor, y: Tensor, name: str, ks: Sequence[int] = (1, 5)) -> dict[str, Score]:
    """Top-1 accuracy as `name`, top-5 as `name`_top5, of logits of x [N, D]."""
    logits = torch.cat([probe(rows).cpu() for rows in torch.split(x, 4096)])
    return {name if k == 1 else f"{name}_top{k}": independent(top(logits, y.cpu(), k)) for k in ks}

"""What a representation knows: classifiers trained on frozen features, and how far their accuracy can be trusted.

Linear is multinomial logistic regression; the other probe has one hidden layer. Both are fitted by Adam on
mini-batches, for frames come in millions, on features standardised by the training set's mean and deviation (which a
linear probe could undo, so that it only evens out the scales the features come in).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen

_CHUNK = 2**16  # rows looked at together
IN_MEMORY = 2**32  # bytes: features beyond this lie in a file


class ProbeConfig(Frozen):
    """How probes are fitted."""

    epochs: int = Field(default=20, ge=1, le=1000, description="Passes over the training rows.")
    learning_rate: float = Field(default=1e-3, gt=0, le=1, description="Learning rate of Adam; falls linearly to 0.")
    batch_rows: int = Field(default=1024, ge=1, le=10**6, description="Rows of one step.")
    hidden: int = Field(default=256, ge=1, le=65_536, description="Hidden units of the MLP probe.")


@dataclass(frozen=True)
class Score:
    """An accuracy on held-out rows, with its 95 % interval over what the rows come in (utterances)."""

    accuracy: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.accuracy:.1%}"


class Probe(nn.Module):
    """Standardise, then classify: [N, D] -> logits [N, classes]."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor, classes: int, hidden: int | None) -> None:
        """`hidden` units with ReLU, or None for a linear probe."""
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        width = len(mean)
        if hidden is None:
            self.classify: nn.Module = nn.Linear(width, classes)
        else:
            self.classify = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classify((x - self.mean) / self.deviation)


def fit_probe(
    x: Tensor,
    y: Tensor,
    classes: int,
    config: ProbeConfig,
    *,
    hidden: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Probe:
    """Fit a probe.

    Args:
        x: Features [N, D]; they may lie in a file.
        y: int64 [N], classes 0..classes-1.
        classes: How many there are.
        config: Of the fit.
        hidden: Units of a hidden layer; None: linear.
        seed: Of weights and order.
        device: Where to compute.
        tick: Told how many of how many steps are done; may raise to stop.

    Raises:
        ValueError: No rows, or a class out of range.
    """
    if not len(x) or len(x) != len(y):
        raise ValueError(f"{len(x)} rows of features for {len(y)} classes: as many, and at least one")
    if not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(f"classes {int(y.min())}..{int(y.max())}, allowed are 0..{classes - 1}")
    order = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = Probe(*_standard(x), classes, hidden).to(device)
    optimiser = torch.optim.Adam(probe.classify.parameters(), lr=config.learning_rate)
    each = -(-len(x) // config.batch_rows)
    total = each * config.epochs
    for step in range(total):
        if step % each == 0:
            rows = torch.randperm(len(x), generator=order)
        chosen = rows[step % each * config.batch_rows :][: config.batch_rows]
        loss = F.cross_entropy(probe(x[chosen].to(device)), y[chosen].to(device))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (1 - step / total)
        optimiser.step()
        tick(step + 1, total)
    return probe


@torch.no_grad()
def score(probe: nn.Module, x: Tensor, y: Tensor, cluster: Tensor) -> Score:
    """Accuracy of a probe on rows [N, D] of classes [N]; rows of one `cluster` [N] hang together."""
    device = next(probe.parameters()).device
    hits = [probe(rows.to(device)).argmax(-1).cpu() == want for rows, want in _chunks(x, y)]
    return clustered(torch.cat(hits), cluster)


def clustered(hit: Tensor, cluster: Tensor, resamples: int = 2000, seed: int = 0) -> Score:
    """Mean of `hit` [N] and its 95 % interval by a bootstrap over clusters: neighbouring frames are no new evidence."""
    _, index = torch.unique(cluster, return_inverse=True)
    count = torch.bincount(index).double().numpy()  # rows of each cluster
    hits = torch.bincount(index, weights=hit.double()).numpy()
    draws = np.random.default_rng(seed).multinomial(len(count), np.full(len(count), 1 / len(count)), size=resamples)
    means = (draws @ hits) / (draws @ count)
    low, high = np.quantile(means, [0.025, 0.975])
    return Score(float(hits.sum() / count.sum()), float(low), float(high))


def most_frequent(train: Tensor, test: Tensor, cluster: Tensor) -> Score:
    """What always saying the training rows' most frequent class gets: chance."""
    return clustered(test == torch.bincount(train).argmax(), cluster)


def feature_table(rows: int, width: int, file: Path, limit: int = IN_MEMORY) -> Tensor:
    """Room for features, float32 [rows, width]: in `file` where they are larger than `limit` bytes."""
    if 4 * rows * width <= limit:
        return torch.empty(rows, width)
    file.parent.mkdir(parents=True, exist_ok=True)
    return torch.from_file(str(file), shared=True, size=rows * width).view(rows, width)


def _chunks(x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [(x[i : i + _CHUNK], y[i : i + _CHUNK]) for i in range(0, len(x), _CHUNK)]


def _standard(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation [D] of each column, which is 1 where a column is constant."""
    mean = torch.stack([rows.double().sum(0) for rows in torch.split(x, _CHUNK)]).sum(0) / len(x)
    square = torch.stack([(rows.double() - mean).square().sum(0) for rows in torch.split(x, _CHUNK)]).sum(0) / len(x)
    deviation = square.sqrt()
    return mean.float(), deviation.where(deviation > 1e-8, 1.0).float()

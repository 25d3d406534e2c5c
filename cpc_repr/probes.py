"""What a representation knows: classifiers trained on frozen features, and how far their accuracy can be trusted.

Linear is multinomial logistic regression; the other probe has one hidden layer. Both are fitted by Adam on
mini-batches, for frames come in millions, on features standardised by the training set's mean and deviation (which a
linear probe could undo, so that it only evens out the scales the features come in). Held-out training rows choose the
learning rate and when to stop; the test rows choose nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen

_CHUNK = 2**16  # rows looked at together
IN_MEMORY = 2**32  # bytes: features beyond this lie in a file


class ProbeConfig(Frozen):
    """How probes are fitted."""

    epochs: int = Field(default=20, ge=1, le=1000, description="Passes over the training rows, at most.")
    learning_rates: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(1e-3, 3e-3, 1e-2),
        min_length=1,
        description="Learning rates of Adam to choose from; each falls linearly to 0.",
    )
    validation: float = Field(
        default=0.1,
        ge=0,
        le=0.9,
        description="Share of the training utterances (of the pictures) that choose learning rate and passes and are "
        "not fitted; 0: all rows are fitted, for all passes, at the one learning rate.",
    )
    batch_rows: int = Field(default=1024, ge=1, le=10**6, description="Rows of a mini-batch.")
    hidden: int = Field(default=256, ge=1, le=65_536, description="Hidden units of the MLP probe.")

    @model_validator(mode="after")
    def _something_chooses(self) -> ProbeConfig:
        if not self.validation and len(self.learning_rates) > 1:
            raise ValueError(
                f"validation = 0 leaves nothing to choose by among {len(self.learning_rates)} learning_rates"
            )
        return self


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
    cluster: Tensor | None = None,
    hidden: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Probe:
    """Fit a probe, with the learning rate and after the pass at which it was best on held-out rows.

    Args:
        x: Features [N, D]; they may lie in a file.
        y: int64 [N], classes 0..classes-1.
        classes: How many there are.
        config: Of the fit.
        cluster: int64 [N]: rows of one are fitted or held out together; None: each row is by itself.
        hidden: Units of a hidden layer; None: linear.
        seed: Of weights, order, and what is held out.
        device: Where to compute.
        tick: Told how many of how many steps are done; may raise to stop.

    Raises:
        ValueError: No rows, or a class out of range.
    """
    if not len(x) or len(x) != len(y):
        raise ValueError(f"{len(x)} rows of features for {len(y)} classes: as many, and at least one")
    if not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(f"classes {int(y.min())}..{int(y.max())}, allowed are 0..{classes - 1}")
    held = hold_out(torch.arange(len(x)) if cluster is None else cluster, config.validation, seed)
    rows, other = (torch.nonzero(mask)[:, 0] for mask in (~held, held))
    mean, deviation = _standard(x, rows)
    steps = -(-len(rows) // config.batch_rows) * config.epochs
    best, chosen = -1, None
    for i, rate in enumerate(config.learning_rates):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            probe = Probe(mean, deviation, classes, hidden).to(device)
        for step in _passes(probe, x, y, rows, config, rate, seed):
            tick(i * steps + step, len(config.learning_rates) * steps)
            pass_ends = step % (steps // config.epochs) == 0
            if pass_ends and len(other) and (right := _right(probe, x, y, other)) > best:
                best, chosen = right, copy.deepcopy(probe)
    return chosen or probe


def hold_out(cluster: Tensor, share: float, seed: int) -> Tensor:
    """Which rows [N] are held out: all of a random `share` of the clusters, one or more, but never all."""
    kinds, index = torch.unique(cluster, return_inverse=True)
    count = min(max(1, round(share * len(kinds))), len(kinds) - 1) if share else 0
    order = torch.randperm(len(kinds), generator=torch.Generator().manual_seed(seed))
    return torch.isin(index, order[:count])


def _passes(
    probe: Probe, x: Tensor, y: Tensor, rows: Tensor, config: ProbeConfig, rate: float, seed: int
) -> Iterator[int]:
    """Fit `probe` to `rows` of x and y; gives the number of each step once it is made."""
    device, order = probe.mean.device, torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(probe.classify.parameters(), lr=rate)
    each = -(-len(rows) // config.batch_rows)
    total = each * config.epochs
    for step in range(total):
        if step % each == 0:
            shuffled = rows[torch.randperm(len(rows), generator=order)]
        chosen = shuffled[step % each * config.batch_rows :][: config.batch_rows]
        loss = F.cross_entropy(probe(x[chosen].to(device)), y[chosen].to(device))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 - step / total)
        optimiser.step()
        yield step + 1


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


@torch.no_grad()
def _right(probe: Probe, x: Tensor, y: Tensor, rows: Tensor) -> int:
    """How many of `rows` get their class."""
    device = probe.mean.device
    return sum(int((probe(x[some].to(device)).argmax(-1).cpu() == y[some]).sum()) for some in torch.split(rows, _CHUNK))


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


def _standard(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation [D] of each column over `rows`, which is 1 where a column is constant."""
    parts = torch.split(rows, _CHUNK)
    mean = torch.stack([x[part].double().sum(0) for part in parts]).sum(0) / len(rows)
    square = torch.stack([(x[part].double() - mean).square().sum(0) for part in parts]).sum(0) / len(rows)
    deviation = square.sqrt()
    return mean.float(), deviation.where(deviation > 1e-8, 1.0).float()

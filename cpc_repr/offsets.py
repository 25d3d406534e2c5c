"""The contrastive task at each offset k: metrics, means over test batches, and their picture.

The picture is van den Oord et al. 2018, Figure 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cpc_repr.objective import Losses, Objective, Stage
from cpc_repr.report import plot_curves
from cpc_rl.infonce import CPC, PerOffset


def offset_metrics(per_offset: PerOffset, offsets: Sequence[int], prefix: str = "cpc") -> dict[str, Tensor]:
    """Accuracy and bound of each offset k, and log N (of the last), named as metrics."""
    named = {f"{prefix}/log_n": per_offset.log_n[-1]}
    for i, k in enumerate(offsets):
        named[f"{prefix}/accuracy_{k}"] = per_offset.accuracy[i]
        named[f"{prefix}/bound_{k}"] = per_offset.bound[i]
    return named


def greedy_losses(modules: Mapping[str, CPC], offsets: Sequence[int]) -> Losses:
    """The sum of the losses of modules that are trained one by one, and the metrics of each."""
    metrics = {f"loss/{name}": result.loss.detach() for name, result in modules.items()}
    for name, result in modules.items():
        metrics |= offset_metrics(result.per_offset, offsets, name)
    return torch.stack([result.loss for result in modules.values()]).sum(), metrics


def live_offsets(offsets: Sequence[int]) -> dict[str, str]:
    """What the live line shows of `offset_metrics`: loss, log N, and accuracy at the nearest and farthest offset."""
    near, far = offsets[0], offsets[-1]
    accuracy = {f"accuracy at {near}": f"cpc/accuracy_{near}"}
    accuracy |= {f"at {far}": f"cpc/accuracy_{far}"} if far != near else {}
    return {"loss": "loss/total", "log N": "cpc/log_n", **accuracy}


def offsets_stage(
    objective: Objective[Any, Any],
    contrast: Callable[[int], PerOffset],
    offsets: Sequence[int],
    unit: str,
    picture: str,
    name: str = "per_offset",
) -> Stage:
    """Means of the contrastive task over test batches, and their picture.

    Args:
        objective: What is evaluated.
        contrast: Its task on test batch 0, 1, ..., as training makes them.
        offsets: Those that are predicted.
        unit: What they are counted in.
        picture: Name of its file in the report.
        name: Of the result.
    """
    context = objective.context
    batches = context.config.evaluation.batches

    @torch.no_grad()
    def compute() -> dict[str, list[float]]:
        objective.module.eval()
        measured = []
        with context.live("contrastive accuracy") as tick:
            for number in range(batches):
                measured.append(contrast(number))
                tick(number + 1, batches)
        return mean_offsets(measured)

    return Stage(name, compute, show=lambda means: plot_offsets(context.run.report / picture, offsets, means, unit))


def mean_offsets(batches: Sequence[PerOffset]) -> dict[str, list[float]]:
    """Means over batches of loss, accuracy, win_rate, bound and log_n, and chance 1 / N, a number for each offset."""
    columns = ("loss", "accuracy", "win_rate", "bound", "log_n")
    means = {name: torch.stack([getattr(batch, name) for batch in batches]).mean(0) for name in columns}
    means["chance"] = means["log_n"].neg().exp()
    return {name: values.tolist() for name, values in means.items()}


def plot_offsets(path: Path, offsets: Sequence[int], means: Mapping[str, Sequence[float]], unit: str) -> None:
    """Draw accuracy and bound against `offsets` in `unit`, the result of `mean_offsets`, into a PNG.

    The paper's caption can be read as top-1 or as the share of negatives beaten, so both are drawn.
    """
    panels = [
        ("accuracy (top-1)", {"CPC": means["accuracy"], "chance (1/N)": means["chance"]}),
        ("negatives beaten", {"CPC": means["win_rate"], "chance (1/2)": [0.5] * len(offsets)}),
        ("bound on I(x; c), nats", {"log N - L": means["bound"], "log N": means["log_n"]}),
    ]
    plot_curves(path, panels, offsets, f"k, {unit}")

"""The contrastive task at each offset k: means over batches, and their picture (van den Oord et al. 2018, Figure 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from cpc_repr.report import plot_curves
from cpc_rl.infonce import PerOffset


def mean_offsets(found: Sequence[PerOffset]) -> dict[str, list[float]]:
    """Means over batches of loss, accuracy, win_rate, bound and log_n, and chance 1 / N, a number for each offset."""
    columns = ("loss", "accuracy", "win_rate", "bound", "log_n")
    means = {name: torch.stack([getattr(batch, name) for batch in found]).mean(0) for name in columns}
    means["chance"] = means["log_n"].neg().exp()
    return {name: values.tolist() for name, values in means.items()}


def plot_offsets(path: Path, offsets: Sequence[int], found: Mapping[str, Sequence[float]], unit: str) -> None:
    """Draw accuracy and bound against `offsets` in `unit`, of what `mean_offsets` found, into a PNG.

    The paper's caption can be read as top-1 or as the share of negatives beaten, so both are drawn.
    """
    panels = [
        ("accuracy (top-1)", {"CPC": found["accuracy"], "chance (1/N)": found["chance"]}),
        ("negatives beaten", {"CPC": found["win_rate"], "chance (1/2)": [0.5] * len(offsets)}),
        ("bound on I(x; c), nats", {"log N - L": found["bound"], "log N": found["log_n"]}),
    ]
    plot_curves(path, panels, offsets, f"k, {unit}")

"""The learning curve of one run as a picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from configs import RunFailure
from cpc_rl.runs.directory import RunDirectory
from cpc_rl.runs.metrics import Row, read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_curve(run_dir: Path) -> Path:
    """Draw return, entropy and CPC accuracy (those that were logged) against frames into `report/curve.png`.

    Raises:
        RunFailure: There are no metrics yet.
    """
    from matplotlib.figure import Figure  # not pyplot: a notebook's own back end stays as it is

    run = RunDirectory.open(run_dir)
    rows = read_metrics(run.metrics_path)
    if not rows:
        raise RunFailure(f"{run.metrics_path}: no metrics to draw")
    panels = [(title, keys) for title, keys in _panels(rows) if any(key in row for row in rows for key in keys)]
    figure = Figure(figsize=(5 * len(panels), 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)
    for axis, (title, keys) in zip(axes[0], panels, strict=True):
        for key in keys:
            _draw(axis, rows, key, label=key.rpartition("_")[2] if len(keys) > 1 else None)
        axis.set(title=title, xlabel="frames")
        axis.grid(alpha=0.3)
        if len(keys) > 1:
            axis.legend(title="step k", fontsize="small")
    figure.suptitle(run.path.resolve().name, fontsize="medium")
    path = run.report / "curve.png"
    figure.savefig(path, dpi=110)
    return path


def _panels(rows: list[Row]) -> list[tuple[str, list[str]]]:
    """Choose what to draw: (title, keys). Of the CPC steps k, four or so that span them."""
    found = {key for row in rows for key in row if re.fullmatch(r"cpc/accuracy_\d+", key)}
    accuracy = sorted(found, key=lambda key: int(key.rpartition("_")[2]))
    chosen = sorted({round(i) for i in np.linspace(0, len(accuracy) - 1, 4)}) if accuracy else []
    return [
        ("episode return", ["episode_return"]),
        ("policy entropy", ["entropy"]),
        ("CPC accuracy", [accuracy[i] for i in chosen]),
    ]


def _draw(axis: Axes, rows: list[Row], key: str, label: str | None) -> None:
    """Draw one metric: the raw points light, a running mean over a twentieth of them on top."""
    pairs = [(row["frames"], row[key]) for row in rows if row.get(key) is not None]
    if not pairs:
        return
    frames, values = np.array(pairs, dtype=float).T
    width = max(1, len(values) // 20)
    (line,) = axis.plot(frames, smooth(values, width), label=label, linewidth=1.8)
    axis.plot(frames, values, ".", color=line.get_color(), alpha=0.25, markersize=3)


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Centred running mean over 2 * width + 1 values, over fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    low, high = np.maximum(index - width, 0), np.minimum(index + width + 1, len(values))
    mean: np.ndarray = (sums[high] - sums[low]) / (high - low)
    return mean

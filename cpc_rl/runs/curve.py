"""The learning curve of one run as a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from configs import RunFailure
from configs.errors import readable
from cpc_rl.aux import AUX_LOSSES
from cpc_rl.runs.directory import RunDirectory
from cpc_rl.runs.metrics import Row, read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = {
    "eval/return": "return, sampled",
    "eval/greedy_return": "return, greedy",
    "episode/first_find_steps": "first",
    "episode/later_find_steps": "later",
}
ACROSS = 4  # panels in a row
AGENT_LOSSES = {"policy", "baseline", "total"}  # of A2C itself


def plot_curve(run_dir: Path) -> Path:
    """Draw what was logged of returns, episodes, entropy and auxiliary losses over frames into `report/curve.png`.

    Raises:
        RunFailure: There are no metrics yet.
    """
    from matplotlib.figure import Figure  # not pyplot: a notebook's own back end stays as it is

    run = RunDirectory.open(run_dir)
    rows = read_metrics(run.metrics_path)
    if not rows:
        raise RunFailure(f"{run.metrics_path}: no metrics to draw")
    panels = [(title, keys) for title, keys in _panels(rows) if any(key in row for row in rows for key in keys)]
    columns = min(len(panels), ACROSS)
    lines = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(5 * columns, 3.6 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, (title, keys) in zip(axes[: len(panels)], panels, strict=True):
        for key in keys:
            label = LABELS.get(key, key.rpartition("_")[2])
            _draw(axis, rows, key, label=label if len(keys) > 1 else None)
        axis.set(title=title, xlabel="frames")
        axis.locator_params(axis="x", nbins=6)
        axis.grid(alpha=0.3)
        if len(keys) > 1:
            axis.legend(title=None if keys[0] in LABELS else "step k", fontsize="small")
    figure.suptitle(readable(run.path.resolve().name), fontsize="medium")
    path = run.report / "curve.png"
    figure.savefig(path, dpi=110)
    return path


def _panels(rows: list[Row]) -> list[tuple[str, list[str]]]:
    """Choose what to draw: (title, keys). Of a metric for each step k, four or so that span them."""
    logged = list(dict.fromkeys(key for row in rows for key in row))
    panels = [("episode return", ["episode_return"]), ("evaluation", ["eval/return", "eval/greedy_return"])]
    told = [key for key in logged if key.startswith("episode/")]
    panels += [(key.partition("/")[2], [key]) for key in told if key not in LABELS]
    panels += [("agent steps of a search for a find", [key for key in told if key in LABELS])]
    panels += [("policy entropy", ["entropy"])]
    return panels + [(f"{name}: {what}", keys) for name, what, keys in aux_curves(logged)]


def aux_curves(logged: Collection[str]) -> list[tuple[str, str, list[str]]]:
    """Of each auxiliary loss in `logged` metrics its name, what to look at, and the metrics that show it.

    A registered loss says itself what that is; of another one it is the loss.
    """
    losses = {key.removeprefix("loss/") for key in logged if key.startswith("loss/")} - AGENT_LOSSES
    losses |= AUX_LOSSES.keys() & {key.partition("/")[0] for key in logged}
    curves = []
    for name in sorted(losses):
        what = AUX_LOSSES[name].curve if name in AUX_LOSSES else ""
        steps = [key for key in logged if what and re.fullmatch(rf"{re.escape(name)}/{what}_\d+", key)]
        steps.sort(key=lambda key: int(key.rpartition("_")[2]))
        chosen = sorted({round(i) for i in np.linspace(0, len(steps) - 1, 4)}) if steps else []
        single = [f"{name}/{what}"] if f"{name}/{what}" in logged else []
        keys = single or [steps[i] for i in chosen]
        curves.append((name, what, keys) if keys else (name, "loss", [f"loss/{name}"]))
    return curves


def _draw(axis: Axes, rows: list[Row], key: str, label: str | None) -> None:
    """Draw one metric: the raw points light, a running mean over a twentieth of them on top."""
    pairs = [(row["frames"], row[key]) for row in rows if row.get(key) is not None and row.get("frames") is not None]
    if not pairs:
        return
    frames, values = np.array(pairs, dtype=float).T
    width = 0 if key.startswith("eval/") else max(1, len(values) // 20)  # an evaluation is a mean already
    (line,) = axis.plot(frames, smooth(values, width), label=label, linewidth=1.8)
    axis.plot(frames, values, ".", color=line.get_color(), alpha=0.25, markersize=3)


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Centred running mean over 2 * width + 1 values, over fewer at the ends."""
    window = np.ones(2 * width + 1)
    sums, counts = (np.convolve(x, window)[width : width + len(values)] for x in (values, np.ones(len(values))))
    mean: np.ndarray = sums / counts  # each of its own window: running sums would carry what a huge value rounds away
    return mean

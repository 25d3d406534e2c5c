"""Which patches excite a unit (van den Oord et al. 2018, Figure 5), and accuracy from few labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpc_repr.context import Context
from cpc_repr.probes import Score
from cpc_repr.vision.data.batches import plain_patches
from cpc_repr.vision.data.grid import crops, cut
from cpc_repr.vision.data.pictures import Pictures
from cpc_repr.vision.encoders.patches import PatchEncoder

ACROSS = 12  # patches of each unit


def figure_labels(path: Path, fractions: Sequence[float], curves: Mapping[str, Sequence[Score]], bound: Score) -> None:
    """Accuracy, with its interval, against the share of the labels (Hénaff et al. 2020, Figure 1).

    Args:
        path: Of a PNG.
        fractions: Shares of the labels.
        curves: Name of a method -> its accuracy at each share.
        bound: The network trained on all labels; NaN leaves it out.
    """
    from matplotlib.figure import Figure  # here: no program needs it to start
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(5.4, 3.8), layout="constrained")
    axis = figure.subplots()
    for name, values in curves.items():
        mean, low, high = np.array([(s.accuracy, s.low, s.high) for s in values]).T * 100
        axis.errorbar(fractions, mean, (mean - low, high - mean), fmt=".-", capsize=2, elinewidth=1, label=name)
    if not math.isnan(bound.accuracy):
        axis.axhline(100 * bound.accuracy, linestyle="--", color="grey", linewidth=1, label="from pixels, all labels")
    ticks = [f"{100 * fraction:g} %" for fraction in fractions]
    axis.set(title="accuracy (top-1) and 95 % interval, %", xlabel="share of the labels", xscale="log", ylim=(0, 100))
    axis.set_xticks(fractions, ticks)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small")
    figure.savefig(path, dpi=110)


def figure_curves(path: Path, panels: Mapping[str, Mapping[str, Mapping[int, Score]]]) -> None:
    """Accuracy of a probe, with its interval, against passes over the training pictures (Kolesnikov et al., Figure 1).

    Args:
        path: Of a PNG.
        panels: Title of each -> name of a curve -> passes -> accuracy.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8 * len(panels), 3.6), layout="constrained")
    for axis, (title, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, curve in curves.items():
            passes = sorted(curve)
            mean, low, high = np.array([(curve[p].accuracy, curve[p].low, curve[p].high) for p in passes]).T * 100
            (line,) = axis.plot(passes, mean, ".-", label=name)
            axis.fill_between(passes, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
        axis.set(title=title, xlabel="passes over the training pictures", ylabel="top-1 and 95 % interval, %")
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    figure.savefig(path, dpi=110)


def figure_5(path: Path, context: Context[Any, Pictures], model: PatchEncoder) -> None:
    """Test patches that excite a unit of z most, a row a unit; no two of a row from the same picture."""
    from matplotlib.figure import Figure  # here: no program needs it to start

    units, _, patches = most_exciting(context, model)
    figure = Figure(figsize=(0.5 * ACROSS + 1, 0.5 * len(units) + 0.4), layout="constrained")
    axes = figure.subplots(len(units), ACROSS, squeeze=False)
    for unit, row, cells in zip(units, axes, patches, strict=True):
        for axis in row:
            axis.set(xticks=[], yticks=[])
            axis.axis("off")
        for axis, patch in zip(row, cells, strict=False):
            axis.imshow(patch.permute(1, 2, 0).numpy())
        row[0].set_title(f"unit {unit}", fontsize="xx-small", loc="left")
    figure.savefig(path, dpi=110)


@torch.no_grad()
def most_exciting(context: Context[Any, Pictures], model: PatchEncoder) -> tuple[list[int], Tensor, list[Tensor]]:
    """The units of z that vary most over test pictures, and what excites them.

    Returns:
        units: Their numbers, U of them.
        values: Activations [U, n], falling.
        patches: For each, uint8 [n, 3, p, p].
    """
    split, view, most = context.data.test, context.config.view, context.config.evaluation.units
    model.eval()
    peaks, places = [], []
    with context.live("units") as tick:
        for start in range(0, len(split), 64):
            images = crops(split.pictures(range(start, min(start + 64, len(split)))), view)
            z = model(plain_patches(images.to(context.device), view)).flatten(1, 2)  # [B, H * W, D]
            peak, place = z.max(1)
            peaks.append(peak.cpu())
            places.append(place.cpu())
            tick(start + len(images), len(split))
    best, where = torch.cat(peaks), torch.cat(places)  # [N, D]
    units = best.std(0).topk(min(most, best.shape[1])).indices.tolist()
    values, pictures = best[:, units].topk(min(ACROSS, len(best)), dim=0)  # [n, U]
    patches = []
    for column, unit in enumerate(units):
        chosen = pictures[:, column]
        images = crops(split.pictures(chosen), view)
        cells = cut(images, view).flatten(1, 2)  # [n, H * W, 3, s, s]
        patches.append(cells[torch.arange(len(chosen)), where[chosen, unit]])
    return units, values.t(), patches

"""Accuracy in the five tasks by row of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cpc_repr.probes import Score
from cpc_repr.text.senteval import TASKS


def figure_tasks(path: Path, rows: Mapping[str, Sequence[Score]]) -> None:
    """Accuracies of each row of the table in the five tasks, with its intervals."""
    from matplotlib.figure import Figure  # here: no program needs it to start

    figure = Figure(figsize=(8, 4), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(TASKS))
    for i, (name, values) in enumerate(rows.items()):
        shift = (i - (len(rows) - 1) / 2) * 0.08
        mean, low, high = np.array([(s.accuracy, s.low, s.high) for s in values]).T * 100
        axis.errorbar(places + shift, mean, (mean - low, high - mean), fmt="o", markersize=5, elinewidth=1, label=name)
    axis.set(title="accuracy and 95 % interval, %", xticks=places, xticklabels=TASKS)
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=110)

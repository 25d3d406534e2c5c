"""Table of docs/pretraining.md, from the runs kept in benchmarks/results/pretraining."""

from __future__ import annotations

from recipes.common import Rows, compared, printed

from cpc_rl.compare.phrases import number

LEVEL, WITHOUT, WITH = "rooms_watermaze", "cpc", "init=runs/pretrained"
TITLES = {WITHOUT: "from random weights", WITH: "`--init runs/pretrained`"}


def learning() -> Rows:
    """Agents that begin with a pretrained network beside those that do not."""
    comparison = compared("pretraining/*/*", by=("start.init",), baseline=WITHOUT)
    said, arms = printed(comparison), comparison.panels[LEVEL].arms
    rows = [["", "over training, each seed", "mean", "difference", "last tenth, each seed", "difference"]]
    for arm, title in TITLES.items():
        cells = said[LEVEL, arm]
        areas = ", ".join(map(number, arms[arm].areas.tolist()))
        differences = [
            "" if cells[key] == "-" else cells[key] for key in ("over training, difference", "final return, difference")
        ]
        rows.append([title, areas, cells["over training, mean"], differences[0], cells["each, final"], differences[1]])
    return rows

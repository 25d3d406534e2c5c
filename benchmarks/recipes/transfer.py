"""Tables of docs/dmlab.md and docs/looks.md, from benchmarks/results/transfer and unseen_looks."""

from __future__ import annotations

import json

from recipes.common import RESULTS, Rows, table

from cpc_rl.compare.phrases import interval, number
from cpc_rl.compare.references import MINILAB_UNIFORM
from cpc_rl.compare.statistics import t_interval

LOOKS = {
    "randomised": "as trained",
    "engine": "engine's look",
    "plain": "minilab's plain look",
    "labmaze": "plain, labmaze's textures",
}


def agents() -> Rows:
    """Mean return of each kept agent in each look, and their mean."""
    rows = [["level", "", *LOOKS.values(), "random play"]]
    for level in ("seekavoid_arena_01", "rooms_watermaze"):
        folders = sorted((RESULTS / "transfer").glob(f"{level}-s*"))
        returns = {
            look: [json.loads((folder / f"{look}.json").read_text())["sampled"]["mean"] for folder in folders]
            for look in LOOKS
        }
        for i, folder in enumerate(folders):
            seed = folder.name.rpartition("-s")[2]
            rows.append([level, f"seed {seed}", *(number(values[i]) for values in returns.values()), ""])
        means = [interval(t_interval(values)) for values in returns.values()]
        rows.append([level, "mean", *means, number(MINILAB_UNIFORM[level])])
    return rows


def unseen() -> Rows:
    """Watermaze: agents of the plain look and of half of the looks, in four looks."""
    rows = table("unseen_looks/rooms_watermaze.md")
    return [[*rows[0]], *([*row.values()] for row in rows)]

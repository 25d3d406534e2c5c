"""Tables of docs/figure6.md, from the runs kept in benchmarks/results/figure6."""

from __future__ import annotations

from collections.abc import Mapping

from recipes.common import RESULTS, Rows, bold, compared, printed

from cpc_rl.compare import curves
from cpc_rl.compare.phrases import number
from cpc_rl.compare.reading import Run, find
from cpc_rl.compare.summary import Comparison

CONTRAST = {
    "final return, difference": "difference, paired t-interval",
    "Holm p": "Holm p",
    "Welch's interval": "Welch's interval",
    "over training, difference": "over training: difference",
    "P(better)": "P(better)",
    "times fewer": "times fewer frames to the baseline's final return",
}
SHORT = {"rooms_watermaze": "watermaze", "seekavoid_arena_01": "seekavoid"}
ABLATIONS = {
    "none": "none",
    "cpc, steps=1, anchors=10, weight=0.05, pool=batch": "K = 1",
    "cpc, steps=5, anchors=10, weight=0.05, pool=batch": "K = 5",
    "cpc, steps=30, anchors=10, weight=0.05, pool=batch": "K = 30 (Figure 6: 10 anchors, 256 negatives)",
    "cpc, steps=30, anchors=10, weight=0.01, pool=batch": "weight 0.01 instead of 0.05",
    "cpc, steps=30, anchors=10, weight=0.25, pool=batch": "weight 0.25",
    "cpc, steps=30, anchors=10, weight=0.05, pool=time": "negatives of the same moment (`time`)",
    "cpc, steps=30, anchors=10, weight=0.05, pool=sequence": "negatives of the same environment (`sequence`)",
    "cpc, steps=30, anchors=6, weight=0.05, pool=batch": "K = 30, 6 anchors, 128 negatives (the preset now)",
}
DEEP = {
    "none, encoder=deep": "deep, none",
    "cpc, encoder=deep": "deep, CPC",
    "none, encoder=shallow": "shallow, none",
    "cpc, encoder=shallow": "shallow, CPC",
}
KEYS = ("aux", "cpc.steps", "cpc.anchors", "cpc.weight", "cpc.negatives.pool")


def levels() -> Rows:
    """Final returns on five levels, and what is said of their difference."""
    comparison = compared("figure6/levels/*")
    said, p = printed(comparison), comparison.corrected["cpc"]
    rows = [["level", "random", "A2C alone", "A2C + CPC", *CONTRAST.values()]]
    for env, panel in comparison.panels.items():
        cells = said[env, "cpc"]
        rest = [bold(cells[key], p[env] < 0.05 and key in ("final return, difference", "Holm p")) for key in CONTRAST]
        each = [said[env, arm]["each, final"] for arm in ("none", "cpc")]
        rows.append([env, number(panel.chance), *each, *rest])
    return rows


def search() -> Rows:
    """Mean return of the last 15 % of the frames of each draw; the best of each column in bold."""
    runs = find(sorted(RESULTS.glob("figure6/search/*"))).runs
    columns = [(env, aux) for env in SHORT for aux in ("none", "cpc")]
    draws: dict[tuple[float, float], dict[tuple[str, str], float]] = {}
    for run in runs:
        draw = run.settings["optimiser.learning_rate"], run.settings["a2c.entropy_cost"]
        draws.setdefault(draw, {})[run.env, run.settings["aux"]] = _late(run)
    best = {column: max(returns[column] for returns in draws.values()) for column in columns}
    rows = [["learning rate", "entropy cost", *(f"{SHORT[env]}, {aux}" for env, aux in columns)]]
    for (rate, cost), returns in sorted(draws.items()):
        cells = [bold(f"{returns[column]:.1f}", returns[column] == best[column]) for column in columns]
        rows.append([f"{rate:.2g}", f"{cost:.2g}", *cells])
    return rows


def action() -> Rows:
    """Three arms in the first 3 million frames: mean, and for both losses what sets them apart from none."""
    comparison = compared("figure6/levels/*", "figure6/action/*", frames=3_000_000)
    arms = ["none", "cpc", "cpc_action"]
    rows = [["level", *arms, "cpc: difference", "Holm p", "cpc_action: difference", "Holm p"]]
    for env, panel in comparison.panels.items():
        cells = [number(float(panel.arms[arm].finals.mean())) for arm in arms]
        for arm in arms[1:]:
            said = printed(comparison)[env, arm]
            cells += [
                bold(said[key], comparison.corrected[arm][env] < 0.05) for key in ("final return, difference", "Holm p")
            ]
        rows.append([env, *cells])
    return rows


def ablations() -> Rows:
    """What CPC on watermaze hangs on."""
    return _arms(ABLATIONS, compared("figure6/levels/rooms_watermaze-*", "figure6/ablations/*", by=KEYS))


def deep() -> Rows:
    """The residual network beside the shallow one, over the frames that both have."""
    patterns = "figure6/levels/rooms_watermaze-*", "figure6/deep/*"
    return _arms(DEEP, compared(*patterns, by=("aux", "network.encoder"), frames=1_510_000))


def _arms(titles: Mapping[str, str], comparison: Comparison) -> Rows:
    """Each arm's final returns and means over training; of `titles` the first is the baseline."""
    said = printed(comparison)
    columns = {
        "each, final": "last tenth, each seed",
        "final return, mean": "mean",
        "over training, mean": "mean over training",
    }
    differences = {
        "final return, difference": "last tenth: difference from the first row",
        "over training, difference": "over training: difference",
    }
    rows = [["", *columns.values(), *differences.values()]]
    for arm, title in titles.items():
        cells = said["rooms_watermaze", arm]
        rows.append([title, *("" if cells[key] == "-" else cells[key] for key in (*columns, *differences))])
    return rows


def _late(run: Run, share: float = 0.15) -> float:
    end = run.curve.frames[-1]
    return float(curves.mean_between(run.curve, (1 - share) * end, end))

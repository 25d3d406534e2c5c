"""Tables of docs/probe.md, from the probes kept in benchmarks/results/probe."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from recipes.common import RESULTS, Rows, bold

from cpc_rl.compare.phrases import interval, number, probability
from cpc_rl.compare.statistics import holm, paired_t

ARMS = {"none": "A2C alone", "cpc": "A2C + CPC"}
LATENTS = ("c", "z")


def _probes(arm: str) -> list[dict[str, Any]]:
    """What was kept of an arm, in the order of the seeds."""
    return [json.loads(path.read_text()) for path in sorted((RESULTS / "probe").glob(f"{arm}-s*.json"))]


def _gains(arm: str, fact: str, latent: str) -> np.ndarray:
    """R² of the trained network above that of the untrained one, both on the agent's own way. [seeds]."""
    trained, untrained = (_scores(arm, fact, f"{latent} {which}") for which in ("trained", "untrained"))
    return trained - untrained


def _scores(arm: str, fact: str, latent: str) -> np.ndarray:
    return np.array([probe["facts"][fact][latent]["r2"] for probe in _probes(arm)])


def _facts() -> list[str]:
    return [*_probes("cpc")[0]["facts"]]


def agents() -> Rows:
    """Returns of the agents that were probed."""
    rows = [["", "return while probed, each seed"]]
    for arm, title in ARMS.items():
        rows.append([title, ", ".join(number(probe["sampled"]["mean"]) for probe in _probes(arm))])
    return rows


def trained() -> Rows:
    """R² of each arm's latents beside the untrained network's."""
    rows = [
        ["fact", "from", *(f"{title}: {what}" for title in ARMS.values() for what in ("untrained", "trained", "gain"))]
    ]
    for fact in _facts():
        for latent in LATENTS:
            cells = []
            for arm in ARMS:
                cells += [f"{_scores(arm, fact, f'{latent} {which}').mean():.2f}" for which in ("untrained", "trained")]
                gain = paired_t(_gains(arm, fact, latent)).difference
                cells.append(_gain(gain))
            rows.append([fact, latent, *cells])
    return rows


def difference() -> Rows:
    """The gain with CPC above the gain without, paired by seed."""
    rows = [["fact", *(f"{latent}: {what}" for latent in LATENTS for what in ("difference of gains", "Holm p"))]]
    columns = []
    for latent in LATENTS:
        tests = [paired_t(_gains("cpc", fact, latent) - _gains("none", fact, latent)) for fact in _facts()]
        corrected = holm([test.p for test in tests])
        columns.append([[_gain(test.difference), probability(p)] for test, p in zip(tests, corrected, strict=True)])
    return rows + [[fact, *c, *z] for fact, c, z in zip(_facts(), *columns, strict=True)]


def _gain(estimate: Any) -> str:
    return bold(interval(estimate, sign=True), estimate.low > 0 or estimate.high < 0)

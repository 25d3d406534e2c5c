"""Scores to measure returns by: what random play and humans reach on a level."""

from __future__ import annotations

import numpy as np

from envs import LEVELS

# Uniform random play in minilab, 512 evaluation episodes a level: benchmarks/results/level_returns.md. The published
# random agent of `LEVELS` scores more, for it seems to hold its actions for some steps (docs/levels.md).
MINILAB_UNIFORM = {
    "rooms_watermaze": 1.14,
    "explore_goal_locations_small": 4.73,
    "seekavoid_arena_01": 0.87,
    "lasertag_three_opponents_small": -0.30,
    "rooms_keys_doors_puzzle": 3.60,
}
SOURCE = (
    "normalised: (return - random) / (human - random), both as published for DeepMind Lab (DMLab-30); "
    "100 % is the human score. minilab's uniform random play itself lies a little below 0 %"
)


def level_of(env: str) -> str:
    """Name of the level without a back end in front of it: `dmlab/rooms_watermaze` is rooms_watermaze."""
    return env.rpartition("/")[2]


def normalise(returns: np.ndarray, env: str) -> np.ndarray | None:
    """Returns [...] in percent of the way from the random to the human score; None where these are not published."""
    info = LEVELS.get(level_of(env))
    if info is None or info.random is None or info.human is None:
        return None
    return 100 * (returns - info.random) / (info.human - info.random)


def random_return(env: str, backend: str) -> float | None:
    """Mean return of uniform random play; None where it was not measured."""
    return MINILAB_UNIFORM.get(level_of(env)) if backend == "minilab" else None

"""minilab's mazes beside those of DeepMind Lab's own generator, `labmaze`, with the options of two levels.

    python benchmarks/mazes.py | tee benchmarks/results/mazes.md

Needs labmaze, and so Python 3.12 or older.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import stats

from envs.minilab.levels.explore_goal_locations_small import ROOMS
from envs.minilab.levels.lasertag_three_opponents_small import ROOMS as LASERTAG_ROOMS
from envs.minilab.maze_generator import generate

COUNT = 4000
OPTIONS = {"explore": ROOMS, "lasertag": LASERTAG_ROOMS}


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.envs.minilab.measured_mazes import MEASURES, measure, of_labmaze  # found below ROOT

    print("# Mazes beside those of DeepMind Lab's generator\n")
    print(f"{COUNT} mazes each of labmaze {version('labmaze')} and of `envs/minilab/maze_generator.py`: mean (spread),")
    print("and the p-value of the two-sample Kolmogorov-Smirnov test. Ways are the shortest, in cells.\n")
    print("| options | measure | ours | labmaze | p |\n|---|---|---|---|---|")
    for name, options in OPTIONS.items():
        ours = np.array([measure(cells > 0, room) for cells, room in zip(*generate(options, COUNT, 5), strict=True)])
        theirs = np.array([measure(*of_labmaze(options, seed)) for seed in range(COUNT)])
        for what, a, b in zip(MEASURES, ours.T, theirs.T, strict=True):
            cells = [f"{x.mean():.2f} ({x.std(ddof=1):.2f})" for x in (a, b)]
            print(f"| {name} | {what} | {cells[0]} | {cells[1]} | {stats.ks_2samp(a, b).pvalue:.2f} |", flush=True)


if __name__ == "__main__":
    main()

"""What --randomise costs the simulator: levels with and without it, in turns in one process.

    python benchmarks/randomise_speed.py [--rounds 60] | tee benchmarks/results/randomise_speed.md

A round is 20 agent steps of random actions in 16 environments of 72x96 for each column, one thread, pictures and resets
included. Ratios are of the two rates within a round.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import torch
from hardware import hardware

from envs.config import PARTS
from envs.minilab.env import MinilabEnv
from envs.minilab.levels import LEVELS

LATER = ("light", "display")  # laid over the finished picture
STEPS, ENVS = 20, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", nargs="+", default=[*LEVELS], choices=LEVELS)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"# What --randomise costs\n\n{hardware()}\n\nMedian of {options.rounds} rounds.\n")
    print("| level | plain, us a step | without light and display, of plain's speed | all parts, of plain's speed |")
    print("|---|---|---|---|")
    draws = torch.Generator().manual_seed(0)
    for level in options.levels:
        parts = [None, tuple(part for part in PARTS if part not in LATER), PARTS]
        looks = [{} if some is None else {"randomise": 1.0, "randomise_parts": some} for some in parts]
        batches = [MinilabEnv(level, ENVS, seed=1, **look) for look in looks]
        for env in batches:
            env.reset()
        seconds = [measure(batches, draws) for _ in range(options.rounds + 1)][1:]  # the first one compiles
        ratios = [median(plain / row[column] for plain, *row in seconds) for column in (0, 1)]
        step = median(plain for plain, *_ in seconds) / STEPS / ENVS
        print(f"| {level} | {1e6 * step:.1f} | {ratios[0]:.2f} | {ratios[1]:.2f} |", flush=True)
        for env in batches:
            env.close()


def measure(batches: list[MinilabEnv], draws: torch.Generator) -> list[float]:
    """Seconds that the same actions take in each batch."""
    actions = torch.randint(MinilabEnv.num_actions, (STEPS, ENVS), generator=draws)
    seconds = []
    for env in batches:
        start = time.perf_counter()
        for row in actions:
            env.step(row)
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()

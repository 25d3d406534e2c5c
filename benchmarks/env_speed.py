"""Agent steps per second of each built-in level by itself: random actions, rewards, resets and 72x96 pictures.

    python benchmarks/env_speed.py | tee benchmarks/results/env_speed.md

Each figure is the best of eight windows of a quarter of a second: the one least disturbed by other programs.
"""

from __future__ import annotations

import time

import torch
from hardware import hardware

from envs import LEVELS, EnvConfig, make
from envs.minilab.bench import steps_per_second

BATCHES = (1, 8, 32, 128, 512)
THREADS = (1, 2)


def first_step_seconds(name: str) -> float:
    """From `make` to the first step, with whatever numba finds in its cache on disk."""
    start = time.perf_counter()
    env = make(EnvConfig(name=name, num_envs=1), seed=0)
    env.reset()
    env.step(torch.zeros(1, dtype=torch.int64))
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    print(f"# Environment speed\n\n{hardware()}\n")
    for name in LEVELS:
        print(f"## {name}, agent steps per second (x4 frames)\n")
        print(f"Ready after {first_step_seconds(name):.1f} s.\n")
        print(
            "| environments | "
            + " | ".join(f"{threads} thread{'s' * (threads > 1)}" for threads in THREADS)
            + " | ratio |"
        )
        print("|---" * (len(THREADS) + 2) + "|")
        for num_envs in BATCHES:
            rates = []
            for threads in THREADS:
                env = make(EnvConfig(name=name, num_envs=num_envs, env_threads=threads), seed=0)
                rates.append(steps_per_second(env))
                env.close()
            print(
                f"| {num_envs} | " + " | ".join(f"{rate:,.0f}" for rate in rates) + f" | {rates[-1] / rates[0]:.2f} |"
            )
        print()


if __name__ == "__main__":
    main()

"""What each minilab level pays to a random policy and to one that knows where everything is.

    python benchmarks/level_returns.py | tee benchmarks/results/level_returns.md
    python benchmarks/level_returns.py --env LEVEL ...    (some levels only)

Means over whole episodes with 95 % t-intervals, beside the published scores of a random agent and of a human in
DeepMind Lab (the DMLab-30 constants of google-deepmind/lab and scalable_agent; seekavoid_arena_01 has none).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from hardware import hardware
from scipy.stats import ttest_1samp

from envs.minilab.env import MinilabEnv
from envs.minilab.experts import expert_actions
from envs.minilab.levels import LEVELS

Policy = Callable[[MinilabEnv], torch.Tensor]


def uniform(seed: int, longest: int) -> Policy:
    """Uniform over the nine actions, each held for 1 to `longest` agent steps."""
    generator = np.random.default_rng(seed)
    held: dict[int, np.ndarray] = {}

    def act(env: MinilabEnv) -> torch.Tensor:
        action = held.setdefault(0, np.zeros(env.num_envs, np.int64))
        left = held.setdefault(1, np.zeros(env.num_envs, np.int64))
        new = left == 0
        action[new] = generator.integers(0, env.num_actions, new.sum())
        left[new] = generator.integers(1, longest + 1, new.sum())
        left -= 1
        return torch.from_numpy(action)

    return act


def returns(name: str, policy: Policy, episodes: int) -> np.ndarray:
    """Return of the first episode of each of `episodes` environments (so that short ones count no more than long)."""
    env = MinilabEnv(name, episodes, 24, 24, seed=1, evaluation=True)
    env.reset()
    total, going = torch.zeros(episodes), torch.ones(episodes, dtype=torch.bool)
    while going.any():
        step = env.step(policy(env))
        total += step.reward * going
        going &= ~(step.terminated | step.truncated)
    return total.numpy()


def cell(values: np.ndarray) -> str:
    """Mean and half of its 95 % interval."""
    found = ttest_1samp(values, 0).confidence_interval(0.95)
    return f"{values.mean():.2f} ± {(found.high - found.low) / 2:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", nargs="+", default=list(LEVELS), metavar="LEVEL")
    parser.add_argument("--episodes", type=int, default=512)
    parser.add_argument("--expert-episodes", type=int, default=64)
    options = parser.parse_args()
    print(f"# What the levels pay\n\n{hardware()}; evaluation episodes, ")
    print(f"{options.episodes} of the random policies and {options.expert_episodes} of the expert a level\n")
    print("| level | uniform | uniform, each held 1-12 steps | published random | expert | published human |")
    print("|---|---|---|---|---|---|")
    for name in options.env:
        info = LEVELS[name]
        random, human = ("" if score is None else score for score in (info.random, info.human))
        scores = [returns(name, uniform(1, longest), options.episodes) for longest in (1, 12)]
        expert = returns(name, lambda env: torch.from_numpy(expert_actions(env)), options.expert_episodes)
        print(f"| {name} | {cell(scores[0])} | {cell(scores[1])} | {random} | {cell(expert)} | {human} |", flush=True)


if __name__ == "__main__":
    main()

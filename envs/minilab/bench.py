"""How fast an environment steps by itself, under random actions."""

from __future__ import annotations

import time

import torch

from envs.api import BatchedEnv


def steps_per_second(env: BatchedEnv, seconds: float = 2.0, windows: int = 8) -> float:
    """Agent steps per second (all environments together) of the best of `windows` equal parts of `seconds`.

    Rewards, resets and pictures are included, compilation is not. The best window is the one least disturbed by
    whatever else the machine does.
    """
    generator = torch.Generator().manual_seed(0)
    actions = torch.randint(env.num_actions, (64, env.num_envs), generator=generator)
    env.reset()
    env.step(actions[0])
    best = 0.0
    for _ in range(windows):
        steps, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds / windows:
            env.step(actions[steps % len(actions)])
            steps += 1
        best = max(best, steps * env.num_envs / elapsed)
    return best

"""Does the agent remember the platform? Agent steps to each find of an episode of rooms_watermaze.

    python benchmarks/watermaze_trials.py RUN... [--episodes 48]

The platform stays for the episode, so whoever remembers it finds it faster the second time. Only episodes of at least
four finds count in the last column, since those of few finds are those of hard places.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import envs
from agents.config import full_config
from configs import load_yaml
from cpc_rl.aux import upgrade
from cpc_rl.episodes import NetworkPolicy
from cpc_rl.networks import ActorCritic
from cpc_rl.runs import RunDirectory
from envs.minilab.env import MinilabEnv
from envs.minilab.physics import ACTION_REPEAT, FRAME_MS

STEPS = 1799  # the 1,800th begins the next episode


def finds(run: RunDirectory, episodes: int) -> tuple[np.ndarray, list[list[float]]]:
    """Returns of the episodes, and for each the agent steps from spawn to find, trial by trial."""
    config = full_config().model_validate(upgrade(load_yaml(run.config_path)))
    env = envs.make(config.env.model_copy(update={"num_envs": episodes}), seed=77, evaluation=True)
    assert isinstance(env, MinilabEnv)
    net = ActorCritic(config.network, env.obs_shape, env.num_actions)
    net.load_state_dict(run.checkpoints.load()["network"])
    policy = NetworkPolicy(net, episodes, torch.device("cpu"), seed=1)
    step, trial = env.reset(), env.state.trial
    returns, held, steps = np.zeros(episodes), np.zeros(episodes, bool), [[] for _ in range(episodes)]
    for _ in range(STEPS):
        step = env.step(policy(step))
        returns += step.reward.numpy()
        now = trial.touch_ms >= 0
        for i in np.flatnonzero(now & ~held):
            steps[i].append(float(trial.age_ms[i]) / (FRAME_MS * ACTION_REPEAT))
        held = now.copy()
    return returns, steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--episodes", type=int, default=48)
    options = parser.parse_args()
    print("| run | mean return | no find | quartiles, maximum | median steps to finds 1-4 (episodes) |")
    print("|---|---|---|---|---|")
    for path in options.runs:
        returns, steps = finds(RunDirectory.open(path), options.episodes)
        quartiles = ", ".join(f"{q:.0f}" for q in np.percentile(returns, [25, 50, 75, 100]))
        long = np.array([s[:4] for s in steps if len(s) >= 4])
        medians = ", ".join(f"{m:.0f}" for m in np.median(long, axis=0)) if len(long) else "-"
        missed = f"{np.mean([not s for s in steps]):.0%}"
        print(f"| {path.name} | {returns.mean():.1f} | {missed} | {quartiles} | {medians} ({len(long)}) |")


if __name__ == "__main__":
    main()

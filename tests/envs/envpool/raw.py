"""envpool itself, as the oracle of its adapter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import envpool
import numpy as np
import torch

from envs.api import EnvStep
from envs.config import EnvConfig
from envs.envpool import EnvpoolEnv

SMALL = {"height": 24, "width": 32}


class Raw(NamedTuple):
    """What envpool says of one step."""

    obs: Any  # uint8 [B, C, H, W]
    reward: Any  # [B], for variables as the adapter asks, nothing else
    done: Any  # bool [B]
    truncated: Any  # bool [B]
    info: dict[str, Any]


def make(name: str, num_envs: int = 2, seed: int = 0, **config: Any) -> EnvpoolEnv:
    sizes = {} if config.pop("default_size", False) else SMALL
    return EnvpoolEnv(EnvConfig(name=name, num_envs=num_envs, **(sizes | config)), seed)


def random_actions(env: EnvpoolEnv, steps: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(env.num_actions, (steps, env.num_envs), generator=torch.Generator().manual_seed(seed))


def copied(step: EnvStep) -> EnvStep:
    return EnvStep(*(x if x is None else x.clone() for x in step))


def play(env: EnvpoolEnv, actions: torch.Tensor) -> Iterator[EnvStep]:
    """Copies of the reset row and of one row for each of `actions`."""
    yield copied(env.reset())
    for action in actions:
        yield copied(env.step(action))


def beside(env: EnvpoolEnv, actions: torch.Tensor, **options: Any) -> Iterator[tuple[EnvStep, Raw]]:
    """Rows of `env`, and those of an envpool of the same seeds not made by it. Run it in a temporary folder."""
    height, width, _ = env.obs_shape
    if env.name.endswith("-v1"):
        options |= {"use_combined_action": True, "selected_weapon_reward_config": {}, "stack_num": 1}
    batch = {"num_envs": env.num_envs, "batch_size": env.num_envs, "num_threads": 1, "seed": env._seeds()}
    pool = envpool.make_gymnasium(env.name, img_height=height, img_width=width, **batch, **options)
    rows = play(env, actions)
    obs, info = pool.reset()
    none = np.zeros(env.num_envs, bool)
    yield next(rows), Raw(obs, np.zeros(env.num_envs), none, none, info)
    for action, row in zip(actions, rows, strict=True):
        obs, reward, terminated, truncated, info = pool.step(action.numpy())
        yield row, Raw(obs, reward, terminated | truncated, truncated, info)
    pool.close()

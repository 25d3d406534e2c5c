"""Batched environments behind one interface (`envs.api`), made by `make`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

from envs.config import EnvConfig
from envs.minilab.levels import LEVELS
from envs.names import resolve

if TYPE_CHECKING:  # torch takes a second to import: only when it is needed
    from envs.api import BatchedEnv

__all__ = ["LEVELS", "EnvConfig", "best_device", "make", "resolve", "sees_vectors"]


def make(
    config: EnvConfig,
    seed: int,
    *,
    evaluation: bool = False,
    device: Literal["cpu", "cuda"] = "cpu",
    share: tuple[int, int] = (0, 1),
) -> BatchedEnv:
    """Build the environments that `config` names.

    Args:
        config: level, backend, batch and picture size.
        seed: environment i of two calls with the same seed plays the same episodes.
        evaluation: draw episodes from a seed space, and mazes from a pool, that training never sees.
        share: (i, n): of the batch only the i-th of n equal parts, where n processes share it.
        device: where the environments live and their tensors are; "cuda" is torch's current GPU (minilab only).

    Raises:
        ValueError: unknown level, a back end that is not installed, a seed outside [0, 2**63), no such device, or
            environments that n processes cannot share.
    """
    # Each back end takes a second or more to import: only the one that is asked for.
    config, _ = resolve(config)
    if config.backend != "gymnasium" and config.observation not in ("auto", "picture"):
        raise ValueError(f"observation is {config.observation!r}: {config.backend} shows pictures")
    if config.episode_info and config.backend in ("minilab", "dmlab"):
        keys = " ".join(config.episode_info)
        counted = "; its levels count by themselves what happens" if config.backend == "minilab" else ""
        raise ValueError(f"episode_info is {keys}: {config.backend} has no `info` to look into{counted}")
    part, parts = share
    if config.num_envs % parts:
        raise ValueError(f"num_envs is {config.num_envs}; it must be a multiple of {parts}, the number of processes")
    config = config.model_copy(update={"num_envs": config.num_envs // parts})
    if config.backend == "minilab":
        from envs.minilab.env import MinilabEnv

        size = {name: value for name in ("height", "width") if (value := getattr(config, name)) is not None}
        return MinilabEnv(
            config.name,
            config.num_envs,
            **size,
            seed=seed,
            evaluation=evaluation,
            threads=config.env_threads,
            device=device,
            first=part * config.num_envs,
            textures=config.textures,
            look=config.look,
            randomise=config.randomise,
            randomise_parts=config.randomise_parts,
            randomise_half=config.randomise_half,
        )
    if device != "cpu":
        raise ValueError(f"device is {device!r}: environments of {config.backend} live on the CPU")
    if part:  # other episodes than those of the first part
        seed = random.Random(f"{seed} {part}").getrandbits(62)
    if config.backend == "dmlab":
        from envs.dmlab import DMLabEnv

        return DMLabEnv(config, seed, evaluation=evaluation)
    if config.backend == "envpool":
        from envs.envpool import EnvpoolEnv

        return EnvpoolEnv(config, seed, evaluation=evaluation)
    from envs.gymnasium import GymnasiumEnv

    return GymnasiumEnv(config, seed, evaluation=evaluation)


def best_device(config: EnvConfig, network: str) -> tuple[Literal["cpu", "cuda"], str]:
    """Where environments should live for a network on a device of the type `network`, and a word if that is a pity."""
    if network != "cuda" or resolve(config)[0].backend != "minilab":
        return "cpu", ""
    from envs.minilab.cuda import why_not  # only where it is wanted: numba.cuda looks for drivers

    if not (why := why_not()):
        return "cuda", ""
    return "cpu", f"minilab runs on the CPU; it could live on the GPU with the network: {why}"


def sees_vectors(config: EnvConfig) -> bool:
    """Whether observations are vectors rather than pictures. Makes one environment to find out, for Gymnasium's only.

    Raises:
        ValueError: As `make`.
    """
    config, _ = resolve(config)
    if config.backend != "gymnasium":
        return False
    env = make(config.model_copy(update={"num_envs": 1, "env_processes": False}), seed=0)
    env.close()
    return len(env.obs_shape) == 1

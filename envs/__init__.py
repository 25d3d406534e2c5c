"""Batched environments behind one interface (`envs.api`), made by `make`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from envs.config import EnvConfig
from envs.minilab.levels import LEVELS

if TYPE_CHECKING:  # torch takes a second to import: only when it is needed
    from envs.api import BatchedEnv

__all__ = ["LEVELS", "EnvConfig", "make"]


def make(
    config: EnvConfig, seed: int, *, evaluation: bool = False, device: Literal["cpu", "cuda"] = "cpu"
) -> BatchedEnv:
    """Build the environments that `config` names.

    Args:
        config: level, backend, batch and picture size.
        seed: environment i of two calls with the same seed plays the same episodes.
        evaluation: draw episodes from a seed space, and mazes from a pool, that training never sees.
        device: where the environments live and their tensors are; "cuda" is torch's current GPU.

    Raises:
        ValueError: unknown level, a seed outside [0, 2**63), or no such device.
    """
    from envs.minilab.env import MinilabEnv  # numba takes a second to import: only when it is needed

    return MinilabEnv(
        config.name,
        config.num_envs,
        config.height,
        config.width,
        seed,
        evaluation=evaluation,
        threads=config.env_threads,
        device=device,
    )

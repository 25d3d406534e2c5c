"""Environments as the programs use them: made, closed whatever happens, and wrong in the programs' own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch

import envs
from configs import RunFailure, UsageError, as_usage_error
from envs.api import Adaptive, BatchedEnv, EnvironmentFailure
from envs.config import EnvConfig
from envs.errors import Incurable


@contextmanager
def opened(
    config: EnvConfig,
    seed: int,
    *,
    evaluation: bool = False,
    share: tuple[int, int] = (0, 1),
    device: Literal["cpu", "cuda"] = "cpu",
    trained: Sequence[dict[str, Any]] = (),
) -> Iterator[BatchedEnv]:
    """`envs.make` for a `with` block; its workers are gone behind the block, an interrupt included.

    Environments that change while they are played in become what those of training were: `trained` has their states.

    Raises:
        UsageError: There is no such environment, or it cannot be made so, or what it needs is missing.
        RunFailure: An environment's own code failed while it was made, or one was lost for good.
    """
    try:
        with as_usage_error():
            env = envs.make(config, seed, evaluation=evaluation, share=share, device=device)
    except EnvironmentFailure as error:
        raise RunFailure(str(error)) from error
    try:
        if trained and isinstance(env, Adaptive):
            env.adopt(trained)
        yield env
    except Incurable as error:
        raise UsageError(str(error)) from error
    except EnvironmentFailure as error:
        raise RunFailure(str(error)) from error
    finally:
        env.close()


def making(config: EnvConfig) -> str:
    """What a program is at while it makes these environments, in words."""
    why = " (numba compiles a level when it is first played)" if config.backend == "minilab" else ""
    return f"making {config.num_envs} environments{why}"


def default_preset(chosen: Callable[[str], Any]) -> str:
    """The preset for what an agent will see and the machine there is; `chosen` as `configs.load` gives it."""
    given = {name: chosen(f"env.{name}") for name in ("name", "backend", "observation", "height", "width")}
    try:
        if envs.sees_vectors(EnvConfig(**{name: value for name, value in given.items() if value})):
            return "classic"
    except (ValueError, EnvironmentFailure):  # told when they are made, with everything else that is wrong
        pass
    return "paper" if torch.cuda.is_available() else "laptop"

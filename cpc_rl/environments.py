"""Environments as the programs use them: made, closed whatever happens, and wrong in the programs' own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import envs
from configs import RunFailure, as_usage_error
from envs.api import BatchedEnv, EnvironmentFailure
from envs.config import EnvConfig


@contextmanager
def opened(
    config: EnvConfig, seed: int, *, evaluation: bool = False, share: tuple[int, int] = (0, 1)
) -> Iterator[BatchedEnv]:
    """`envs.make` for a `with` block; its workers are gone behind the block, an interrupt included.

    Raises:
        UsageError: There is no such environment, or it cannot be made so.
        RunFailure: An environment was lost for good.
    """
    with as_usage_error():
        env = envs.make(config, seed, evaluation=evaluation, share=share)
    try:
        yield env
    except EnvironmentFailure as error:
        raise RunFailure(str(error)) from error
    finally:
        env.close()

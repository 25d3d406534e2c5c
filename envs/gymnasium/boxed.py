"""One environment in a process of its own. Worker processes import this module: it does not import torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium

from envs.gymnasium.recipe import Env
from envs.gymnasium.rewards import tap
from envs.gymnasium.statistics import Learnt, learnt, teach
from envs.gymnasium.watching import Watch
from envs.quantities import RAW_REWARD


class Boxed(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Tells raw rewards in its infos, and what its wrappers have learnt to who calls for it."""

    def __init__(self, env: Env, i: int, watch: Watch | None) -> None:
        """`i`: its number in the batch."""
        super().__init__(env)
        self._i, self._watch, self._tap = i, watch, tap(env)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As the environment."""
        begun = self.env.reset(seed=seed, options=options)
        if self._watch is not None:
            self._watch.episode_begins()
        return begun

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As the environment, with the raw reward."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        if self._tap is not None:
            info = {**info, RAW_REWARD: self._tap.last}
        return obs, reward, terminated, truncated, info

    def learnt(self) -> list[Learnt]:
        """What its wrappers have learnt."""
        return learnt(self.env)

    def teach(self, each: Sequence[Sequence[Learnt]], frozen: bool) -> list[str]:
        """Put back what it finds under its number; returns what is not there."""
        return teach(self.env, each[self._i], frozen=frozen)


def make_boxed(
    single: Callable[..., Env],
    keywords: dict[str, Any],
    *,
    name: str,
    i: int,
    flatten: bool,
    watched: bool,
    saved: Sequence[Learnt] = (),
    frozen: bool = False,
) -> Boxed:
    """Make the i-th environment of a batch.

    Args:
        single: makes it.
        keywords: what `single` is given.
        name: for messages.
        i: its number.
        flatten: observations of several parts become one row of numbers, as processes can share them.
        watched: report wrappers whose state is not saved.
        saved: what its wrappers begin with.
        frozen: they learn no more.
    """
    env = single(**keywords)
    watch = Watch(env, name) if watched else None
    teach(env, saved, frozen=frozen)
    return Boxed(gymnasium.wrappers.FlattenObservation(env) if flatten else env, i, watch)

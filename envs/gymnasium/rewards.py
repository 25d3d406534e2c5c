"""Raw rewards, below the wrappers that normalise them. Worker processes import this module: no torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.wrappers import NormalizeReward, RecordEpisodeStatistics
from gymnasium.wrappers import vector as of_batches

from envs.gymnasium.statistics import AnyEnv, wrappers
from envs.quantities import Array, one_number

# Below the innermost of these lie the rewards that returns are reported of.
ABOVE_RAW = (NormalizeReward, RecordEpisodeStatistics, of_batches.NormalizeReward, of_batches.RecordEpisodeStatistics)

if TYPE_CHECKING:
    Wrapper = VectorWrapper[Any, Any, Any, Any, Any]
else:
    Wrapper = VectorWrapper  # Gymnasium before 1.4 has no type parameters


class RawReward(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Remembers the last reward of one environment."""

    last = 0.0

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As the environment, whose reward is kept."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.last = one_number(reward)
        return obs, reward, terminated, truncated, info


class RawRewards(Wrapper):
    """Remembers the last rewards of a batch."""

    last: Any = None

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """As the batch, whose rewards are kept."""
        obs, reward, terminated, truncated, info = self.env.step(actions)
        self.last = np.array(reward, np.float64)  # [B], a copy: wrappers further out may write into theirs
        return obs, reward, terminated, truncated, info


def tap(env: AnyEnv) -> RawReward | RawRewards | None:
    """Put a `RawReward` below the innermost wrapper that normalises or records; None where there is no such wrapper."""
    innermost = None
    for wrapper in wrappers(env):
        if isinstance(wrapper, ABOVE_RAW):
            innermost = wrapper
    if innermost is None:
        return None
    below = innermost.env
    innermost.env = RawRewards(below) if isinstance(below, VectorEnv) else RawReward(below)
    return innermost.env


class Taps:
    """The raw rewards of a batch in this process, where wrappers make others of them."""

    def __init__(self, batch: VectorEnv[Any, Any, Any]) -> None:
        """Looks into the environments of a `SyncVectorEnv` first: what lies there is further inside."""
        base = batch.unwrapped
        singles = [tap(env) for env in base.envs] if isinstance(base, SyncVectorEnv) else []
        self._singles = singles if singles and all(singles) else None
        self._batch = None if self._singles else tap(batch)

    def last(self) -> Array | None:
        """Raw rewards float64 [B] of the last step; None where they are the rewards."""
        if self._singles is not None:
            return np.array([single.last for single in self._singles if single is not None])  # [B]
        return None if self._batch is None else np.asarray(self._batch.last)

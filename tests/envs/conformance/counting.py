"""A Gymnasium environment whose every answer is known: it counts its own steps and plays by a script.

An observation tells the step within the episode, the episode since the last seeded reset, and an identity that the
seed decides. All else (lengths, kinds of end, rewards) follows from these three and the action.

Worker processes import this: torch would cost them seconds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv

ACTIONS = 4
START = -1  # the environment's actions are -1..2, the agent's 0..3


class Seen(NamedTuple):
    """What an observation tells, as numbers or as tensors [B]."""

    step: Any
    episode: Any
    identity: Any


def length(seen: Seen) -> Any:
    """Steps of the episode: 1 to 7."""
    return 1 + (seen.identity + 3 * seen.episode) % 7


def kind(seen: Seen) -> Any:
    """How the episode ends: 0 terminated, 1 truncated, 2 both at once."""
    return (seen.identity + seen.episode) % 3


def pays(before: Seen, action: Any) -> Any:
    """The reward of `action` (the agent's) at `before`: another one for each environment, episode, step and action."""
    return (before.step + 1) + 8 * action + 32 * (before.episode % 8) + 256 * (before.identity % 16)


class Counting(gymnasium.Env[Any, Any]):
    """`pictures`: bytes [4, 6, 3], what is told stands in one pixel; else three numbers.

    `fail_step` and `fail_reset`: the n-th call (from 1) of that method raises.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 12}  # noqa: RUF012

    def __init__(self, pictures: bool = False, fail_step: int = 0, fail_reset: int = 0, render_mode: str | None = None):
        self.observation_space = (
            Box(0, 255, (4, 6, 3), np.uint8) if pictures else Box(0, 255, (3,), np.float64)  # as many simulators have
        )
        self.action_space = Discrete(ACTIONS, start=START)
        self.render_mode = render_mode
        self.fail_step, self.fail_reset = fail_step, fail_reset
        self.seen = Seen(0, -1, -1)
        self.over = True
        self.closed = False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.fail_reset -= 1
        if self.fail_reset == 0:
            raise RuntimeError("no map\nof that name")
        identity = self.seen.identity if seed is None else int(self.np_random.integers(256))
        self.seen = Seen(0, 0 if seed is not None else self.seen.episode + 1, identity)
        self.over = False
        return self._observe(), {}

    def step(self, action):
        assert not self.over, "a step behind the end"
        assert action in self.action_space
        self.fail_step -= 1
        if self.fail_step == 0:
            raise RuntimeError("the engine\nbroke")
        reward = float(pays(self.seen, int(action) - START))
        self.seen = self.seen._replace(step=self.seen.step + 1)
        self.over = self.seen.step == length(self.seen)
        terminated, truncated = (self.over and kind(self.seen) != only for only in (1, 0))
        return self._observe(), reward, terminated, truncated, {}

    def render(self):
        return np.full((8, 10, 3), self.seen.step, np.uint8)

    def close(self):
        self.closed = True

    def _observe(self):
        if self.observation_space.shape == (3,):
            return np.array(self.seen, np.float64)
        pixels = np.full((4, 6, 3), 255, np.uint8)
        pixels[1, 2] = self.seen
        return pixels


def next_step(num_envs: int) -> SyncVectorEnv:
    return SyncVectorEnv([Counting] * num_envs)


def same_step(num_envs: int) -> SyncVectorEnv:
    return SyncVectorEnv([lambda: Counting(pictures=True)] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


def disabled(num_envs: int) -> SyncVectorEnv:
    made = [lambda: Counting(pictures=True)] * num_envs
    return SyncVectorEnv(made, autoreset_mode=AutoresetMode.DISABLED, copy=False)


def pictures() -> Counting:
    return Counting(pictures=True)


gymnasium.register("Counting-v0", Counting)

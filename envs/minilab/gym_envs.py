"""minilab as Gymnasium environments: one by itself, and a batch that steps as one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from envs import EnvConfig, make
from envs.config import PARTS, Half, Look, RandomisedPart, Textures
from envs.minilab.engine import CpuRunner
from envs.minilab.env import MinilabEnv
from envs.minilab.state import Outputs, new_outputs

Frames = npt.NDArray[np.uint8]
Actions = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 15}
VECTOR_METADATA = {**METADATA, "autoreset_mode": AutoresetMode.SAME_STEP}
SEEDS = 2**32
ENLARGEMENT = 4  # of pictures for people


class _Batch:
    """What both kinds share: seeds, spaces, information and large pictures of a `MinilabEnv`."""

    env: MinilabEnv
    observation_space: Box[np.uint8]
    action_space: Discrete[np.int64]

    def __init__(self, config: EnvConfig, evaluation: bool) -> None:
        env = make(config, seed=0, evaluation=evaluation)
        assert isinstance(env, MinilabEnv)
        self.env = env
        self.observation_space = Box(0, 255, env.obs_shape, np.uint8)
        self.action_space = Discrete(env.num_actions)

    def reset(self, seed: int | None, generator: np.random.Generator) -> None:
        """Begin the first episodes of seeds `seed`, `seed` + 1, ...; without one, everybody's next episode.

        Who was never given a seed takes one from `generator`.
        """
        streams = self.env.state.streams
        if seed is None and streams.episode[0] < 0:
            seed = int(generator.integers(SEEDS - self.env.num_envs))
        if seed is not None:
            if not 0 <= seed <= SEEDS - self.env.num_envs:
                raise ValueError(f"seed is {seed}; it must lie in [0, 2**32 - {self.env.num_envs}]")
            streams.environment[:] = seed + np.arange(self.env.num_envs)
            streams.episode[:] = -1
        self.env.reset()

    def step(self, actions: Actions) -> None:
        """Without autoreset."""
        self.env.step(torch.from_numpy(actions), autoreset=False)

    def info(self, i: int) -> dict[str, Any]:
        """Engine frames since environment i's episode began, where its agent is, and what was counted."""
        body = self.env.state.body
        pose = np.array([body.x[i], body.y[i], body.yaw[i]])
        counted = {name: float(values[i]) for name, values, there in self.counted() if there[i]}
        return {"frames": int(body.frame[i]), "pose": pose, **counted}

    def counted(self) -> Iterator[tuple[str, Array, Array]]:
        """What the level counts, so far in the running episodes: its name, float64 [B], and where there is one [B].

        Steps to a first find, for example, are there once something was found.
        """
        for k, name in enumerate(self.env.episode_info):
            total, count = self.env.state.counts.running[:, k].T.astype(np.float64)
            there = count > 0
            yield name, np.divide(total, count, out=np.zeros_like(total), where=there), there

    @cached_property
    def _painter(self) -> tuple[CpuRunner, Outputs]:
        """A second runner over the same state: it draws, larger, what the first one simulates."""
        height, width, _ = self.env.obs_shape
        large = new_outputs(self.env.num_envs, height * ENLARGEMENT, width * ENLARGEMENT)
        assert isinstance(self.env.runner, CpuRunner)
        return self.env.runner.onto(large), large

    def paint(self) -> Frames:
        """Large pictures [B, 4 H, 4 W, 3] of the present state."""
        painter, large = self._painter
        painter.draw(0, self.env.num_envs)
        return large.obs.copy()


class MinilabGymEnv(gymnasium.Env[Frames, np.int64]):
    """One agent. Observations are uint8 [H, W, 3]; a step is four engine frames.

    `reset(seed=s)` begins the first episode of seed s, `reset()` the next one of the same seed: they are the episodes
    that environment s of the engine's seed 0 plays. `info` has `frames` (engine frames since the episode began) and
    `pose` (float32 [3]: x, y in DeepMind Lab's units, yaw in degrees), and what the level counts, so far in the
    episode, a float under each name of its `COUNTS` (`finds`, `success`, `tags`, ...).
    """

    metadata = METADATA

    def __init__(
        self,
        level: str,
        *,
        height: int = 72,
        width: int = 96,
        evaluation: bool = False,
        textures: Textures = "drawn",
        look: Look = "plain",
        randomise: float = 0.0,
        randomise_parts: tuple[RandomisedPart, ...] = PARTS,
        randomise_half: Half = "both",
        render_mode: str | None = None,
    ) -> None:
        """Prepare a level.

        Args:
            level: of `envs.LEVELS`.
            height: of the observation in pixels.
            width: of the observation in pixels.
            evaluation: draw episodes that training never sees.
            textures: `drawn`, or `labmaze`: DeepMind Lab's own, where that package is installed.
            look: `plain`, or `engine`: with DeepMind Lab's head-up display, light and sizes.
            randomise: strength of domain randomisation, in [0, 1]: another look of the same task in each episode.
            randomise_parts: what it changes, see `EnvConfig`.
            randomise_half: which half of the looks it draws from, see `EnvConfig`.
            render_mode: "rgb_array" for pictures four times as high and wide.

        Raises:
            ValueError: unknown level, or a picture size, look or strength that is not allowed.
        """
        config = EnvConfig(
            name=level,
            num_envs=1,
            height=height,
            width=width,
            textures=textures,
            look=look,
            randomise=randomise,
            randomise_parts=randomise_parts,
            randomise_half=randomise_half,
        )
        self._batch = _Batch(config, evaluation)
        self.render_mode = render_mode
        self.observation_space = self._batch.observation_space
        self.action_space = self._batch.action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frames, dict[str, Any]]:
        """Begin an episode (see the class)."""
        super().reset(seed=seed)
        self._batch.reset(seed, self.np_random)
        return self._frame(), self._batch.info(0)

    def step(self, action: np.int64) -> tuple[Frames, float, bool, bool, dict[str, Any]]:
        """One agent step; the step that ends the episode shows its true last frame."""
        self._batch.step(np.array([action], np.int64))
        out = self._batch.env.outputs
        return self._frame(), float(out.reward[0]), bool(out.terminated[0]), bool(out.truncated[0]), self._batch.info(0)

    def render(self) -> Frames | None:
        """A picture of uint8 [4 H, 4 W, 3] where the render mode asks for it."""
        return self._batch.paint()[0] if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Let go of the engine."""
        self._batch.env.close()

    def _frame(self) -> Frames:
        return self._batch.env.outputs.obs[0].copy()


class MinilabVectorEnv(gymnasium.vector.VectorEnv[Frames, Actions, Array]):
    """A batch of agents on one engine; `reset(seed=s)` gives environment i the seed s + i, as Gymnasium's own do.

    Autoreset is same-step: the row that ends an episode shows the first frame of the next one, and
    `info["final_obs"]` and `info["final_info"]` have its true end.
    """

    metadata = VECTOR_METADATA

    def __init__(
        self,
        level: str,
        num_envs: int = 1,
        *,
        height: int = 72,
        width: int = 96,
        evaluation: bool = False,
        textures: Textures = "drawn",
        look: Look = "plain",
        randomise: float = 0.0,
        randomise_parts: tuple[RandomisedPart, ...] = PARTS,
        randomise_half: Half = "both",
        threads: int = 1,
        render_mode: str | None = None,
    ) -> None:
        """Prepare a batch of `num_envs`, shared by `threads`; the rest as for `MinilabGymEnv`."""
        config = EnvConfig(
            name=level,
            num_envs=num_envs,
            height=height,
            width=width,
            textures=textures,
            look=look,
            randomise=randomise,
            randomise_parts=randomise_parts,
            randomise_half=randomise_half,
            env_threads=threads,
        )
        self._batch = _Batch(config, evaluation)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.single_observation_space = self._batch.observation_space
        self.single_action_space = self._batch.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frames, dict[str, Any]]:
        """Begin an episode in every environment."""
        super().reset(seed=seed)
        self._batch.reset(seed, self.np_random)
        return self._batch.env.outputs.obs.copy(), self._infos({})

    def step(self, actions: Actions) -> tuple[Frames, Array, Array, Array, dict[str, Any]]:
        """One agent step of all, autoreset included."""
        self._batch.step(np.asarray(actions, np.int64))
        out = self._batch.env.outputs
        reward, terminated, truncated = out.reward.astype(np.float64), out.terminated.copy(), out.truncated.copy()
        infos: dict[str, Any] = {}
        for i in np.flatnonzero(terminated | truncated).tolist():
            final = {"final_obs": out.obs[i].copy(), "final_info": self._batch.info(i)}
            infos = self._add_info(infos, final, i)
            self._batch.env.reset_one(i)
        return out.obs.copy(), reward, terminated, truncated, self._infos(infos)

    def render(self) -> tuple[Frames, ...] | None:
        """A picture of uint8 [4 H, 4 W, 3] of each environment where the render mode asks for it."""
        return tuple(self._batch.paint()) if self.render_mode == "rgb_array" else None

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the threads."""
        self._batch.env.close()

    def _infos(self, infos: dict[str, Any]) -> dict[str, Any]:
        everybody = np.ones(self.num_envs, np.bool_)
        frames = self._batch.env.state.body.frame.astype(np.int64)
        told = {**infos, "frames": frames, "_frames": everybody, "pose": self._batch.env.poses()}
        told["_pose"] = everybody.copy()
        for name, values, there in self._batch.counted():
            if there.any():
                told |= {name: values, f"_{name}": there}
        return told

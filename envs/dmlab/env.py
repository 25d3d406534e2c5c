"""`DMLabEnv`: the real DeepMind Lab as a `BatchedEnv`, one process a Lab (docs/dmlab.md)."""

from __future__ import annotations

import atexit
import contextlib
import functools
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envs.api import EnvironmentFailure, EnvStep
from envs.checks import check_actions, check_identity, check_seed
from envs.config import EnvConfig
from envs.dmlab.cache import LevelCache
from envs.dmlab.diagnosis import advise, no_map
from envs.dmlab.folder import RunFolder
from envs.dmlab.lab import ACTION_REPEAT, ACTIONS, MAX_SEED, LabEnv, LabSettings
from envs.dmlab.levels import DMLAB_LEVELS, EVALUATION_LEVELS, HOLD_OUT_LEVELS
from envs.dmlab.module import no_level, no_renderer, why_not
from envs.lookup import unknown
from envs.workers import Workers

DEFAULT_CACHE = Path("~/.cache/cpc-rl/dmlab")

__all__ = ["DMLabEnv", "LabEnv", "episode_seed"]


class DMLabEnv:
    """B environments of one level of DeepMind Lab (see `envs.api.BatchedEnv`).

    Autoreset is same-step, without `final_obs`: the engine does not show an episode's last frame. Which ends are
    `truncated` is the level's clock to say (`LabEnv.step`). A worker that fails gives a *lost* row.
    """

    backend = "dmlab"
    reading = ""
    num_actions = len(ACTIONS)
    action_repeat = ACTION_REPEAT
    frames_per_second = 60.0
    restores = False

    def __init__(self, config: EnvConfig, seed: int, *, evaluation: bool = False) -> None:
        """Start the workers; the Labs are built by the first `reset`.

        Args:
            config: `name` is a level of `DMLAB_LEVELS`, a path below `game_scripts/levels`, or of a .lua file.
            seed: in [0, 2**63). Environment i of two calls with the same seed plays the same episodes.
            evaluation: draw episodes from a seed space that training never sees.

        Raises:
            ValueError: unknown level or renderer, bad picture size or seed, or deepmind_lab cannot be imported.
        """
        height, width = config.height or 72, config.width or 96
        path = level_path(config.name)
        if height % 4 or width % 4:
            raise ValueError(f"pictures are {height} x {width}; DeepMind Lab draws multiples of 4 only")
        check_seed(seed)
        if missing := why_not():
            raise ValueError(f"deepmind_lab cannot be imported ({missing})")
        if wrong := no_level(path) or no_renderer(config.dmlab_renderer):
            raise ValueError(wrong)
        short = path.rpartition("/")[2]
        if short.startswith("language_"):
            _say_once(f"{config.name} gives instructions in words (INSTR), which the agent does not see")
        if short in EVALUATION_LEVELS and not evaluation:
            _say_once(
                f"{config.name} is meant for evaluation only: train on the levels of its suite that end in _train"
            )
        self.name, self.num_envs = config.name, config.num_envs
        self.obs_shape: tuple[int, ...] = (height, width, 3)
        self.device = torch.device("cpu")
        self._evaluation = evaluation
        self._begun = False  # an episode is under way
        cache = (config.dmlab_cache or DEFAULT_CACHE).expanduser().absolute()
        warn = LevelCache(cache).warn  # it says here and now if that folder is no good
        settings = LabSettings(
            level=path,
            height=height,
            width=width,
            renderer=config.dmlab_renderer,
            cache=cache,
            evaluation=evaluation,
            hold_out=short in HOLD_OUT_LEVELS,
            warn=False,
        )
        self._folder = RunFolder()
        try:
            self._workers = Workers(
                [functools.partial(LabEnv, settings._replace(warn=warn and i == 0)) for i in range(self.num_envs)],
                name=self.name,
                seeds=functools.partial(episode_seed, seed, pool=None if evaluation else config.dmlab_seeds),
                timeout=config.env_timeout,
                folder=self._folder.path,
                incurable=no_map,
                advise=advise,
            )
        except BaseException:
            self._folder.remove()
            raise
        atexit.register(_close, weakref.ref(self))

    def reset(self) -> EnvStep:
        """Begin a new episode in every environment. Raises EnvironmentFailure if one cannot."""
        with self._closing():
            obs, _ = self._workers.reset()
        self._begun = True
        none, every = np.zeros(self.num_envs, np.bool_), np.ones(self.num_envs, np.bool_)
        return _row(obs, np.zeros(self.num_envs), none, none, every, every)

    def step(self, actions: Tensor) -> EnvStep:
        """Apply `actions`, int64 [B] in [0, 9) (the order of `envs.minilab.physics.ACTION_NAMES`).

        Raises:
            ValueError: wrong shape, type or device, an action out of range, or no `reset` before.
            EnvironmentFailure: a worker failed once too often.
        """
        if not self._begun:
            raise ValueError("no episode has begun: reset comes before step")
        check_actions(actions, self.num_envs, self.num_actions, self.device)
        with self._closing():
            obs, reward, terminated, truncated, _ = self._workers.step(actions.numpy())
        lost, idle = self._workers.lost, self._workers.idle
        begun = (terminated | truncated) & ~self._workers.last | lost
        return _row(obs, reward, terminated, truncated, begun, ~(lost | idle))

    def rest(self, rows: Tensor) -> None:
        """As `envs.api.Restful`: a map that nobody plays is not compiled."""
        self._workers.last[:] = rows.numpy()

    def state_dict(self) -> dict[str, Any]:
        """Which environment this is, and how many episodes each of its workers has begun."""
        return {**self._identity(), "episodes": self._workers.episodes.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with episodes that were not begun when `state_dict` was taken; the next call must be `reset`.

        Raises:
            ValueError: the state belongs to another environment.
        """
        check_identity(state, self._identity())
        self._workers.episodes[:] = state["episodes"]
        self._begun = False

    def close(self) -> None:
        """End the workers and remove their temporary files; safe to call twice, and after a failure."""
        if hasattr(self, "_workers"):
            self._workers.close()
            self._folder.remove()

    def __del__(self) -> None:
        self.close()

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        """Leave nothing behind where environments cannot go on."""
        try:
            yield
        except EnvironmentFailure:
            self.close()
            raise

    def _identity(self) -> dict[str, Any]:
        return {
            "backend": self.backend,
            "name": self.name,
            "num_envs": self.num_envs,
            "obs_shape": list(self.obs_shape),
            "evaluation": self._evaluation,
        }


def level_path(name: str) -> str:
    """What `deepmind_lab.Lab` calls the level: a known name's path; a path as it is.

    Raises:
        ValueError: neither; the message lists near matches.
    """
    if name in DMLAB_LEVELS:
        return DMLAB_LEVELS[name]
    if "/" in name or name.endswith(".lua"):
        return name
    raise ValueError(unknown(name, "level of DeepMind Lab", DMLAB_LEVELS))


def episode_seed(run_seed: int, worker: int, episode: int, pool: int | None) -> int:
    """The seed of a worker's `episode`-th episode, in [1, 2**31): a pure function.

    Args:
        run_seed: of the run.
        worker: its number.
        episode: 1, 2, ...
        pool: how many seeds there are, the same ones for every run, so that runs share compiled maps; None: all.
    """
    words = np.random.SeedSequence(run_seed, spawn_key=(worker, episode)).generate_state(1, np.uint64)
    return 1 + int(words[0]) % (MAX_SEED if pool is None else pool)


def _row(obs: Any, reward: Any, terminated: Any, truncated: Any, is_first: Any, valid: Any) -> EnvStep:
    flags = [torch.from_numpy(flag) for flag in (terminated, truncated, is_first, valid)]
    return EnvStep(torch.from_numpy(obs), torch.from_numpy(reward.astype(np.float32)), *flags)


@functools.cache
def _say_once(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _close(reference: weakref.ref[DMLabEnv]) -> None:
    """At exit: in front of multiprocessing, which would wait for the workers."""
    if (env := reference()) is not None:
        env.close()

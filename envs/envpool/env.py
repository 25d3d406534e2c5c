"""`EnvpoolEnv`: ViZDoom's scenarios and Atari's games as envpool steps them, many at once in C++ threads."""

from __future__ import annotations

import contextlib
import importlib
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envs.api import EnvironmentFailure, EnvStep
from envs.checks import check_actions, check_finite_rows, check_identity, check_seed
from envs.config import EnvConfig
from envs.envpool.presets import (
    ATARI_FPS,
    ATARI_OPTIONS,
    ATARI_SIZE,
    FRAME_SKIP,
    VIZDOOM_FPS,
    VIZDOOM_OPTIONS,
    VIZDOOM_SETTINGS,
    VIZDOOM_SIZE,
    Scenario,
)
from envs.envpool.registry import look_up
from envs.information import EpisodeInfo
from envs.signals import FOR_THE_PROGRAM

Bools = np.ndarray[Any, np.dtype[np.bool_]]


class EnvpoolEnv:
    """B environments of one ViZDoom scenario or Atari game (see `envs.api.BatchedEnv`); autoreset is next-step.

    ViZDoom shows RGB and pays what its scenario publishes (`envs.envpool.presets`); Atari shows the last four frames in
    grey, the newest last, and pays points. The tensors of an `EnvStep` are overwritten by the next call.

    Attributes:
        elapsed: agent steps since the episode of each environment began, as envpool counts them: int32 [B].
    """

    backend = "envpool"
    action_repeat = FRAME_SKIP
    restores = False

    def __init__(self, config: EnvConfig, seed: int, *, evaluation: bool = False) -> None:
        """Look up the environment; its engines start at the first `reset`.

        Args:
            config: `name` is envpool's id, `MyWayHome-v1` or `Pong-v5`.
            seed: in [0, 2**63). Environment i of two calls with the same seed plays the same episodes.
            evaluation: draw episodes from seeds that training never sees.

        Raises:
            ValueError: envpool is missing, unknown id, one that is not played, or a seed out of bounds.
        """
        check_seed(seed)
        self.name, self.num_envs = config.name.removeprefix("envpool/"), config.num_envs
        self.device = torch.device("cpu")
        self.episode_info, self._info = config.episode_info, EpisodeInfo(self.name, config.episode_info)
        self._seed, self._evaluation, self._generation = seed, int(evaluation), 0
        self._scenario, packaged = look_up(self.name)
        self._folder = TemporaryDirectory(prefix="cpc-rl-envpool-", ignore_cleanup_errors=True)
        if self._scenario is None:
            (height, width), self.frames_per_second, options = ATARI_SIZE, ATARI_FPS, dict(ATARI_OPTIONS)
        else:
            (height, width), self.frames_per_second = VIZDOOM_SIZE, VIZDOOM_FPS
            options = _vizdoom_options(self._scenario, packaged["cfg_path"], Path(self._folder.name))
        self._options = {
            **options,
            "frame_skip": FRAME_SKIP,
            "img_height": config.height or height,
            "img_width": config.width or width,
            "num_envs": self.num_envs,
            "batch_size": self.num_envs,  # all of them at each step
            "num_threads": config.env_threads,
        }
        spec = importlib.import_module("envpool").make_spec(self.name, **self._options)
        channels, height, width = spec.observation_space.shape
        self.obs_shape: tuple[int, ...] = (height, width, channels)
        shown = "RGB" if self._scenario is not None else f"the last {channels} frames in grey, the newest last"
        self.reading = f"{self.name}: observations are read as a picture of {height} x {width}, {shown}"
        self.num_actions = int(spec.action_space.n)
        self._pool: Any = None  # running engines
        self._step = EnvStep(
            torch.zeros(self.num_envs, *self.obs_shape, dtype=torch.uint8),  # [B, H, W, C]
            torch.zeros(self.num_envs),
            *(torch.zeros(self.num_envs, dtype=torch.bool) for _ in range(4)),
        )
        self.elapsed = np.zeros(self.num_envs, np.int32)
        self._over: Bools = np.zeros(self.num_envs, np.bool_)  # whose next action only begins an episode
        self._paid = np.zeros(self.num_envs)  # by game variables in this episode

    def reset(self) -> EnvStep:
        """Begin new episodes: the first call starts the engines, later ones play on in the same stream of episodes.

        Raises:
            EnvironmentFailure: envpool cannot start them.
        """
        if self._pool is None:
            self._pool = self._start()
        obs, info = self._pool.reset()
        none, every = np.zeros(self.num_envs, np.bool_), np.ones(self.num_envs, np.bool_)
        self._over = none
        self._paid[:] = 0.0
        return self._row(obs, info, np.zeros(self.num_envs), none, none, every, every)

    def step(self, actions: Tensor) -> EnvStep:
        """Apply `actions`, int64 [B] in [0, num_actions).

        Raises:
            ValueError: wrong shape, type or device, an action out of range, or no `reset` before.
        """
        check_actions(actions, self.num_envs, self.num_actions, self.device)
        if self._pool is None:
            raise ValueError(f"{self.name}: actions came before reset")
        obs, reward, terminated, truncated, info = self._pool.step(actions.numpy())
        dead = self._over
        if self._scenario is None:  # a game may be over just when its time is up
            ended, over = terminated | truncated, info["terminated"].astype(np.bool_)
            terminated, truncated = ended & over, ended & ~over
        else:
            reward = self._pay(self._scenario, reward, terminated, dead)
        self._over = terminated | truncated
        row = self._row(obs, info, np.where(dead, 0.0, reward), terminated, truncated, dead, ~dead)
        return row._replace(info=self._info.read(info, self._over))

    def state_dict(self) -> dict[str, Any]:
        """Which environment this is, and which seeds have been used."""
        return {**self._identity(), "generation": self._generation}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with seeds that were not used when `state_dict` was taken, from the next `reset` on.

        Raises:
            ValueError: the state belongs to another environment, number of environments or picture size.
        """
        check_identity(state, self._identity())
        self._generation = int(state["generation"]) + 1
        self._stop()

    def close(self) -> None:
        """End the engines and remove their files; safe to call twice."""
        self._stop()
        self._folder.cleanup()

    def _start(self) -> Any:
        envpool = importlib.import_module("envpool")
        try:
            with contextlib.chdir(self._folder.name), _signals_held():  # ViZDoom's engines write where they start
                return envpool.make_gymnasium(self.name, **self._options, seed=self._seeds())
        except Exception as error:  # envpool lets its own and the engines' errors through
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise EnvironmentFailure(f"{self.name}: envpool cannot start it ({reason})") from error

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None  # only now do the engines end

    def _seeds(self) -> list[int]:
        """One for each environment, in [0, 2**31): even ones to train on, odd ones for evaluation."""
        sequence = np.random.SeedSequence(self._seed, spawn_key=(self._evaluation, self._generation))
        return [int(word) >> 2 << 1 | self._evaluation for word in sequence.generate_state(self.num_envs)]

    def _pay(self, scenario: Scenario, paid: Any, terminated: Bools, dead: Bools) -> Any:
        """Rewards [B]: what envpool paid for game variables, and what it left out of the scenario's rules."""
        self._paid = np.where(dead, 0.0, self._paid + paid)
        end = np.where(self._paid > scenario.goal_above, scenario.goal, scenario.end)
        return paid + scenario.living * FRAME_SKIP + np.where(terminated, end, 0.0)

    def _row(self, obs: Any, info: Any, *rest: Any) -> EnvStep:
        pixels = self._step.obs.numpy()
        for channel in range(pixels.shape[-1]):  # three times as fast as one transposed copy
            pixels[..., channel] = obs[:, channel]
        for tensor, values in zip(self._step[1:6], rest, strict=True):
            tensor.numpy()[:] = values
        check_finite_rows(self.name, "reward", self._step.reward.numpy(), rest[0])
        self.elapsed = info["elapsed_step"]
        return self._step

    def _identity(self) -> dict[str, Any]:
        return {"name": self.name, "num_envs": self.num_envs, "obs_shape": list(self.obs_shape)}


def _vizdoom_options(scenario: Scenario, packaged: str, folder: Path) -> dict[str, Any]:
    """Options of a scenario whose configuration, written into `folder`, also gives the variables it is paid by."""
    settings = f"{VIZDOOM_SETTINGS}available_game_variables = {{ {' '.join(scenario.payments)} }}\n"
    file = folder / "scenario.cfg"
    file.write_text(f"{Path(packaged).read_text(encoding='utf-8')}\n{settings}", encoding="utf-8")
    return {
        **VIZDOOM_OPTIONS,
        "cfg_path": str(file),
        "reward_config": dict(scenario.payments),
        "max_episode_steps": scenario.limit,
    }


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Engines started in here never see a signal to their whole group: one that dies takes this process with it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_THE_PROGRAM)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""`GymnasiumEnv`: any environment of Gymnasium with discrete actions, by id or by factory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.error import DependencyNotInstalled
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from torch import Tensor

from envs.api import EnvStep
from envs.checks import check_actions, check_finite_rows, check_identity, check_seed
from envs.config import EnvConfig
from envs.gymnasium import keeping
from envs.gymnasium.failures import forgiven, running
from envs.gymnasium.make import autoreset, make_batch
from envs.gymnasium.processes import make_workers
from envs.gymnasium.recipe import Factory, find_recipe
from envs.gymnasium.rewards import Taps
from envs.gymnasium.spaces import Observations, action_table
from envs.gymnasium.watching import Watch
from envs.information import EpisodeInfo
from envs.quantities import RAW_REWARD, one_for_each
from envs.workers import Workers

Flags = np.ndarray[Any, np.dtype[np.bool_]]


class GymnasiumEnv:
    """B environments of one kind (see `envs.api.BatchedEnv`).

    Autoreset is what the vector environment declares: next-step (Gymnasium's default) or same-step, which tells
    `final_obs`; one that leaves resets to its user gets them here, same-step. An end that is both is `terminated`:
    there is nothing to come behind a terminal state, whatever the clock says.
    """

    backend = "gymnasium"
    action_repeat = 1
    restores = False

    def __init__(
        self, config: EnvConfig, seed: int, *, evaluation: bool = False, factory: Factory | None = None
    ) -> None:
        """Make the environments; nothing is played before `reset`.

        Args:
            config: `name` is an id, `module:Id-v0`, or `module:function` for a factory. Pictures are brought to
                `height` x `width` where these are given; `observation` says how to read what is no plain picture.
            seed: in [0, 2**63). Environment i of two calls with the same seed plays the same episodes.
            evaluation: draw episodes from seeds that training never sees, and have pictures for people.
            factory: called without arguments it makes one gymnasium.Env; if it has a parameter `num_envs`, it makes a
                whole VectorEnv. `config.name` is only a label then.

        Raises:
            ValueError: no such environment, a package is missing, a seed out of bounds, or spaces and autoreset that
                cannot be used.
            EnvironmentFailure: its own code failed.
        """
        check_seed(seed)
        self.name, self.num_envs, self.device = config.name, config.num_envs, torch.device("cpu")
        self._seed, self._evaluation, self._generation = seed, int(evaluation), 0
        recipe = find_recipe(config.name, factory, evaluation=evaluation)
        self._batch: VectorEnv[Any, Any, Any] = (
            make_workers(recipe, config, self._seed_of) if config.env_processes else make_batch(recipe, config.num_envs)
        )
        try:
            self._mode = self._check_batch()
            space = self._batch.single_observation_space
            self._observations = Observations(space, config.height, config.width, config.observation, self.name)
            self._actions = action_table(self._batch.single_action_space)  # [A, ...]
        except ValueError as error:
            self.close()
            raise ValueError(f"{self.name}: {error}") from error
        self.reading = f"{self.name}: {self._observations.words}"
        self.obs_shape, self.num_actions = self._observations.shape, len(self._actions)
        self.frames_per_second = float(self._batch.metadata.get("render_fps") or 30)
        self._taps = Taps(self._batch)
        self.episode_info, self._info = config.episode_info, EpisodeInfo(self.name, config.episode_info)
        self._watch = None if evaluation else Watch(self._batch, self.name)
        keeping.warn_of_processes(self._batch, self.name)
        self._over: Flags = np.zeros(self.num_envs, np.bool_)  # whose next action only begins an episode

    def reset(self) -> EnvStep:
        """Begin new episodes: other ones at each call, the same ones for the same seed."""
        self._generation += 1
        seed: Any = [self._seed_of(i, 0) for i in range(self.num_envs)]
        if not isinstance(self._batch.unwrapped, SyncVectorEnv | AsyncVectorEnv):
            seed = seed[0]  # one for all
        with running(self.name):
            obs, _ = self._batch.reset(seed=seed)
            none, every = np.zeros(self.num_envs, np.bool_), np.ones(self.num_envs, np.bool_)
            self._over = none
            self._look()
            return self._row(obs, np.zeros(self.num_envs), none, none, every, every)

    def step(self, actions: Tensor) -> EnvStep:
        """Apply `actions`, int64 [B] in [0, num_actions); ValueError for others."""
        check_actions(actions, self.num_envs, self.num_actions, self.device)
        with running(self.name):
            obs, *told, info = self._batch.step(self._actions[actions.numpy()])
            words = ("rewards", "`terminated`", "`truncated`")
            reward, ends, cuts = (one_for_each(x, self.num_envs, word) for x, word in zip(told, words, strict=True))
            dead = self._over
            terminated = ends.astype(np.bool_) & ~dead
            truncated = cuts.astype(np.bool_) & ~dead & ~terminated
            ended = terminated | truncated
            if self._mode is AutoresetMode.NEXT_STEP:
                self._over, is_first, lost, final = ended, dead, dead, None
                reward = np.where(dead, 0, reward)
            else:
                lost = self._batch.lost if isinstance(self._batch, Workers) else dead
                is_first, final = ended | lost, None
            raw = info.get(RAW_REWARD) if isinstance(self._batch, Workers) else self._taps.last()
            at_end = info.get("final_info", info) if self._mode is AutoresetMode.SAME_STEP else info
            extra = self._info.read(at_end, ended)
            if self._mode is not AutoresetMode.NEXT_STEP and ended.any():
                obs, final = self._begin_again(obs, ended, info)
            if is_first[0]:
                self._look()
            return self._row(obs, reward, terminated, truncated, is_first, ~lost, final, raw)._replace(info=extra)

    def picture(self, i: int) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
        """What a person would look at in environment i: uint8 [H, W, 3]; None where it cannot be drawn.

        Only environments made for evaluation can: training does without.
        """
        if self._batch.render_mode != "rgb_array":
            return None
        with running(self.name, i):
            try:
                if isinstance(self._batch, SyncVectorEnv):
                    frame: Any = self._batch.envs[i].render()
                else:
                    frame = (self._batch.render() or {i: None})[i]
            except (ImportError, DependencyNotInstalled):  # what draws is often a package of its own
                return None
        return None if frame is None else np.ascontiguousarray(frame, np.uint8)

    def state_dict(self) -> dict[str, Any]:
        """How often these environments were reset, which decides the next seeds, and what their wrappers have learnt.

        Raises EnvironmentFailure where a wrapper gives a state that cannot be saved.
        """
        with running(self.name):
            learnt = keeping.save(self._batch, self.name)
        return {**self._identity(), "generation": self._generation, "learnt": learnt}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Have the next `reset` begin episodes that were not played before `state_dict` was taken.

        Raises:
            ValueError: the state belongs to other environments.
        """
        check_identity(state, self._identity())
        self._generation = int(state["generation"])
        with running(self.name):
            keeping.load(self._batch, state.get("learnt"), self.name)

    def adopt(self, states: Sequence[dict[str, Any]]) -> None:
        """Have wrappers that learn (running means) know what those of other batches have learnt, and learn no more.

        Args:
            states: `state_dict` of each rank's environments, however many there were.
        """
        with running(self.name):
            keeping.adopt(self._batch, [state.get("learnt") for state in states], self.name)

    def close(self) -> None:
        """Close the environments; safe to call twice. What fails in that is reported, not raised."""
        with forgiven(self.name):
            self._batch.close()

    def _seed_of(self, i: int, episode: int) -> int:
        """Of an episode in environment i since the last reset; below 2**31, for some simulators take signed ones."""
        key = (self._evaluation, self._generation, i, episode)
        return int(np.random.SeedSequence(self._seed, spawn_key=key).generate_state(1)[0] >> 1)

    def _begin_again(self, obs: Any, ended: Flags, info: dict[str, Any]) -> tuple[Any, Tensor | None]:
        """What there is to see after the ends of this step, and the last observations [B, ...] in front of it."""
        if self._mode is AutoresetMode.DISABLED:
            final = self._observations(obs).clone()  # [B, ...]
            obs, _ = self._batch.reset(options={"reset_mask": ended})
            return obs, final
        if "final_obs" not in info:
            return obs, None
        which = np.flatnonzero(ended)
        final = torch.zeros_like(self._observations(obs))  # [B, ...]
        final[torch.from_numpy(which)] = self._observations.stack([info["final_obs"][i] for i in which])
        return obs, final

    def _row(
        self,
        obs: Any,
        reward: Any,
        terminated: Flags,
        truncated: Flags,
        is_first: Flags,
        valid: Flags,
        final_obs: Tensor | None = None,
        raw: Any = None,
    ) -> EnvStep:
        with np.errstate(over="ignore"):
            paid = np.require(reward, np.float32, "W")
        check_finite_rows(self.name, "reward", paid, reward)
        return EnvStep(
            obs=self._observations(obs),
            reward=torch.from_numpy(paid),
            terminated=torch.from_numpy(terminated),
            truncated=torch.from_numpy(truncated),
            is_first=torch.from_numpy(is_first),
            valid=torch.from_numpy(valid),
            final_obs=final_obs,
            raw_reward=None if raw is None else torch.from_numpy(np.where(valid, raw, 0.0).astype(np.float32)),
        )

    def _look(self) -> None:
        if self._watch is not None:
            self._watch.episode_begins()

    def _check_batch(self) -> AutoresetMode:
        batch = self._batch
        if batch.num_envs != self.num_envs:
            raise ValueError(f"the factory was asked for {self.num_envs} environments and made {batch.num_envs}")
        if (mode := autoreset(batch)) is None:
            raise ValueError(
                f"metadata['autoreset_mode'] is {batch.metadata.get('autoreset_mode')!r}; a VectorEnv must declare one "
                f"of {', '.join(f'AutoresetMode.{mode.name}' for mode in AutoresetMode)}"
            )
        return mode

    def _identity(self) -> dict[str, Any]:
        return {
            "backend": self.backend,
            "name": self.name,
            "num_envs": self.num_envs,
            "obs_shape": list(self.obs_shape),
            "num_actions": self.num_actions,
        }

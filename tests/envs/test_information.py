"""What environments put into their `info`, as the agent's metrics get it."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from envs import EnvConfig, make
from envs.api import info_names
from envs.gymnasium import GymnasiumEnv
from envs.information import EpisodeInfo, _say_once

KEYS = ("is_success", "lives", "score")


class Graded(gymnasium.Env[np.ndarray, np.int64]):
    """Episodes of 3 steps; each tells its number as `lives`, and a success in every second one."""

    observation_space = Box(0, 100, (2,))
    action_space = Discrete(2)
    episode = -1

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.episode, self.time = self.episode + 1, 0
        return np.zeros(2, np.float32), {"is_success": False, "lives": -1}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.time += 1
        told = {"lives": self.episode if self.time == 3 else 77, "is_success": self.episode % 2 == 1, "name": "x"}
        if self.episode != 1:
            told["score"] = np.array([0.5])
        return np.zeros(2, np.float32), 1.0, self.time == 3, False, told


def batch(num_envs: int, mode: AutoresetMode) -> SyncVectorEnv:
    return SyncVectorEnv([Graded] * num_envs, autoreset_mode=mode)


def batches() -> dict[str, Any]:
    modes = (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED)

    def making(mode: AutoresetMode) -> Any:
        def factory(num_envs: int) -> SyncVectorEnv:
            return batch(num_envs, mode)

        return factory

    return {"one by one": Graded, "processes": Graded, **{mode.name: making(mode) for mode in modes}}


@pytest.mark.parametrize("kind", batches())
def test_the_last_info_of_an_episode_is_told_in_the_row_that_ended_it(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _say_once.cache_clear()
    config = EnvConfig(name="graded", num_envs=2, episode_info=KEYS, env_processes=kind == "processes")
    with closing(GymnasiumEnv(config, 0, factory=batches()[kind])) as env:
        assert info_names(env) == KEYS and env.reset().info is None
        rows = [env.step(torch.zeros(2, dtype=torch.int64)) for _ in range(12)]
        told = [row.info.tolist() for row in rows if row.terminated.all()]
    assert told[0] == [[[0, 1], [0, 1], [0.5, 1]]] * 2
    assert told[1] == [[[1, 1], [1, 1], [0, 0]]] * 2  # it had no score
    assert told[2] == [[[0, 1], [2, 1], [0.5, 1]]] * 2
    said = capsys.readouterr().err
    assert said == (
        "graded: `info` has no number 'score' at the end of an episode, so episode/score leaves it out; "
        "numbers there are is_success, lives\n"
    )


def test_what_is_no_number_of_an_environment_is_none() -> None:
    reader = EpisodeInfo("some", ("a",))
    ended = np.array([False, True])
    for values in (5, "ab", ["x", "y"], [1.0, np.inf], [1, 1e300], [1, [2, 3]], {"b": 1}, [1]):
        read = reader.read({"a": values}, ended)
        assert read is not None and not read.any()
    for values, number in (([0, True], 1), (np.array([[1], [2]]), 2), ((0, -3.5), -3.5)):
        read = reader.read({"a": values}, ended)
        assert read is not None and read.tolist() == [[[0, 0]], [[number, 1]]]
    masked = reader.read({"a": np.ones(2), "_a": np.array([True, False])}, ended)
    assert masked is not None and not masked.any()
    assert EpisodeInfo("some", ()).read({"a": np.ones(2)}, ended) is None


@pytest.mark.parametrize("name", ["minilab/rooms_watermaze", "dmlab/rooms_watermaze"])
def test_who_has_no_info_says_so(name: str) -> None:
    backend = name.partition("/")[0]
    with pytest.raises(ValueError, match=f"episode_info is lives score: {backend} has no `info` to look into"):
        make(EnvConfig(name=name, episode_info=("lives", "score")), 0)


def test_envpool_tells_it_too() -> None:
    pytest.importorskip("envpool")
    config = EnvConfig(name="envpool/Basic-v1", num_envs=2, height=24, width=32, episode_info=("elapsed_step", "nope"))
    with closing(make(config, 0)) as env:
        env.reset()
        rows = [env.step(torch.zeros(2, dtype=torch.int64))._replace(obs=torch.empty(0)) for _ in range(76)]
        infos = [row.info[0].tolist() for row in rows if row.info is not None and row.info[0].any()]
    assert infos == [[[75, 1], [0, 0]]]

"""The memory proof: a cue in the first frame, a choice many steps later. No memoryless policy can beat chance.

The last action is kept from both networks: a policy that acts the cue out and repeats itself would carry one bit on.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from agents.a2c import Learner
from agents.config import A2CConfig, Config
from cpc_rl.acting import begin
from cpc_rl.networks import NetworkConfig
from cpc_rl.optim import OptimiserConfig
from envs.api import EnvStep


class Cue:
    """Frame 0 is red or blue, frames 1.. are grey, the last one white: there action 0 pays for red, 1 for blue."""

    name, backend, num_actions, obs_shape, action_repeat = "cue", "toy", 2, (24, 24, 3), 1
    device = torch.device("cpu")

    def __init__(self, num_envs: int, length: int, seed: int) -> None:
        self.num_envs, self.length = num_envs, length
        self.generator = torch.Generator().manual_seed(seed)
        self.cue = torch.zeros(num_envs, dtype=torch.int64)
        self.time = 0

    def reset(self) -> EnvStep:
        self.time = 0
        self.cue = torch.randint(0, 2, (self.num_envs,), generator=self.generator)
        return self._row(torch.zeros(self.num_envs))

    def step(self, actions: Tensor) -> EnvStep:
        self.time += 1
        if self.time < self.length:
            return self._row(torch.zeros(self.num_envs))
        reward = torch.where(actions == self.cue, 1.0, -1.0)
        return self.reset()._replace(reward=reward, terminated=torch.ones(self.num_envs, dtype=torch.bool))

    def _row(self, reward: Tensor) -> EnvStep:
        obs = torch.full((self.num_envs, *self.obs_shape), 128, dtype=torch.uint8)
        if self.time == 0:
            obs[:] = torch.tensor([[255, 0, 0], [0, 0, 255]], dtype=torch.uint8)[self.cue][:, None, None]
        elif self.time == self.length - 1:
            obs[:] = 255
        no = torch.zeros(self.num_envs, dtype=torch.bool)
        return EnvStep(obs, reward, no, no, no | (self.time == 0), ~no)

    def state_dict(self) -> dict[str, Any]:
        return {"cue": self.cue, "time": self.time, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.cue, self.time = state["cue"], state["time"]
        self.generator.set_state(state["generator"])

    def close(self) -> None:
        pass


def mean_return(core: str, seed: int, updates: int) -> float:
    """Mean return of the last 50 updates' episodes."""
    config = Config(
        network=NetworkConfig(core=core, features=32, hidden=32),
        a2c=A2CConfig(unroll=24, entropy_cost=0.01),
        optimiser=OptimiserConfig(learning_rate=3e-3, clip_norm=0.5),
    )
    learner = Learner(
        config.model_copy(update={"run": config.run.model_copy(update={"seed": seed})}), Cue(16, 12, seed)
    )
    forward = learner.net.forward
    learner.net.forward = lambda obs, action, *rest: forward(obs, torch.zeros_like(action), *rest)
    begin(learner.env, learner.rollout)
    for update in range(updates):
        learner.update()
        if update == updates - 50:
            learner.episodes.pop()
    return learner.episodes.pop()["episode_return"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_lstm_remembers_the_cue(seed):
    assert mean_return("lstm", seed, 400) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_feedforward_policy_stays_at_chance(seed):
    assert abs(mean_return("feedforward", seed, 400)) < 0.15  # chance is 0; 1,600 episodes have a deviation of 0.025

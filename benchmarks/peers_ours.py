"""Our agent (`none`, `cpc`) or the naive limit (`limit`) as a worker of `peers.py`."""

# ruff: noqa: D102 # methods that a library prescribes

from __future__ import annotations

import sys
from typing import Any

import torch
from bounds import naive_update
from peers_env import ACTIONS, HEIGHT, WIDTH, CheapEnvs, options, serve
from torch import Tensor

from agents.a2c import Learner
from agents.config import full_config
from configs import load
from cpc_rl.acting import begin
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.networks import ActorCritic
from envs.api import EnvStep


class Env:
    """`CheapEnvs` as a `BatchedEnv`."""

    name, backend, num_actions, obs_shape = "cheap", "none", ACTIONS, (HEIGHT, WIDTH, 3)
    action_repeat, frames_per_second, restores = 4, 60.0, False
    device = torch.device("cpu")

    def __init__(self, batch: int, episode: int) -> None:
        self.envs, self.num_envs = CheapEnvs(batch, episode), batch
        self.true, self.false = torch.ones(batch, dtype=torch.bool), torch.zeros(batch, dtype=torch.bool)

    def reset(self) -> EnvStep:
        obs = torch.from_numpy(self.envs.pictures())
        return EnvStep(obs, torch.zeros(self.num_envs), self.false, self.false, self.true, self.true)

    def step(self, actions: Tensor) -> EnvStep:
        obs, reward, ended = (torch.from_numpy(x) for x in self.envs.step())
        return EnvStep(obs, reward, ended, self.false, ended, self.true)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


def main() -> None:
    given, what = options(), sys.argv[5]
    torch.set_num_threads(given.threads)
    keep_freed_memory()  # as our programs do
    flags = f"--preset laptop --device cpu --num-envs {given.batch} --unroll {given.unroll}".split()
    config = load(full_config(), [*flags, "--aux", "none" if what == "limit" else what], prog="peers", description="")
    if what == "limit":
        network = ActorCritic(config.network, Env.obs_shape, ACTIONS)
        return serve(naive_update(config, Env.obs_shape, ACTIONS), sum(p.numel() for p in network.parameters()))
    learner = Learner(config, Env(given.batch, given.episode))
    begin(learner.env, learner.rollout)
    return serve(learner.update, sum(p.numel() for p in learner.net.parameters()))


if __name__ == "__main__":
    main()

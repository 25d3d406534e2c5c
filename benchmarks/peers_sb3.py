"""sb3-contrib's RecurrentPPO as a worker of `peers.py`, with one gradient step for each unroll.

As fast as its options make it: pictures come with the channels first, as it wants them, so that nothing is transposed;
actor and critic share encoder and LSTM (it does not send the critic's gradient through a shared LSTM); no hidden layer
behind it.
"""

# ruff: noqa: D102 # methods that a library prescribes

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from peers_env import ACTIONS, HEIGHT, WIDTH, CheapEnvs, options, serve
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn


class Env(VecEnv):
    """`CheapEnvs` as a VecEnv."""

    def __init__(self, batch: int, episode: int) -> None:
        self.envs = CheapEnvs(batch, episode, channels_first=True)
        super().__init__(batch, spaces.Box(0, 255, (3, HEIGHT, WIDTH), np.uint8), spaces.Discrete(ACTIONS))

    def reset(self) -> np.ndarray:
        return self.envs.pictures()

    def step_async(self, actions: np.ndarray) -> None: ...

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        obs, reward, ended = self.envs.step()
        return obs, reward.copy(), ended, [{} for _ in range(self.num_envs)]

    def close(self) -> None: ...

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None: ...

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        return []

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


class Encoder(BaseFeaturesExtractor):
    """IMPALA's shallow encoder; its input is divided by 255 already."""

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space, features_dim=256)
        convolutions = (nn.Conv2d(3, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU())
        self.layers = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(7 * 10 * 32, 256), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def main() -> None:
    given = options()
    torch.set_num_threads(given.threads)
    size = given.unroll * given.batch
    policy = {
        "features_extractor_class": Encoder,
        "net_arch": [],
        "lstm_hidden_size": 256,
        "shared_lstm": True,
        "enable_critic_lstm": False,
    }
    settings = {"n_steps": given.unroll, "batch_size": size, "n_epochs": 1, "ent_coef": 0.01, "seed": 1}
    env = Env(given.batch, given.episode)
    agent = RecurrentPPO("CnnLstmPolicy", env, policy_kwargs=policy, device="cpu", **settings)
    parameters = sum(p.numel() for p in agent.policy.parameters())
    serve(lambda: agent.learn(size, log_interval=None, reset_num_timesteps=False), parameters)


if __name__ == "__main__":
    main()

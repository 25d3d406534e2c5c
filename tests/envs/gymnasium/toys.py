"""Small environments with awkward spaces, for the tests of `envs.gymnasium`."""

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete


def steps(env, n, action=0):
    return [env.step(torch.full((env.num_envs,), action)) for _ in range(n)]


class Slider(gymnasium.Env):
    """Continuous, unless asked otherwise, as Gymnasium's CarRacing."""

    observation_space = Box(-1, 1, (1,))

    def __init__(self, continuous=True):
        self.action_space = Box(-1, 1, (1,)) if continuous else Discrete(5)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), float(action), False, False, {}


class Levers(Slider):
    """Pays what its two levers say."""

    def __init__(self):
        self.action_space = MultiDiscrete([3, 2])

    def step(self, action):
        return np.zeros(1, np.float32), 10.0 * action[0] + action[1], False, False, {}

"""Fixtures of the tests of `envs.gymnasium`."""

import gymnasium
import pytest

from envs import EnvConfig


@pytest.fixture
def build():
    """Builds a GymnasiumEnv; all are closed at the end."""
    made = []

    def build(name="counting", factory=None, *, seed=3, evaluation=False, **config):
        from envs.gymnasium import GymnasiumEnv  # brings torch: not for every test below this folder

        config = EnvConfig(name=name, **{"num_envs": 2, **config})
        made.append(GymnasiumEnv(config, seed, evaluation=evaluation, factory=factory))
        return made[-1]

    yield build
    for env in made:
        env.close()


@pytest.fixture
def register():
    """Registers ids for one test."""
    before = dict(gymnasium.registry)
    yield gymnasium.register
    gymnasium.registry.clear()
    gymnasium.registry.update(before)

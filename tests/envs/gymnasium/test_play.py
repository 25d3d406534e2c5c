"""Seeds, failures, pictures and processes of `GymnasiumEnv`."""

import time

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import SyncVectorEnv

from envs.api import EnvironmentFailure
from tests.envs.conformance.cases import read
from tests.envs.conformance.counting import Counting
from tests.envs.gymnasium.toys import Levers, Slider, steps

COUNTING = "tests.envs.conformance.counting"


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_out_of_bounds_are_refused(build, seed):
    with pytest.raises(ValueError, match=r"seed is .*; it must lie in \[0, 2\*\*63\)"):
        build(seed=seed, factory=Counting)


def test_an_environments_episodes_do_not_depend_on_how_many_there_are(build):
    few, many = (read(build(factory=Counting, num_envs=n).reset().obs).identity for n in (2, 40))
    assert torch.equal(few, many[:2]) and len(set(many.tolist())) > 30


def test_seeds_are_ones_that_all_simulators_take(build):
    given = []

    class Asked(Slider):
        def __init__(self):
            self.action_space = Discrete(2)

        def reset(self, *, seed=None, options=None):
            given.append(seed)
            return super().reset()

    for seed in (0, 2**32, 2**63 - 1):
        build(factory=Asked, num_envs=50, seed=seed).reset()
    assert all(type(seed) is int and 0 <= seed < 2**31 for seed in given) and len(set(given)) == 150
    assert max(given) > 2**30  # all the bits


# Failures


def test_failures_name_environment_and_cause(build):
    made = []

    def factory():
        made.append(1)
        if len(made) == 2:
            raise KeyError("no such\nmap")
        return Counting()

    with pytest.raises(EnvironmentFailure, match=r"^counting, environment 1: KeyError: .*no such.*map") as caught:
        build(factory=factory)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_package_missing_in_mid_play_is_a_failure_not_a_wrong_name(build):
    class Late(Slider):
        def __init__(self):
            self.action_space = Discrete(2)

        def step(self, action):
            import no_such_module  # noqa: F401

    env = build(factory=Late)
    env.reset()
    with pytest.raises(EnvironmentFailure, match="environment 0: ModuleNotFoundError: No module named"):
        env.step(torch.zeros(2, dtype=torch.int64))


def test_a_batchs_own_failure_names_it(build):
    class Rotten(gymnasium.vector.VectorWrapper):
        def step(self, actions):
            raise RuntimeError("rotten")

    env = build(factory=lambda num_envs: Rotten(SyncVectorEnv([Counting] * num_envs)))
    env.reset()
    with pytest.raises(EnvironmentFailure, match="^counting: RuntimeError: rotten"):
        env.step(torch.zeros(2, dtype=torch.int64))


# Pictures for people


def test_pictures_for_people_are_there_in_evaluation_only(build):
    assert build(f"{COUNTING}:Counting").picture(0) is None
    env = build(f"{COUNTING}:Counting", evaluation=True)
    env.reset()
    steps(env, 1)
    while env._batch.envs[0].unwrapped.seen.step == env._batch.envs[1].unwrapped.seen.step:
        steps(env, 1)
    for i in range(2):
        picture = env.picture(i)
        assert picture.shape == (8, 10, 3) and picture.dtype == np.uint8
        assert (picture == env._batch.envs[i].unwrapped.seen.step).all()
    assert env.frames_per_second == 12.0


def test_cartpoles_own_batch_is_drawn(build):
    pytest.importorskip("pygame")
    assert build("CartPole-v1").picture(0) is None
    env = build("CartPole-v1", evaluation=True)
    env.reset()
    left, right = (env.picture(i) for i in range(2))
    assert left.shape == (400, 600, 3) and left.dtype == np.uint8 and left.std() > 0 and (left != right).any()


def test_what_cannot_be_drawn_is_none(build):
    class Undrawn(Counting):
        def render(self):
            raise DependencyNotInstalled("pip install a painter")

    env = build(factory=Undrawn, evaluation=True)
    env.reset()
    assert env.picture(0) is None
    assert build(factory=Levers, evaluation=True).picture(0) is None  # takes no render_mode


# Processes


def test_processes_share_numbers_and_draw(build):
    class Mixed(gymnasium.Env):
        """Observations of parts, which processes share as numbers."""

        observation_space = gymnasium.spaces.Dict({"b": Box(-1, 1, (2,), np.float64), "a": Discrete(3)})
        action_space = Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return {"b": np.array([0.25, 0.5]), "a": 1}, {}

        def step(self, action):
            return {"b": np.array([-0.25, 1.0]), "a": 2}, float(action), bool(action), False, {}

    env = build(factory=Mixed, env_processes=True)
    assert env.reset().obs.tolist() == [[0, 1, 0, 0.25, 0.5]] * 2
    row = env.step(torch.tensor([0, 1]))
    assert row.obs.tolist() == [[0, 0, 1, -0.25, 1.0], [0, 1, 0, 0.25, 0.5]]
    assert row.final_obs[1].tolist() == [0, 0, 1, -0.25, 1.0] and row.reward.tolist() == [0.0, 1.0]
    env = build(f"{COUNTING}:Counting", env_processes=True, evaluation=True, num_envs=1)
    env.reset()
    while not (row := env.step(torch.tensor([0]))).is_first[0]:
        assert (env.picture(0) == int(read(row.obs).step[0])).all()


def test_processes_register_what_they_play(build):
    assert build(f"{COUNTING}:Counting-v0", env_processes=True, num_envs=1).reset().is_first.all()


def test_a_whole_batch_cannot_be_put_into_processes(build):
    with pytest.raises(ValueError, match="same_step makes a whole VectorEnv"):
        build(f"{COUNTING}:same_step", env_processes=True)


def test_what_is_wrong_is_said_before_a_process_is_started(build):
    class Speaking(Slider):
        observation_space = gymnasium.spaces.Text(8)  # Gymnasium would flatten it

    for factory, says in ((Slider, "must be discrete"), (dict, "no gymnasium Env"), (Speaking, "observations of Text")):
        with pytest.raises(ValueError, match=says):
            build(factory=factory, env_processes=True)


def test_processes_are_waited_for_as_long_as_asked(build):
    class Sleepy(Counting):
        def step(self, action):
            time.sleep(100)

    env = build(factory=Sleepy, env_processes=True, num_envs=1, env_timeout=0.4)
    env.reset()
    with pytest.raises(EnvironmentFailure, match=r"gave no answer for 0\.4 s"):
        steps(env, 3)

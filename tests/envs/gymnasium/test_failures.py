"""What a broken environment says: one line that names it, whatever it did, and nothing goes on as if all were well."""

import subprocess
import sys
from functools import partial

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.vector import SyncVectorEnv

from agents import a2c, random
from envs.errors import EnvironmentFailure
from tests.envs.conformance.counting import Counting
from tests.envs.gymnasium.toys import Slider, steps


class Says(gymnasium.Env):
    """Answers as it is told: in its step `at` of an episode a reward, an observation, or what a call does."""

    observation_space = Box(-np.inf, np.inf, (2,))
    action_space = Discrete(2)

    def __init__(self, reward=0.0, value=0.0, do=None, at=3):
        self.reward, self.value, self.do, self.at = reward, value, do, at

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += 1
        if self.count != self.at:
            return np.zeros(2, np.float32), 1.0, False, False, {}
        if self.do is not None:
            self.do()
        return np.array([0.5, self.value], np.float32), self.reward, False, False, {}


class Leaves(Slider):
    action_space = Discrete(2)

    def __init__(self):
        pass

    def step(self, action):
        sys.exit(0)


class NoSpace(Leaves):
    observation_space = None


class NoActions(Leaves):
    action_space = 3


class Nothing(Leaves):
    observation_space = Box(-1, 1, (0,))


class RottenClose(Counting):
    def close(self):
        raise RuntimeError("cannot\nclose")


def broken():
    raise KeyError("no such map")


def needy(size, colour, render_mode=None):
    return Counting()


HERE = "gymnasium/tests.envs.gymnasium.test_failures"


# Rewards and observations


@pytest.mark.parametrize(
    ("says", "message", "processes"),
    [
        ({"reward": np.nan}, "the reward is nan", False),
        ({"reward": np.inf}, "the reward is inf", False),
        ({"reward": np.inf}, "the reward is inf", True),
        ({"reward": None}, "the reward is None; it must be a number", False),
        ({"reward": "5 points"}, "the reward is '5 points'; it must be a number", False),
        ({"reward": np.ones(2)}, r"the reward has shape \(2,\); it must be one number", False),
        ({"value": np.nan}, "the observation holds nan", False),
        ({"value": -np.inf}, "the observation holds -inf", True),
    ],
)
def test_what_is_no_number_names_environment_and_quantity(build, processes, says, message):
    env = build(factory=partial(Says, **says), env_processes=processes, num_envs=1)
    env.reset()
    steps(env, 2)
    with pytest.raises(EnvironmentFailure, match=message) as caught:
        steps(env, 20)
    assert "counting" in str(caught.value) and ("worker 0" if processes else "environment 0") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_environment_that_said_it_is_named(build):
    def factory(num_envs):
        return SyncVectorEnv([Says, Says, partial(Says, reward=-np.inf), partial(Says, value=np.nan)])

    env = build(factory=factory, num_envs=4)
    env.reset()
    with pytest.raises(EnvironmentFailure, match="^counting, environment 2: the reward is -inf"):
        steps(env, 3)


def test_a_reward_beyond_the_agents_numbers_is_told_as_it_was(build):
    env = build(factory=partial(Says, reward=1e39))
    env.reset()
    with pytest.raises(EnvironmentFailure, match=r"environment 0: the reward is 1e\+39, no finite number of 32 bits"):
        steps(env, 3)
    env = build(factory=partial(Says, reward=3e38))
    env.reset()
    assert (steps(env, 3)[-1].reward == torch.tensor(3e38)).all()


def test_a_last_observation_that_is_no_number_is_seen(build):
    class Ends(Says):
        def step(self, action):
            obs, reward, *_ = super().step(action)
            return obs, reward, self.count == 3, False, {}

    def factory(num_envs):
        return SyncVectorEnv([partial(Ends, value=np.nan)] * 2, autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP)

    env = build(factory=factory)
    env.reset()
    with pytest.raises(EnvironmentFailure, match="the observation holds nan"):
        steps(env, 3)


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("reward", [np.array([2.5]), np.array(2.5), np.float32(2.5), torch.tensor([2.5])], ids=repr)
@pytest.mark.filterwarnings("error")
def test_a_reward_of_one_number_is_that_number(build, processes, reward):
    env = build(factory=partial(Says, reward=reward), env_processes=processes, num_envs=1)
    env.reset()
    row = steps(env, 3)[-1]
    assert row.reward.tolist() == [2.5] and row.reward.shape == (1,)


def test_columns_of_a_batch_are_taken_and_other_numbers_of_rows_are_not(build):
    class Columns(gymnasium.vector.VectorWrapper):
        width = 1

        def step(self, actions):
            obs, *told, info = self.env.step(actions)
            return obs, *(np.repeat(x[:, None], self.width, 1) for x in told), info

    plain = build(factory=lambda num_envs: SyncVectorEnv([Counting] * num_envs))
    columns = build(factory=lambda num_envs: Columns(SyncVectorEnv([Counting] * num_envs)))
    for env in (plain, columns):
        env.reset()
    for ours, theirs in zip(steps(columns, 30), steps(plain, 30), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours[:6], theirs[:6], strict=True))
    Columns.width = 2
    with pytest.raises(EnvironmentFailure, match=r"rewards have shape \(2, 2\); they must be one for each of 2"):
        steps(columns, 1)


# Making and leaving


def test_an_environment_that_leaves_the_program_is_a_failure(build):
    env = build(factory=Leaves)
    env.reset()
    with pytest.raises(EnvironmentFailure, match="^counting, environment 0: SystemExit: 0"):
        steps(env, 1)


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("Leaves", 1, "Leaves, environment 0: SystemExit: 0"),
        ("broken", 1, "broken, environment 0: KeyError: 'no such map'"),
        ("needy", 2, "needy cannot be made without size, colour: a factory is given"),
        ("NoSpace", 2, "NoSpace: observation_space is None; it must be a gymnasium.Space"),
        ("NoActions", 2, "NoActions: action_space is 3; it must be a gymnasium.Space"),
        ("Nothing", 2, "Nothing: observations of Box([], [], (0,), float32) hold no numbers at all"),
    ],
)
@pytest.mark.parametrize("processes", [False, True])
def test_programs_say_it_in_one_line_and_leave_nothing_behind(
    name, code, says, processes, tmp_path, monkeypatch, capsys
):
    if processes and name == "Leaves":
        pytest.skip("a worker that leaves is restarted: tests/envs/workers")
    flags = ["--env", f"{HERE}:{name}", "--num-envs", "2", *(["--env-processes"] if processes else [])]
    assert a2c.main([*flags, "--device", "cpu", "--frames", "400", "--run", str(tmp_path / "run")]) == code
    error = capsys.readouterr().err
    last = error.splitlines()[-1]
    assert last.startswith("error: ") and (says.partition(", env")[0] if processes else says) in last
    if name != "Leaves":  # that one is known only when it has begun
        assert error.count("\n") == 1 and not (tmp_path / "run").exists()
        monkeypatch.setattr(sys, "argv", ["agents.random", *flags])
        assert random.guarded(random.main, debug=False) == code
        assert says.partition(",")[0] in capsys.readouterr().err


def test_a_module_that_breaks_names_itself(build, tmp_path, monkeypatch):
    (tmp_path / "rotten_module.py").write_text("raise ValueError('rotten to the core')\n")
    (tmp_path / "leaving_module.py").write_text("import sys; sys.exit()\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name, says in (("rotten_module", "ValueError: rotten to the core"), ("leaving_module", "SystemExit")):
        with pytest.raises(EnvironmentFailure, match=f"^{name}:make: {says}"):
            build(f"{name}:make")


def test_spaces_that_hold_nothing_are_refused_and_one_number_is_enough(build):
    class Parts(Leaves):
        observation_space = Dict({})

    with pytest.raises(ValueError, match="^counting: observations of Dict.* hold no numbers at all"):
        build(factory=Parts)
    assert build(factory=Leaves).obs_shape == (1,)


def test_a_batch_without_spaces_is_refused(build):
    def factory(num_envs):
        batch = SyncVectorEnv([Counting] * num_envs)
        batch.single_action_space = None
        return batch

    with pytest.raises(ValueError, match="^counting: single_action_space is None; it must be a gymnasium.Space"):
        build(factory=factory)


def test_what_fails_in_closing_is_reported_and_costs_nothing(build, capsys):
    env = build(factory=RottenClose)
    env.reset()
    env.close()
    assert capsys.readouterr().err.splitlines() == [
        f"counting, environment {i}: closing it failed: RuntimeError: cannot close" for i in range(2)
    ]


def test_a_run_whose_environments_cannot_be_closed_is_done(tmp_path):
    flags = ["--env", f"{HERE}:RottenClose", "--num-envs", "2", "--frames", "400", "--run", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "agents.a2c", *flags, "--device", "cpu"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr and "closing it failed" in done.stderr


def test_a_picture_that_cannot_be_drawn_names_its_environment(build):
    class Smeared(Counting):
        def render(self):
            raise ValueError("no paint")

    env = build(factory=Smeared, evaluation=True)
    env.reset()
    with pytest.raises(EnvironmentFailure, match="^counting, environment 1: ValueError: no paint"):
        env.picture(1)

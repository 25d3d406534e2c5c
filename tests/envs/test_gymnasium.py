"""What `GymnasiumEnv` makes of ids, factories and failures; what it plays is in `conformance`."""

import sys
import time
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from envs import EnvConfig
from envs.api import EnvironmentFailure
from envs.gymnasium import GymnasiumEnv
from tests.envs.conformance.cases import read
from tests.envs.conformance.counting import Counting

COUNTING = "tests.envs.conformance.counting"


@pytest.fixture
def build():
    """Builds a GymnasiumEnv; all are closed at the end."""
    made = []

    def build(name="counting", factory=None, *, seed=3, evaluation=False, **config):
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


# Ids


def test_cartpole_is_played_by_its_own_batch_and_acrobot_one_by_one(build):
    assert not isinstance(build("CartPole-v1")._batch, SyncVectorEnv)
    env = build("Acrobot-v1")
    assert isinstance(env._batch, SyncVectorEnv)
    assert (env.obs_shape, env.num_actions, env.frames_per_second) == ((6,), 3, 15.0)


@pytest.mark.parametrize(("name", "limit"), [("CartPole-v1", 500), ("CartPole-v0", 200)])
@pytest.mark.filterwarnings("ignore:.*out of date")
def test_cartpole_played_well_is_cut_at_its_limit(build, name, limit):
    env = build(name, num_envs=4)
    row, count = env.reset(), 0
    while not (row.terminated | row.truncated).any():
        x, speed, angle, turn = row.obs.T
        row = env.step((angle + 0.5 * turn + 0.05 * x + 0.1 * speed > 0).long())
        count += 1
    assert count == limit and row.truncated.all() and not row.terminated.any() and row.valid.all()
    (row,) = steps(env, 1)
    assert row.is_first.all() and not row.valid.any()


def test_cartpoles_own_batch_is_cartpole(build):
    """The same states, rewards and ends as one environment by itself, from the same first state."""
    env, one = build("CartPole-v1", num_envs=3), gymnasium.make("CartPole-v1")
    generator = np.random.default_rng(0)
    one.reset(seed=0)
    row, begun = env.reset(), 0
    for _ in range(150):
        if row.is_first[1]:
            one.reset()
            one.unwrapped.state = env._batch.state[:, 1].copy()
            begun += 1
        action = int(generator.integers(2))
        row = env.step(torch.tensor([0, action, 1]))
        if row.valid[1]:
            obs, reward, terminated, truncated, _ = one.step(action)
            np.testing.assert_allclose(row.obs[1], obs, atol=1e-5)
            assert (row.reward[1], row.terminated[1], row.truncated[1]) == (reward, terminated, truncated)
    assert begun > 3


def test_an_id_that_a_module_registers(build):
    env = build("envs.minilab.gym:minilab/seekavoid_arena_01-v0", height=24, width=32)
    assert env.obs_shape == (24, 32, 3) and env.reset().obs.shape == (2, 24, 32, 3)


@pytest.mark.parametrize("evaluation", [False, True])
def test_minilab_draws_from_the_pool_that_is_meant(build, evaluation):
    env = build("minilab/seekavoid_arena_01-v0", evaluation=evaluation)
    assert env._batch._batch.env._pool == ("evaluation" if evaluation else "training")


def test_an_own_batch_of_something_else_is_not_taken(build, register):
    """As ALE's: small stacked greys under an id whose single environment shows colours."""
    made = []

    def other(num_envs, **kwargs):
        made.append(SyncVectorEnv([Counting] * num_envs))
        return made[-1]

    def undeclared(num_envs, **kwargs):
        made.append(SyncVectorEnv([partial(Counting, pictures=True)] * num_envs))
        del made[-1].metadata["autoreset_mode"]
        return made[-1]

    with pytest.warns(UserWarning, match="AutoresetMode metadata"):
        for i, vector in enumerate((other, undeclared)):
            register(f"Own-v{i}", partial(Counting, pictures=True), vector_entry_point=vector)
            env = build(f"Own-v{i}")
            assert env.obs_shape == (4, 6, 3) and env._batch is not made[-1] and made[-1].closed


def test_an_unknown_id_names_its_neighbours(build):
    with pytest.raises(ValueError, match=r"unknown environment of gymnasium 'CartPole-v7'. Did you mean CartPole-v1"):
        build("CartPole-v7")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_such_module:Env-v0", "no_such_module:Env-v0 cannot be made: No module named 'no_such_module'"),
        ("no_such_module:make", "No module named 'no_such_module'"),
        (f"{COUNTING}:same_stap", "'same_stap'. Did you mean same_step"),
        (f"{COUNTING}:ACTIONS", "unknown function"),
        ("Gone-v0", "Gone-v0 cannot be made: No module named 'no_such_module'"),
        ("Bare-v0", "Bare-v0 cannot be made: pip install it"),
        ("ALE/Pong-v5", 'pip install "gymnasium[atari]"'),
        ("builtins:dict", "builtins:dict made a dict, which is no gymnasium Env"),
    ],
)
def test_what_is_missing_is_said_in_one_line(build, register, monkeypatch, name, says):
    def bare():
        raise DependencyNotInstalled("pip install\nit")

    monkeypatch.setitem(sys.modules, "ale_py", None)
    register("Gone-v0", "no_such_module:Env")
    register("Bare-v0", bare)
    with pytest.raises(ValueError) as caught:
        build(name)
    assert says in str(caught.value) and "\n" not in str(caught.value)


# Factories


def test_a_factory_of_one_is_called_for_each_and_a_class_is_a_factory(build):
    assert len(build(factory=Counting, num_envs=3)._batch.envs) == 3
    assert build(f"{COUNTING}:Counting").obs_shape == (3,)
    assert build(factory=partial(Counting, pictures=True)).obs_shape == (4, 6, 3)


def test_a_factory_with_num_envs_makes_the_batch(build):
    made = []

    def factory(num_envs):
        made.append(AsyncVectorEnv([Counting] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP))
        return made[-1]

    env = build(factory=factory)
    assert env._batch is made[0]
    first = read(env.reset().obs).identity
    assert len(set(first.tolist())) == 2  # each has a seed of its own
    assert torch.equal(read(build(factory=factory).reset().obs).identity, first)


def test_the_factory_of_the_documentation_runs(build, tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "gymnasium.md").read_text()
    (tmp_path / "my_envs.py").write_text(text.split("```python\n")[1].split("```")[0])
    monkeypatch.syspath_prepend(tmp_path)
    env = build("my_envs:make_env", evaluation=True)
    env.reset()
    rows = steps(env, 400)
    assert all(row.reward.eq(-0.1).all() for row in rows)
    assert not any(row.truncated.any() for row in rows[:-1]) and rows[-1].truncated.all()
    assert env._batch.render_mode == "rgb_array"


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("evaluation", [False, True])
def test_a_factory_is_told_what_it_asks_for(build, batched, evaluation):
    told = []

    def one(evaluation, render_mode=None, other=1):
        told.append((evaluation, render_mode, other))
        return Counting(render_mode=render_mode)

    def many(num_envs, evaluation, render_mode=None):
        return SyncVectorEnv([partial(one, evaluation, render_mode)] * num_envs)

    build(factory=many if batched else one, evaluation=evaluation)
    assert told == [(evaluation, "rgb_array" if evaluation else None, 1)] * 2


@pytest.mark.parametrize(
    ("mode", "says"),
    [(None, "metadata['autoreset_mode'] is None"), ("Sometimes", "'Sometimes'")],
)
def test_a_batch_must_say_how_its_episodes_begin_anew(build, mode, says):
    batches = []

    def factory(num_envs):
        batches.append(SyncVectorEnv([Counting] * num_envs))
        batches[-1].metadata = {"autoreset_mode": mode}
        return batches[-1]

    with pytest.raises(ValueError) as caught:
        build(factory=factory)
    assert says in str(caught.value) and "AutoresetMode.NEXT_STEP" in str(caught.value) and batches[0].closed


def test_a_batch_of_another_size_is_refused(build):
    with pytest.raises(ValueError, match="asked for 2 environments and made 3"):
        build(factory=lambda num_envs: SyncVectorEnv([Counting] * 3))


def test_a_batch_that_is_none_is_refused(build):
    with pytest.raises(ValueError, match="made a Counting, which is no gymnasium VectorEnv"):
        build(factory=lambda num_envs: Counting())


def test_same_step_without_last_observations_is_played(build):
    """A user's own batch may not tell them."""

    class Silent(gymnasium.vector.VectorWrapper):
        def step(self, actions):
            return (*self.env.step(actions)[:4], {})

    mode = AutoresetMode.SAME_STEP
    env = build(factory=lambda num_envs: Silent(SyncVectorEnv([Counting] * num_envs, autoreset_mode=mode)))
    env.reset()
    rows = steps(env, 20)
    assert any(row.is_first.any() for row in rows) and all(row.final_obs is None for row in rows)


def test_what_a_batch_says_of_dead_rows_is_not_listened_to(build):
    """Nothing happened there, whatever a user's own batch makes of it."""

    class Talkative(gymnasium.vector.VectorWrapper):
        over = np.zeros(2, np.bool_)

        def step(self, actions):
            obs, reward, terminated, truncated, info = self.env.step(actions)
            dead, self.over = self.over, terminated | truncated
            return obs, reward + 5.0 * dead, terminated | dead, truncated | dead, info

    env = build(factory=lambda num_envs: Talkative(SyncVectorEnv([Counting] * num_envs)))
    env.reset()
    dead = [row for row in steps(env, 30) if not row.valid.all()]
    assert len(dead) > 4
    for row in dead:
        assert not (row.reward[~row.valid].any() or (row.terminated | row.truncated)[~row.valid].any())
        assert row.is_first[~row.valid].all()


# Actions, observations, seeds


def test_continuous_actions_are_made_discrete_where_the_environment_can(build, register):
    register("Slider-v0", Slider)
    env = build("Slider-v0")
    assert env.num_actions == 5
    env.reset()
    assert env.step(torch.tensor([4, 1])).reward.tolist() == [4.0, 1.0]


def test_what_has_discrete_actions_is_made_as_it_is(build, register):
    made = []

    class Smooth(Slider):
        """Means something else by `continuous`."""

        def __init__(self, continuous=True):
            made.append(continuous)
            self.action_space = Discrete(2)

    register("Smooth-v0", Smooth)
    build("Smooth-v0")
    assert made and all(made)


def test_continuous_actions_are_refused_where_it_cannot(build):
    for name in ("Pendulum-v1", "MountainCarContinuous-v0"):
        with pytest.raises(ValueError, match=rf"^{name}: actions are Box.* must be discrete"):
            build(name)


def test_combined_actions_reach_the_environment(build):
    env = build(factory=Levers)
    env.reset()
    assert env.num_actions == 6
    paid = [env.step(torch.tensor([a, 5 - a])).reward.tolist() for a in range(6)]
    assert [a for a, _ in paid] == [0.0, 1.0, 10.0, 11.0, 20.0, 21.0] == [b for _, b in reversed(paid)]


def test_spaces_that_cannot_be_used_name_the_environment_and_close_it(build, register):
    made = []

    class Speaking(Slider):
        observation_space = gymnasium.spaces.Text(8)

        def __init__(self):
            made.append(self)
            self.action_space, self.closed = Discrete(2), False

        def close(self):
            self.closed = True

    with pytest.raises(ValueError, match="^counting: observations of Text"):
        build(factory=Speaking)
    assert made and all(env.closed for env in made)


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

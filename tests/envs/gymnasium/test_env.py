"""What `GymnasiumEnv` makes of ids, factories and failures; what it plays is in `conformance`."""

import sys
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Discrete
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from tests.envs.conformance.cases import read
from tests.envs.conformance.counting import Counting
from tests.envs.gymnasium.toys import Levers, Slider, steps

COUNTING = "tests.envs.conformance.counting"


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
            env = build(f"Own-v{i}", observation="picture")
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
    assert build(factory=partial(Counting, pictures=True), observation="picture").obs_shape == (4, 6, 3)


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
    text = (Path(__file__).parents[3] / "docs" / "gymnasium.md").read_text()
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

import io

import numpy as np
import pytest
import torch

from envs import LEVELS, EnvConfig, make
from envs.api import EnvStep
from envs.minilab.env import MinilabEnv
from envs.minilab.state import named_arrays

every_level = pytest.mark.parametrize("name", LEVELS)


def make_env(
    num_envs=4, seed=0, *, name="rooms_watermaze", threads=1, evaluation=False, height=24, width=32
) -> MinilabEnv:
    config = EnvConfig(name=name, num_envs=num_envs, height=height, width=width, env_threads=threads)
    env = make(config, seed, evaluation=evaluation)
    assert isinstance(env, MinilabEnv)
    return env


def near_the_end(env: MinilabEnv, steps: int) -> None:
    """The episode of environment i ends after `steps` + i agent steps."""
    env.state.body.frame[:] = 4 * (LEVELS[env.name].agent_steps - steps - np.arange(env.num_envs))


def play(
    env: MinilabEnv, steps: int, seed: int = 0, rows: slice | list[int] = slice(None), of: int = 4
) -> list[EnvStep]:
    """Random actions, the same for environment i in every call; copies of the rows wanted."""
    generator = torch.Generator().manual_seed(seed)
    actions = torch.randint(9, (steps, of), generator=generator)  # [T, B]
    rows_of_steps = (env.step(action[rows].contiguous()) for action in actions)
    return [EnvStep(*(field.clone() for field in step if field is not None)) for step in rows_of_steps]


def same(one: list[EnvStep], other: list[EnvStep], rows: slice | list[int] = slice(None)) -> bool:
    return all(
        torch.equal(a[rows], b) for x, y in zip(one, other, strict=True) for a, b in zip(x[:6], y[:6], strict=True)
    )


def test_shapes_types_and_flags():
    env = make_env(3)
    step = env.reset()
    assert step.obs.shape == (3, 24, 32, 3) and step.obs.dtype == torch.uint8 and step.obs.is_contiguous()
    assert step.reward.shape == (3,) and step.reward.dtype == torch.float32
    for flag in (step.terminated, step.truncated, step.is_first, step.valid):
        assert flag.shape == (3,) and flag.dtype == torch.bool
    assert step.is_first.all() and step.valid.all() and not (step.terminated | step.truncated).any()
    assert (step.reward == 0).all()
    step = env.step(torch.zeros(3, dtype=torch.int64))
    assert step.valid.all() and not step.is_first.any()
    assert (env.num_actions, env.action_repeat, env.backend, env.obs_shape) == (9, 4, "minilab", (24, 32, 3))


@every_level
@pytest.mark.parametrize("size", [(24, 24), (72, 96), (84, 84), (256, 24), (256, 256)])
def test_any_even_size_is_drawn_to_its_edges(name, size):
    height, width = size
    env = make_env(2, name=name, height=height, width=width)
    env.outputs.obs[:] = 0
    first = env.reset().obs.clone()
    assert first.shape == (2, height, width, 3)
    env.outputs.obs[:] = 255
    env.runner.draw(0, 2)
    assert torch.equal(torch.from_numpy(env.outputs.obs), first)  # nothing is left as it was before


@every_level
def test_the_same_seed_plays_the_same_and_another_seed_differs(name):
    envs = [make_env(name=name, **other) for other in ({}, {}, {"seed": 1}, {"evaluation": True})]
    firsts = [env.reset().obs.clone() for env in envs]
    assert torch.equal(firsts[0], firsts[1])
    assert not torch.equal(firsts[0], firsts[2])
    assert not torch.equal(firsts[0], firsts[3])
    assert same(play(envs[0], 50), play(envs[1], 50))


@every_level
def test_nothing_depends_on_batch_size(name):
    large, small = make_env(4, name=name), make_env(2, name=name)
    for env in (large, small):
        env.reset()
        near_the_end(env, 10)
    assert same(play(large, 40), play(small, 40, rows=slice(2)), rows=slice(2))


@every_level
def test_nothing_depends_on_threads(name):
    one, three = make_env(4, name=name), make_env(4, name=name, threads=3)
    for env in (one, three):
        env.reset()
        near_the_end(env, 10)
    assert same(play(one, 40), play(three, 40))
    three.close()
    three.close()


@every_level
def test_nothing_depends_on_the_position_in_the_batch(name):
    order = [2, 0, 3, 1]
    straight, shuffled = make_env(name=name), make_env(name=name)
    shuffled.state.streams.environment[:] = order
    for env in (straight, shuffled):
        env.reset()
    straight.state.body.frame[:] = shuffled.state.body.frame[:] = 4 * LEVELS[name].agent_steps - 40
    assert same(play(straight, 40), play(shuffled, 40, rows=order), rows=order)


@every_level
def test_each_reset_begins_the_next_episode(name):
    env, other = make_env(name=name), make_env(name=name)
    first = env.reset().obs.clone()
    second = env.reset().obs.clone()
    assert not torch.equal(first, second)
    other.reset()
    other.state.body.frame[:] = 4 * LEVELS[name].agent_steps - 4
    assert torch.equal(other.step(torch.zeros(4, dtype=torch.int64)).obs, second)  # autoreset leads to the same one


def test_a_saved_environment_continues_bit_for_bit():
    env = make_env()
    env.reset()
    near_the_end(env, 60)
    env.state.trial.platform_x[0], env.state.trial.platform_y[0] = env.state.body.x[0], env.state.body.y[0]  # held
    play(env, 20)
    file = io.BytesIO()
    torch.save(env.state_dict(), file)
    expected = play(env, 100, seed=1)
    assert sum(step.reward.sum() for step in expected) > 0 and any(step.is_first.any() for step in expected)

    file.seek(0)
    copy = make_env(seed=99)
    copy.reset()
    copy.load_state_dict(torch.load(file, weights_only=True))
    assert same(expected, play(copy, 100, seed=1))


@every_level
def test_loading_shows_the_saved_picture_and_goes_on_from_there(name):
    env, copy = make_env(name=name), make_env(name=name, seed=1)
    env.reset()
    near_the_end(env, 90)
    play(env, 70)
    copy.reset()
    copy.load_state_dict(env.state_dict())
    assert np.array_equal(copy.outputs.obs, env.outputs.obs)
    assert same(play(env, 40, seed=2), play(copy, 40, seed=2))


@every_level
def test_without_autoreset_the_last_frame_is_shown_until_the_reset_of_one(name):
    env, other = make_env(name=name), make_env(name=name)
    for each in (env, other):
        each.reset()
        near_the_end(each, 3)
    actions = torch.zeros(4, dtype=torch.int64)
    for _ in range(3):
        before = env.poses()[0]
        last, autoreset = env.step(actions, autoreset=False), other.step(actions)
    assert last.truncated.tolist() == autoreset.truncated.tolist() == [True, False, False, False]
    assert not last.is_first.any() and autoreset.is_first[0]
    assert np.hypot(*(env.poses()[0] - before)[:2]) < 25  # still there
    assert not torch.equal(last.obs[0], autoreset.obs[0]) and torch.equal(last.obs[1:], autoreset.obs[1:])
    first = env.reset_one(0)
    assert torch.equal(first.obs, autoreset.obs) and first.is_first[0] and not first.is_first[1:].any()
    assert not first.truncated.any() and not first.terminated.any()


def test_a_saved_state_is_a_copy_of_everything():
    env = make_env()
    env.reset()
    state = env.state_dict()
    assert set(state["arrays"]) == set(named_arrays(env.state))
    before = {name: tensor.clone() for name, tensor in state["arrays"].items()}
    play(env, 5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state["arrays"].items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "name 'other'.*'rooms_watermaze'"),
        ({"num_envs": 5}, "num_envs 5.*4"),
        ({"pool": "evaluation"}, "pool 'evaluation'.*'training'"),
        ({"obs_shape": [72, 96, 3]}, r"obs_shape \[72, 96, 3\].*\[24, 32, 3\]"),
    ],
)
def test_a_state_of_another_environment_is_refused(change, message):
    env = make_env()
    with pytest.raises(ValueError, match=message):
        env.load_state_dict(env.state_dict() | change)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (torch.zeros(3, dtype=torch.int64), r"int64 \[3\] on cpu; they must be int64 \[4\] on cpu"),
        (torch.zeros(4, dtype=torch.int32), r"int32 \[4\] on cpu; they must be"),
        (torch.tensor([0, 1, 2, 9]), r"\[0, 9\]; allowed: \[0, 8\]"),
        (torch.tensor([0, -1, 2, 3]), r"\[-1, 3\]; allowed: \[0, 8\]"),
    ],
)
def test_actions_out_of_order_are_refused(actions, message):
    env = make_env()
    env.reset()
    with pytest.raises(ValueError, match=message):
        env.step(actions)


def test_place_and_poses_speak_the_same_units():
    env = make_env()
    env.reset()
    for _ in range(5):
        env.step(torch.zeros(4, dtype=torch.int64))
    before = env.poses()
    frames = env.outputs.obs.copy()
    env.place(1, 100, -200, 270)
    after = env.poses()
    assert after.shape == (4, 3) and after.dtype == np.float32
    assert after[1] == pytest.approx([100, -200, -90])
    changed = [i for i in range(4) if not np.array_equal(frames[i], env.outputs.obs[i])]
    assert changed == [1]
    assert np.array_equal(before[[0, 2, 3]], after[[0, 2, 3]])
    env.step(torch.full((4,), 8))
    assert env.poses()[1] == pytest.approx([100, -200, -90])  # at rest, while the others coast
    assert np.abs(env.poses()[0] - after[0]).max() > 1


def test_no_environment_beyond_the_batch_is_touched():
    env = make_env()
    env.reset()
    for i in (-1, 4):
        with pytest.raises(ValueError, match=f"environment {i}; allowed: 0 to 3"):
            env.reset_one(i)
        with pytest.raises(ValueError, match=f"environment {i}; allowed: 0 to 3"):
            env.place(i, 0, 0, 0)
    with pytest.raises(ValueError, match="must be finite"):
        env.place(0, float("nan"), 0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"name": "room_watermaze"}, "Did you mean rooms_watermaze"), ({"height": 6}, "height"), ({"width": 33}, "width"),
     ({"threads": 0}, "env_threads"), ({"num_envs": 0}, "num_envs")],
)  # fmt: skip
def test_what_cannot_be_made_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MinilabEnv(**({"name": "rooms_watermaze", "num_envs": 2} | options))


def test_a_state_of_another_version_or_layout_is_refused_before_anything_changes():
    one, other = (
        MinilabEnv("explore_goal_locations_small", 2, 24, 24, layout=f"{wall}\n*P{gap}G*\n{wall}")
        for wall, gap in (("*****", " "), ("******", "  "))
    )
    for env in (one, other):
        env.reset()
    with pytest.raises(ValueError, match="scene"):
        one.load_state_dict(other.state_dict())
    before = one.state_dict()
    for change, message in (
        ({"body.x": None}, r"differ in \['body.x'\]"),
        ({"body.x": torch.zeros(1)}, r"body.x as torch.float32 \[1\], this one as torch.float32 \[2\]"),
        ({"body.x": torch.zeros(2, dtype=torch.float64)}, "body.x as torch.float64"),
    ):
        arrays = {name: tensor for name, tensor in (before["arrays"] | change).items() if tensor is not None}
        with pytest.raises(ValueError, match=message):
            one.load_state_dict(before | {"arrays": arrays | {"body.frame": arrays["body.frame"] + 4}})
        assert all(torch.equal(one.state_dict()["arrays"][name], tensor) for name, tensor in before["arrays"].items())

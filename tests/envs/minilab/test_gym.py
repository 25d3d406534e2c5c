import subprocess
import sys
import warnings
from importlib.util import find_spec

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import RecordEpisodeStatistics
from gymnasium.wrappers.vector import RecordEpisodeStatistics as RecordVectorStatistics

import envs
import envs.minilab.gym  # registers the levels
from envs import LEVELS, EnvConfig
from envs.minilab.env import MinilabEnv

WATERMAZE = "minilab/rooms_watermaze-v0"
SMALL = {"height": 24, "width": 32}


def make(level="rooms_watermaze", **kwargs):
    return gymnasium.make(f"minilab/{level}-v0", **{**SMALL, **kwargs})


def make_vector(num_envs=3, level="rooms_watermaze", **kwargs):
    mode = {"vectorization_mode": "vector_entry_point"}
    return gymnasium.make_vec(f"minilab/{level}-v0", num_envs, **{**mode, **SMALL, **kwargs})


def set_frame(env, frame):
    env.unwrapped._batch.env.state.body.frame[:] = frame


def test_registering_does_not_import_the_engine():
    code = (
        "import sys, gymnasium, envs.minilab.gym; "
        "print('numba' in sys.modules, *(id for id in gymnasium.registry if id.startswith('minilab/')))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["False", *(f"minilab/{level}-v0" for level in LEVELS)]


@pytest.mark.parametrize("level", LEVELS)
def test_gymnasiums_checker_has_nothing_to_say(level):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(f"minilab/{level}-v0", render_mode="rgb_array").unwrapped
        check_env(env)
    assert env.observation_space == gymnasium.spaces.Box(0, 255, (72, 96, 3), np.uint8)
    assert env.action_space == gymnasium.spaces.Discrete(9)


@pytest.mark.parametrize("level", LEVELS)
def test_the_batch_plays_what_single_environments_play(level):
    same_step = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}}
    batch, singles = make_vector(level=level, threads=2), make_vector(level=level, **same_step)
    assert batch.metadata["autoreset_mode"] == singles.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    assert batch.observation_space == singles.observation_space and batch.action_space == singles.action_space
    assert data_equivalence(batch.reset(seed=7), singles.reset(seed=7), exact=True)
    frames = 4 * (LEVELS[level].agent_steps - np.array([12, 3, 3]))  # two end together, one later, and then again
    set_frame(batch, frames)
    for single, frame in zip(singles.envs, frames, strict=True):
        set_frame(single, frame)
    actions = np.random.default_rng(0).integers(9, size=(30, 3))
    ends = 0
    for action in actions:
        rows = batch.step(action), singles.step(action)
        assert data_equivalence(*rows, exact=True)
        ends += int((rows[0][2] | rows[0][3]).sum())
    assert ends >= 3
    assert data_equivalence(batch.reset(), singles.reset(), exact=True)
    batch.close()


def test_the_end_of_an_episode_is_told_as_gymnasium_wants_it():
    batch = make_vector(2)
    batch.reset(seed=0)
    set_frame(batch, [7200 - 4, 0])
    obs, _, _, truncated, infos = batch.step(np.array([0, 0]))
    assert truncated.tolist() == [True, False]
    assert infos["_final_obs"].tolist() == [True, False] and infos["_final_info"].tolist() == [True, False]
    assert infos["final_obs"].dtype == object and infos["final_obs"][1] is None
    assert infos["final_obs"][0].shape == (24, 32, 3) and not np.array_equal(infos["final_obs"][0], obs[0])
    assert infos["final_info"]["frames"].tolist() == [7200, 0] and infos["frames"].tolist() == [0, 4]
    assert np.abs(infos["pose"][0] - infos["final_info"]["pose"][0]).max() > 1
    assert "final_obs" not in batch.step(np.array([0, 0]))[4]


@pytest.mark.parametrize("level", ["lasertag_three_opponents_small", "rooms_keys_doors_puzzle", "seekavoid_arena_01"])
def test_info_tells_what_the_level_counts(level):
    env, batch = make(level), make_vector(2, level)
    names = env.unwrapped._batch.env.episode_info
    assert names and [env.reset(seed=0)[1][name] for name in names] == [0.0] * len(names)
    batch.reset(seed=0)
    last = 4 * (LEVELS[level].agent_steps - 1)
    set_frame(env, last)
    set_frame(batch, [last, 0])
    for each in (env, batch):
        each.unwrapped._batch.env.state.counts.running[0, :, 0] = (3, 5, 7)[: len(names)]
    *_, truncated, info = env.step(0)
    assert truncated and [info[name] for name in names] == [3, 5, 7][: len(names)]
    *_, truncated, infos = batch.step(np.array([0, 0]))
    assert truncated.tolist() == [True, False]
    assert [infos["final_info"][name].tolist() for name in names] == [[n, 0] for n in (3, 5, 7)][: len(names)]
    assert [infos[name].tolist() for name in names] == [[0, 0]] * len(names)  # of the episode that has begun


def test_steps_to_a_find_are_told_where_there_was_one():
    env, batch = make(), make_vector(2)
    env.reset(seed=0)
    batch.reset(seed=0)
    for each in (env, batch):
        each.unwrapped._batch.env.state.counts.running[0, :3] = [[1, 1], [2, 1], [30, 1]]  # found within 30 steps
    info, infos = env.step(0)[4], batch.step(np.array([0, 0]))[4]
    assert (info["success"], info["finds"], info["first_find_steps"]) == (1, 2, 30) and "later_find_steps" not in info
    assert infos["first_find_steps"].tolist() == [30, 0] and infos["_first_find_steps"].tolist() == [True, False]
    assert infos["finds"].tolist() == [2, 0] and infos["_finds"].all() and "later_find_steps" not in infos


def test_the_agent_logs_what_a_level_counts_through_gymnasium_too():
    names = ("finds", "first_find_steps")
    config = EnvConfig(name="gymnasium/minilab/rooms_watermaze-v0", num_envs=2, episode_info=names)
    env = envs.make(config, seed=0)
    env.reset()
    inner = env._batch.unwrapped._batch.env.state
    inner.body.frame[0], inner.counts.running[0, 1, 0] = 7200 - 4, 6
    step = env.step(torch.zeros(2, dtype=torch.int64))
    assert step.truncated.tolist() == [True, False]
    assert step.info[0].tolist() == [[6, 1], [0, 0]]
    env.close()


def test_the_last_observation_is_the_true_one():
    env, other = make(), make()
    for each in (env, other):
        each.reset(seed=3)
    set_frame(env, 7200 - 4)
    last, _, terminated, truncated, info = env.step(4)
    assert (terminated, truncated, info["frames"]) == (False, True, 7200)
    assert np.array_equal(last, other.step(4)[0])  # nothing in the picture tells the time


def test_seeds_choose_episodes_and_no_seed_goes_on():
    env, other = make(), make()
    first, second = env.reset(seed=3)[0], env.reset()[0]
    assert not np.array_equal(first, second)
    other.reset(seed=9)
    assert np.array_equal(other.reset(seed=3)[0], first)
    assert np.array_equal(other.reset()[0], second)


def test_seed_s_is_environment_s_of_the_engines_seed_0():
    engine = MinilabEnv("rooms_watermaze", 4, **SMALL, seed=0)
    assert np.array_equal(make().reset(seed=2)[0], engine.reset().obs[2])


def test_without_any_seed_episodes_are_random():
    frames = [make().reset()[0] for _ in range(2)]
    assert not np.array_equal(*frames)
    obs, _ = make_vector(2).reset()
    assert not np.array_equal(*obs)


@pytest.mark.parametrize(("seed", "num_envs"), [(2**32, 1), (2**32 - 1, 2)])
def test_seeds_that_would_repeat_others_are_refused(seed, num_envs):
    with pytest.raises(ValueError, match=rf"seed is {seed}; it must lie in \[0, 2\*\*32 - {num_envs}\]"):
        make_vector(num_envs).reset(seed=seed)
    make_vector(num_envs).reset(seed=2**32 - num_envs)


def test_evaluation_plays_other_episodes():
    assert not np.array_equal(make().reset(seed=3)[0], make(evaluation=True).reset(seed=3)[0])
    assert not np.array_equal(make_vector().reset(seed=3)[0], make_vector(evaluation=True).reset(seed=3)[0])


@pytest.mark.parametrize("level", LEVELS)
def test_large_pictures_show_the_same_and_change_nothing(level):
    env, other = make(level, render_mode="rgb_array", height=72, width=96), make(level, height=72, width=96)
    obs, _ = env.reset(seed=1)
    other.reset(seed=1)
    picture = env.render()
    assert picture.shape == (288, 384, 3) and picture.dtype == np.uint8
    blocks = picture.reshape(72, 4, 96, 4, 3).mean((1, 3))
    error = np.abs(blocks - obs).mean()
    assert all(error < np.abs(np.roll(blocks, 1, axis) - obs).mean() for axis in (0, 1))
    assert np.array_equal(env.step(6)[0], other.step(6)[0])
    assert not np.array_equal(env.render(), picture)
    assert other.unwrapped.render() is None


def test_the_look_is_the_one_asked_for():
    looks = ["drawn"] + ["labmaze"] * (find_spec("labmaze") is not None)
    for look in looks:
        config = EnvConfig(name="rooms_watermaze", num_envs=1, textures=look)
        expected = envs.make(config, seed=0).reset().obs[0].numpy()
        single = gymnasium.make(WATERMAZE, textures=look).reset(seed=0)[0]
        batch = gymnasium.make_vec(WATERMAZE, textures=look).reset(seed=0)[0][0]
        assert (single == expected).all() and (batch == expected).all()
    with pytest.raises(ValueError, match="textures"):
        gymnasium.make(WATERMAZE, textures="painted")


def test_episodes_are_randomised_as_the_engines_are():
    level, look = "seekavoid_arena_01", {"randomise": 1.0, "randomise_parts": ("surfaces", "field")}
    expected = MinilabEnv(level, 1, 24, 32, **look).reset().obs[0].numpy()
    single = make(level, render_mode="rgb_array", **look)
    batch = make_vector(2, level, **look)
    obs = single.reset(seed=0)[0]
    assert (obs == expected).all() and (batch.reset(seed=0)[0][0] == expected).all()
    assert (obs != make(level).reset(seed=0)[0]).mean() > 0.5
    assert np.abs(single.render().reshape(24, 4, 32, 4, 3).mean((1, 3)) - obs).mean() < 15
    with pytest.raises(ValueError, match="randomise"):
        make(randomise=2)


def test_a_batch_renders_each_environment():
    batch = make_vector(2, render_mode="rgb_array")
    obs, _ = batch.reset(seed=1)
    pictures = batch.render()
    assert [picture.shape for picture in pictures] == [(96, 128, 3)] * 2
    for picture, frame in zip(pictures, obs, strict=True):
        assert np.abs(picture.reshape(24, 4, 32, 4, 3).mean((1, 3)) - frame).mean() < 15
    assert make_vector(2).render() is None


def test_what_a_batch_returns_stays_as_it_was():
    batch = make_vector()
    kept = [*batch.reset(seed=0), *batch.step(np.full(3, 6))]
    arrays = [value for item in kept for value in (item.values() if isinstance(item, dict) else [item])]
    before = [array.copy() for array in arrays]
    batch.step(np.full(3, 6))
    assert all(np.array_equal(*pair) for pair in zip(arrays, before, strict=True))


def test_wrappers_that_count_and_limit_work():
    single = RecordEpisodeStatistics(make(max_episode_steps=5))
    single.reset(seed=0)
    rows = [single.step(8) for _ in range(5)]
    assert [row[3] for row in rows] == [False] * 4 + [True] and rows[-1][4]["episode"]["l"] == 5

    batch = RecordVectorStatistics(make_vector(2))
    batch.reset(seed=0)
    set_frame(batch, [7200 - 8, 0])
    batch.step(np.array([8, 8]))
    infos = batch.step(np.array([8, 8]))[4]
    assert infos["_episode"].tolist() == [True, False] and infos["episode"]["l"][0] == 2


def test_stable_baselines_trains_on_it(tmp_path, monkeypatch):
    stable_baselines3 = pytest.importorskip("stable_baselines3")
    monkeypatch.setenv("SB3_LOGDIR", str(tmp_path))
    agent = stable_baselines3.A2C("CnnPolicy", WATERMAZE, n_steps=16, seed=0)
    before = [parameter.clone() for parameter in agent.policy.parameters()]
    agent.learn(128)
    assert agent.num_timesteps == 128
    assert any((now != then).any() for now, then in zip(agent.policy.parameters(), before, strict=True))

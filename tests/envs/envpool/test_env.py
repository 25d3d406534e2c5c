"""The envpool back end keeps the contract; envpool itself is the oracle. Rewards are in test_envpool_rewards.py."""

import sys
from itertools import pairwise

import envpool
import numpy as np
import pytest
import torch

import envs.envpool.env
from envs.api import EnvironmentFailure
from envs.config import EnvConfig
from envs.envpool import EnvpoolEnv, supported_ids
from envs.envpool.presets import ATARI_OPTIONS, NOT_PLAYED, SCENARIOS
from tests.envs.envpool.raw import beside, make, play, random_actions


def test_all_of_vizdoom_and_atari_is_played_or_said_not_to_be():
    specs = envpool.registration.registry.specs
    doom = {name for name, (family, _, _) in specs.items() if family == "envpool.vizdoom"}
    atari = {name for name, (family, _, _) in specs.items() if family == "envpool.atari"}
    assert doom == SCENARIOS.keys() | NOT_PLAYED.keys() and not SCENARIOS.keys() & NOT_PLAYED.keys()
    assert len(atari) > 100 and supported_ids() == sorted(SCENARIOS.keys() | atari)


@pytest.mark.parametrize(
    ("name", "shape", "actions", "fps"),
    [
        ("MyWayHome-v1", (72, 96, 3), 18, 35.0),
        ("D3Battle-v1", (72, 96, 3), 108, 35.0),  # grey by its own configuration
        ("Pong-v5", (84, 84, 4), 6, 60.0),
        ("Breakout-v5", (84, 84, 4), 4, 60.0),
    ],
)
def test_what_it_says_of_itself(name, shape, actions, fps):
    env = make(f"envpool/{name}", default_size=True)
    assert (env.name, env.backend, env.num_envs, env.action_repeat) == (name, "envpool", 2, 4)
    assert (env.obs_shape, env.num_actions, env.frames_per_second) == (shape, actions, fps)
    assert not env.restores and env.device == torch.device("cpu")
    env.close()
    env = make(name, height=24)
    assert env.obs_shape == (24, 32, shape[2])
    env.close()


@pytest.mark.parametrize("name", ["HealthGathering-v1", "Pong-v5"])
def test_pictures_are_envpools_with_channels_last(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = make(name, height=48, width=64)
    for step, raw in beside(env, random_actions(env, 20), max_episode_steps=525):
        assert step.obs.dtype == torch.uint8 and step.obs.is_contiguous()
        assert np.array_equal(step.obs.numpy(), raw.obs.transpose(0, 2, 3, 1))
    env.close()


def test_doom_is_upright_and_red_green_blue():
    env = make("HealthGathering-v1")
    obs = env.reset().obs.float()
    sky, floor = obs[:, :6].mean((0, 1, 2)), obs[:, -6:].mean((0, 1, 2))  # [3] each
    assert sky[2] > 2 * sky[0] and floor[1] > 2 * floor[0] and floor[1] > 2 * floor[2]
    env.close()


def test_atari_stacks_four_greys_and_the_newest_comes_last():
    env = make("Pong-v5")
    rows = list(play(env, random_actions(env, 12)))
    assert all(torch.equal(b.obs[..., :3], a.obs[..., 1:]) for a, b in pairwise(rows))
    assert not torch.equal(rows[-1].obs[..., 3], rows[-1].obs[..., 2])
    env.close()


@pytest.mark.parametrize(("name", "limit", "steps"), [("Basic-v1", 75, 230), ("Pong-v5", 40, 130)])
def test_rows_at_the_end_of_an_episode(name, limit, steps, monkeypatch):
    monkeypatch.setattr(envs.envpool.env, "ATARI_OPTIONS", {**ATARI_OPTIONS, "max_episode_steps": 40})
    env = make(name, num_envs=4)
    over = np.ones(4, bool)
    kinds = set()
    for number, step in enumerate(play(env, random_actions(env, steps))):
        ended = (step.terminated | step.truncated).numpy()
        assert np.array_equal(step.is_first, env.elapsed == 0) and np.array_equal(step.is_first, over)
        assert np.array_equal(step.valid, ~over | (number == 0))
        assert not step.reward[step.is_first].any() and not (step.terminated & step.truncated).any()
        assert np.array_equal(step.truncated, (env.elapsed == limit) & ~step.terminated.numpy())
        kinds |= {"terminated"} if step.terminated.any() else set()
        kinds |= {"truncated"} if step.truncated.any() else set()
        over = ended
    assert kinds == ({"terminated", "truncated"} if name == "Basic-v1" else {"truncated"})
    env.close()


def test_a_reset_in_the_middle_begins_everywhere_with_no_dead_row():
    env = make("Basic-v1", num_envs=4)
    for _ in play(env, random_actions(env, 40)):
        pass
    while not env._over.any():  # one of them is about to begin by itself
        env.step(torch.full((4,), 3))
    step = env.reset()
    assert step.is_first.all() and step.valid.all() and not step.reward.any() and not env.elapsed.any()
    step = env.step(torch.zeros(4, dtype=torch.int64))
    assert not step.is_first.any() and step.valid.all() and (env.elapsed == 1).all()
    env.close()


def test_a_lost_life_ends_nothing_and_a_lost_game_is_terminated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = make("Breakout-v5", num_envs=2)
    actions = random_actions(env, 450)
    lives, lost, length = np.zeros(2), 0, None
    for number, (step, raw) in enumerate(beside(env, actions)):
        assert np.array_equal(step.terminated, raw.done) and not step.truncated.any()
        assert np.array_equal(step.reward, raw.reward)
        lost += int(((raw.info["lives"] < lives) & ~step.terminated.numpy() & step.valid.numpy()).sum())
        lives = raw.info["lives"]
        if length is None and step.terminated[0]:
            length = number
    assert lost >= 4 and length is not None
    env.close()
    # The time limit strikes in the very step that loses the last life: lost all the same.
    monkeypatch.setattr(envs.envpool.env, "ATARI_OPTIONS", {**ATARI_OPTIONS, "max_episode_steps": length})
    env = make("Breakout-v5", num_envs=2)
    *_, last = play(env, actions[:length])
    assert last.terminated[0] and not last.truncated[0]
    env.close()


@pytest.mark.parametrize("name", ["Basic-v1", "Breakout-v5"])
def test_the_same_seed_plays_the_same(name):
    def rows(seed, evaluation=False, threads=1):
        config = EnvConfig(name=name, num_envs=2, env_threads=threads, height=24, width=32)
        env = EnvpoolEnv(config, seed, evaluation=evaluation)
        played = list(play(env, random_actions(env, 90)))
        assert env._pool.config["num_threads"] == threads
        env.close()
        return played

    def same(a, b):
        return all(torch.equal(x, y) for p, q in zip(a, b, strict=True) for x, y in zip(p[:6], q[:6], strict=True))

    first = rows(3)
    assert same(rows(3, threads=2), first)
    assert not same(rows(4), first) and not same(rows(3, evaluation=True), first)
    assert not torch.equal(first[60].obs[0], first[60].obs[1])


def test_training_evaluation_and_resumed_runs_share_no_seeds():
    def seeds(**kwargs):
        return EnvpoolEnv(EnvConfig(name="Pong-v5", num_envs=500), 5, **kwargs)

    training, evaluation, resumed = seeds(), seeds(evaluation=True), seeds()
    resumed.load_state_dict(training.state_dict())
    again = seeds()
    again.load_state_dict(resumed.state_dict())
    pools = [set(env._seeds()) for env in (training, evaluation, resumed, again)]
    assert all(0 <= seed < 2**31 for pool in pools for seed in pool)
    assert len(set.union(*pools)) == 2000
    assert {seed % 2 for seed in pools[0]} == {0} and {seed % 2 for seed in pools[1]} == {1}


def test_a_running_environment_that_loads_a_state_begins_with_new_seeds():
    env = make("Breakout-v5")
    before = [row.obs for row in play(env, random_actions(env, 30))]
    env.load_state_dict(env.state_dict())
    with pytest.raises(ValueError, match="before reset"):
        env.step(torch.zeros(2, dtype=torch.int64))
    after = [row.obs for row in play(env, random_actions(env, 30))]
    assert not torch.equal(torch.stack(before), torch.stack(after))
    env.close()


def test_a_state_of_another_environment_is_refused():
    env = make("Pong-v5")
    state = env.state_dict()
    for key, value in (("name", "Breakout-v5"), ("num_envs", 3), ("obs_shape", [24, 32, 3])):
        with pytest.raises(ValueError, match=f"saved environment has {key}"):
            env.load_state_dict({**state, key: value})
    assert env.state_dict() == state
    env.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MyWayHom-v1", "unknown environment of envpool 'MyWayHom-v1'. Did you mean MyWayHome-v1"),
        ("pong", "Did you mean Pong-v5"),
        ("Ant-v5", "Ant-v5 .mujoco.gym. is not played: .*only ViZDoom and Atari.*gymnasium/Ant-v5"),
        ("CoinrunEasy-v0", "CoinrunEasy-v0 .procgen. is not played"),
        ("PredictPosition-v1", "a hit and a miss end its episodes alike"),
        ("VizdoomCustom-v1", "files of your own"),
    ],
)
def test_names_that_cannot_be_played(name, words):
    with pytest.raises(ValueError, match=words):
        EnvpoolEnv(EnvConfig(name=name, num_envs=1), 0)


def test_seeds_out_of_bounds_are_refused():
    for seed in (-1, 2**63):
        with pytest.raises(ValueError, match=f"seed is {seed}"):
            EnvpoolEnv(EnvConfig(name="Pong-v5"), seed)


def test_without_envpool(monkeypatch):
    monkeypatch.setitem(sys.modules, "envpool", None)
    for call in (supported_ids, lambda: EnvpoolEnv(EnvConfig(name="Pong-v5"), 0)):
        with pytest.raises(ValueError, match=r'pip install "cpc-rl\[envpool\]".*Linux on x86-64.*every Python'):
            call()


def test_wrong_actions_are_refused_and_not_played():
    env = make("Breakout-v5", num_envs=2)
    zeros = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="before reset"):
        env.step(zeros)
    env.reset()
    wrong = [
        (zeros.int(), r"int32 \[2\]"),
        (zeros[:1], r"\[1\]"),
        (zeros[None], r"\[1, 2\]"),
        (zeros - 1, r"\[-1, -1\]"),
    ]
    wrong += [(zeros + torch.tensor([0, 4]), r"\[0, 4\]; allowed: \[0, 3\]")]
    for actions, words in wrong:
        with pytest.raises(ValueError, match=f"actions .*{words}"):
            env.step(actions)
    env.step(zeros)
    assert (env.elapsed == 1).all()
    env.close()


def test_engines_that_cannot_start_are_a_failure_in_one_line():
    env = make("Basic-v1")
    env._options["iwad_path"] = "/no/such/game"
    with pytest.raises(EnvironmentFailure) as caught:
        env.reset()
    assert "Basic-v1" in str(caught.value) and "/no/such/game" in str(caught.value) and "\n" not in str(caught.value)
    env.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "Pong-v5",
            "Pong-v5: observations are read as a picture of 24 x 32, the last 4 frames in grey, the newest last",
        ),
        ("Basic-v1", "Basic-v1: observations are read as a picture of 24 x 32, RGB"),
    ],
)
def test_what_is_shown_is_said(name, says):
    env = make(name)
    assert env.reading == says
    env.close()
    with pytest.raises(ValueError, match="observation is 'vector': envpool shows pictures"):
        envs.make(EnvConfig(name=f"envpool/{name}", observation="vector"), seed=0)

import numpy as np
import pytest
import torch

from cpc_rl.episodes import EpisodeStats, NetworkPolicy, RandomPolicy, at_once, evaluate, interval, ratio_interval
from envs.config import EnvConfig
from tests.toys import CountingEnv, CountingNet, TellingEnv

CPU = torch.device("cpu")


@pytest.mark.parametrize("next_step", [False, True])
@pytest.mark.parametrize("truncate", [False, True])
def test_returns_and_lengths_are_exact_under_both_kinds_of_autoreset(next_step: bool, truncate: bool) -> None:
    env = CountingEnv([3, 7], next_step=next_step, truncate=truncate)
    stats = evaluate(env, RandomPolicy(3, seed=1), episodes=6)
    assert stats.lengths == (3, 3, 3, 7, 7, 7)
    assert stats.returns == tuple(env.returns(i, episode) for i in (0, 1) for episode in range(3))


def test_short_episodes_do_not_crowd_out_long_ones() -> None:
    env = CountingEnv([2, 50])
    stats = evaluate(env, RandomPolicy(3, seed=1), episodes=5)
    assert sorted(stats.lengths) == [2, 2, 2, 50, 50]  # the first five to finish would all be of length 2


def test_more_environments_than_episodes() -> None:
    assert evaluate(CountingEnv([2, 3, 4]), RandomPolicy(3, seed=1), episodes=2).lengths == (2, 3)


@pytest.mark.parametrize("next_step", [False, True])
def test_the_state_lives_through_an_episode_and_is_cleared_where_the_next_begins(next_step: bool) -> None:
    net = CountingNet()  # holds its own count against the environment's and fails if they differ
    evaluate(CountingEnv([3, 5], next_step=next_step), NetworkPolicy(net, 2, CPU, seed=1), episodes=6)
    assert len(net.seen) > 9


def test_the_network_sees_its_last_action_and_the_raw_reward() -> None:
    env, net = CountingEnv([4, 4]), CountingNet()
    evaluate(env, NetworkPolicy(net, 2, CPU, seed=1), episodes=4)
    assert net.seen[0][0].tolist() == [0, 0] and net.seen[0][1].tolist() == [0, 0]
    for (last_action, _), action in zip(net.seen[1:], env.actions, strict=False):
        assert torch.equal(last_action, action)  # across episode ends too, as in training
    assert [reward.tolist() for _, reward in net.seen[4:6]] == [[1, 2], [1, 2]]


def test_greedy_takes_the_likeliest_and_sampling_follows_the_seed() -> None:
    def actions(seed: int, greedy: bool) -> list[list[int]]:
        env, net = CountingEnv([50]), CountingNet()
        net.sharpness.data.fill_(0.5)
        evaluate(env, NetworkPolicy(net, 1, CPU, seed, greedy), episodes=1)
        return [a.tolist() for a in env.actions]

    assert actions(1, greedy=True) == [[t % 3] for t in range(50)]
    assert actions(1, greedy=False) == actions(1, greedy=False)
    assert actions(1, greedy=False) != actions(2, greedy=False)


def test_random_policy_is_uniform() -> None:
    env = CountingEnv([3000])
    evaluate(env, RandomPolicy(3, seed=1), episodes=1)
    counts = torch.cat(env.actions).bincount(minlength=3)
    assert (counts - 1000).abs().max() < 100  # 4 standard deviations


def test_interval_agrees_with_the_normal_one_and_holds_at_the_edges() -> None:
    values = np.random.default_rng(0).normal(5.0, 2.0, size=400)
    low, high = interval(values)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02) and high == pytest.approx(
        values.mean() + half, abs=0.02
    )
    assert interval(np.array([3.0])) == (3.0, 3.0)
    assert interval(np.full(10, 2.0)) == (2.0, 2.0)


def test_summary() -> None:
    summary = EpisodeStats((1.0, 2.0, 6.0), (10, 20, 60)).summary()
    assert (summary["mean"], summary["median"], summary["min"], summary["max"]) == (3, 2, 1, 6)
    assert (summary["length"], summary["episodes"]) == (30, 3)
    assert 1 <= summary["low"] < 3 < summary["high"] <= 6


@pytest.mark.parametrize("next_step", [False, True])
def test_a_lost_episode_is_no_episode(next_step: bool) -> None:
    env = CountingEnv([5, 6], next_step=next_step, lose=(0, 3))
    stats = evaluate(env, RandomPolicy(3, seed=1), episodes=4)
    assert stats.lengths == (5, 5, 6, 6)
    assert stats.returns == (env.returns(0, 0), env.returns(0, 1), env.returns(1, 0), env.returns(1, 1))


def test_an_episode_that_does_not_end_is_cut_and_counts_as_far_as_it_went() -> None:
    env = CountingEnv([3, 10**9])
    stats = evaluate(env, RandomPolicy(3, seed=1), episodes=4, max_steps=50)
    assert stats.lengths == (3, 3, 50, 50) and stats.cut == 2  # of the second one both, behind a reset
    assert stats.returns[2:] == (100.0, 100.0) and stats.summary()["cut"] == 2
    assert len(env.actions) == 100


def test_an_episode_that_ends_behind_the_cut_is_followed_by_the_next() -> None:
    env = CountingEnv([30, 20])
    stats = evaluate(env, RandomPolicy(3, seed=1), episodes=4, max_steps=25)
    assert stats.lengths == (25, 25, 20, 20) and stats.cut == 2 and len(env.actions) == 55  # no reset: 30 + 25
    whole = evaluate(CountingEnv([30, 20]), RandomPolicy(3, seed=1), episodes=4, max_steps=30)
    assert whole.lengths == (30, 30, 20, 20) and whole.cut == 0  # its last step is in time


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    evaluate(CountingEnv([2, 3]), RandomPolicy(3, seed=1), 3, progress=lambda done, steps: told.append((done, steps)))
    assert told == [(0, 1), (1, 2), (2, 3), (3, 4)]


@pytest.mark.parametrize(
    ("settings", "episodes", "most", "chosen"),
    [
        ({"name": "minilab/rooms_watermaze"}, 100, 0, 32),
        ({"name": "minilab/rooms_watermaze"}, 5, 0, 5),
        ({"name": "dmlab/rooms_watermaze"}, 100, 0, 3),
        ({"name": "dmlab/rooms_watermaze"}, 2, 0, 2),
        ({"name": "dmlab/rooms_watermaze"}, 100, 40, 40),
        ({"name": "gymnasium/CartPole-v1"}, 100, 0, 32),
        ({"name": "gymnasium/CartPole-v1", "env_processes": True}, 100, 0, 3),
    ],
)
def test_as_many_processes_as_cores_unless_told_otherwise(settings, episodes, most, chosen, monkeypatch):
    monkeypatch.setattr("cpc_rl.episodes.cores", lambda: 3)
    assert at_once(EnvConfig(**settings), episodes, most) == chosen


def test_what_an_environment_tells_is_pooled_over_the_episodes_that_count() -> None:
    stats = evaluate(TellingEnv([3, 5]), RandomPolicy(3, seed=1), episodes=4)
    assert stats.info["number"] == ((0, 1), (1, 1), (0, 1), (1, 1))
    told = stats.told()
    assert (told["number"].mean, told["number"].times) == (0.5, 4) and told["number"].low == 0
    assert (told["steps_to_find"].mean, told["steps_to_find"].times) == (8, 2)
    assert told["steps_to_find"].low is None  # two of four episodes: some resamples have none
    assert evaluate(CountingEnv([3]), RandomPolicy(3, seed=1), episodes=1).told() == {}


def test_nothing_is_told_of_episodes_that_were_cut() -> None:
    stats = evaluate(TellingEnv([3, 50]), RandomPolicy(3, seed=1), episodes=2, max_steps=10)
    assert stats.cut == 1 and stats.told()["number"].times == 1


def test_the_interval_of_a_ratio_is_that_of_the_mean_where_all_counts_are_one() -> None:
    values = np.random.default_rng(0).normal(5.0, 2.0, size=400)
    pairs = np.stack([values, np.ones(400)], 1)
    assert ratio_interval(pairs) == pytest.approx(interval(values), abs=0.02)
    assert ratio_interval(pairs * [10, 10]) == pytest.approx(ratio_interval(pairs))

"""ViZDoom's published rewards, from game variables that an envpool beside it reads."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from envs.envpool.presets import SCENARIOS
from tests.envs.envpool.raw import beside, make, play, random_actions


class Change:
    """How game variables changed in one transition; envpool shows nothing of one into a terminal state."""

    def __init__(self, step, raw, before):
        self._now, self._before, self._over = raw.info, before, step.terminated
        self.ended = step.terminated.numpy().astype(float)

    def __call__(self, variable):
        return np.where(self._over, 0, self._now[variable] - self._before[variable])


@pytest.mark.parametrize(
    ("name", "steps", "published"),
    [
        ("Basic-v1", 100, lambda change: -4 + 5 * change("AMMO2") + 101 * change.ended),
        ("BasicNotifications-v1", 100, lambda c: -4 + 5 * c("AMMO2") - 44 * c("KILLCOUNT") + 101 * c.ended),
        ("RocketBasic-v1", 130, lambda change: -4 + 5 * change("AMMO5") + 106 * change.ended),
        ("HealthGathering-v1", 130, lambda change: 4 - 100 * change.ended),
        ("TakeCover-v1", 130, lambda change: 4 + 0 * change.ended),
        ("DefendTheCenter-v1", 150, lambda change: change("KILLCOUNT") - change.ended),
        ("D3Battle-v1", 250, lambda change: change("USER2")),
    ],
)
def test_rewards_follow_the_variables(name, steps, published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = make(name, num_envs=2)
    before, paid, ends = {}, set(), 0
    for step, raw in beside(env, random_actions(env, steps), max_episode_steps=SCENARIOS[name].limit):
        assert np.array_equal(step.terminated | step.truncated, raw.done)
        if before:
            want = np.where(step.valid, published(Change(step, raw, before)), 0.0)
            assert np.allclose(step.reward, want)
        paid |= set(step.reward.tolist())
        ends += int(step.terminated.sum())
        before = {key: np.copy(value) for key, value in raw.info.items() if key != "players"}
    assert ends and len(paid) > 1, "too little happened to tell"
    env.close()


def test_my_way_home_pays_one_at_the_vest_and_takes_for_each_tic():
    env = make("MyWayHome-v1", num_envs=4, seed=19)  # one of them stumbles upon the vest in its 18th step
    rows = list(play(env, random_actions(env, 25)))[1:]
    reward, valid, terminated = (torch.stack([getattr(row, name) for row in rows]) for name in ROW)
    assert terminated.any()
    assert torch.allclose(reward[terminated], torch.tensor(0.9996))
    assert torch.allclose(reward[valid & ~terminated], torch.tensor(-0.0004))
    env.close()


ROW = ("reward", "valid", "terminated")


@pytest.mark.parametrize(("goal_above", "end"), [(1229.0, -100.0), (100.0, 1000.0)])
def test_deadly_corridor_pays_the_way_and_its_end(goal_above, end, monkeypatch):
    monkeypatch.setitem(SCENARIOS, "DeadlyCorridor-v1", replace(SCENARIOS["DeadlyCorridor-v1"], goal_above=goal_above))
    env = make("DeadlyCorridor-v1", num_envs=1)
    x, ends = 0.0, 0
    for row in play(env, torch.full((120, 1), 6)):  # straight on, and into fire
        if row.terminated:
            assert 100 < x < 1229 and row.reward == end
            ends += 1
        else:
            assert abs(row.reward) < 60
        x = 0.0 if row.is_first else x + float(row.reward)
    assert ends >= 2, "too little happened to tell"
    env.close()


def test_a_reset_forgets_the_way_that_was_paid(monkeypatch):
    monkeypatch.setitem(SCENARIOS, "DeadlyCorridor-v1", replace(SCENARIOS["DeadlyCorridor-v1"], goal_above=600.0))
    env = make("DeadlyCorridor-v1", num_envs=1)
    env.reset()
    ways = []
    for _ in range(2):  # each ends by a reset, none by the row that begins another by itself
        ways.append(0.0)
        for row in play(env, torch.full((60, 1), 6)):
            if row.terminated:
                break
            ways[-1] += float(row.reward)
        assert row.terminated and row.reward == -100
    assert max(ways) < 600 < sum(ways), "too little way to tell"
    env.close()

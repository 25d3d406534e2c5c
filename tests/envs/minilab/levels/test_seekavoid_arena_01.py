import numpy as np
import pytest
import torch

from envs.minilab.env import MinilabEnv
from envs.minilab.levels.seekavoid_arena_01 import APPLES, EAST, ITEMS, LEMONS, NORTH, SOUTH, WEST
from envs.minilab.physics import ACTION_NAMES
from tests.envs.minilab.experts import mean_return
from tests.envs.traces import load

FIRE, LOOK_LEFT, FORWARD = (ACTION_NAMES.index(name) for name in ("fire", "look_left", "forward"))


def make(num_envs: int = 1, seed: int = 0) -> MinilabEnv:
    env = MinilabEnv("seekavoid_arena_01", num_envs, 24, 32, seed)
    env.reset()
    return env


def act(env: MinilabEnv, action: int, steps: int = 1) -> list[float]:
    return [float(env.step(torch.full((env.num_envs,), action)).reward[0]) for _ in range(steps)]


def far_corner(env: MinilabEnv) -> None:
    env.place(0, -500, -700, 45)


def test_an_episode_lasts_300_agent_steps_and_is_truncated():
    env = make()
    far_corner(env)
    for t in range(1, 301):
        step = env.step(torch.tensor([FIRE]))
        assert bool(step.truncated) == bool(step.is_first) == (t == 300)
        assert not step.terminated
    assert env.poses()[0, :2].tolist() == [192, -128]


def test_the_agent_begins_in_one_place_looking_anywhere():
    poses = make(256).poses()
    assert (poses[:, :2] == [192, -128]).all()
    assert np.histogram(poses[:, 2], 8, (-180, 180))[0].min() > 12


def test_there_are_fifteen_apples_and_eight_lemons_inside_the_arena():
    assert (len(APPLES), len(LEMONS)) == (15, 8)
    assert len({tuple(item) for item in ITEMS.tolist()}) == 23
    assert (np.abs(ITEMS - [(WEST + EAST) / 2, (SOUTH + NORTH) / 2]) < [780, 650]).all()


@pytest.mark.parametrize(("items", "reward"), [(APPLES, 1), (LEMONS, -1)])
def test_every_item_pays_once(items, reward):
    for x, y in items:
        env = make()
        env.place(0, x, y, 0)
        assert act(env, FIRE, 3) == [reward, 0, 0]
        taken = env.state.harvest.taken[0]
        assert taken.sum() == 1 and tuple(ITEMS[taken][0]) == (x, y)


def test_a_lemon_may_be_left():
    env = make()
    env.place(0, LEMONS[0][0] + 50, LEMONS[0][1], 0)
    assert act(env, LOOK_LEFT, 5) == [0] * 5


def test_after_the_last_apple_everything_is_back_and_the_clock_runs_on():
    env = make()
    env.place(0, *LEMONS[0], 0)
    act(env, FIRE)
    for k, (x, y) in enumerate(APPLES[:-1]):
        env.place(0, x, y, 0)
        assert act(env, FIRE) == [1], k
    env.place(0, *APPLES[-1], 0)
    frame = int(env.state.body.frame[0])
    assert act(env, FIRE) == [1]
    assert env.poses()[0, :2].tolist() == [192, -128]
    assert not env.state.harvest.taken.any() and env.state.harvest.apples_left[0] == 15
    assert env.state.body.frame[0] == frame + 4
    env.place(0, *APPLES[0], 0)
    assert act(env, FIRE) == [1]  # it pays again


@pytest.mark.parametrize("name", ["101", "102", "103"])
def test_positions_and_rewards_follow_the_recorded_engine(name):
    trace = load(f"seekavoid_arena_01_{name}")
    env = make()
    env.place(0, *trace.xy[0], trace.yaw[0])
    ours, distance, turned = [], [], []
    for t in range(299):
        ours.append(float(env.step(torch.tensor([trace.actions[t]])).reward[0]))
        x, y, yaw = env.poses()[0]
        distance.append(np.hypot(x - trace.xy[t + 1, 0], y - trace.xy[t + 1, 1]))
        turned.append(abs((yaw - trace.yaw[t + 1] + 180) % 360 - 180))
    assert max(distance[:25]) < 8 and max(distance) < 10
    assert max(turned) < 0.01
    mine, theirs = np.flatnonzero(ours), np.flatnonzero(trace.rewards[:299])
    assert np.array(ours)[mine].tolist() == trace.rewards[theirs].tolist()
    assert (np.abs(mine - theirs) <= 1).all()  # the real one reports a reward up to four frames late


@pytest.mark.parametrize(
    ("pose", "limit"),
    [((0, 500, 90), (1, NORTH - 15.125)), ((950, 0, 0), (0, EAST - 15.125)), ((-500, -700, 180), (0, WEST + 15.125)),
     ((-500, -700, -90), (1, SOUTH + 15.125))],
)  # fmt: skip
def test_walls_stop_the_body(pose, limit):
    env = make()
    env.place(0, *pose)
    act(env, FORWARD, 30)
    axis, value = limit
    assert env.poses()[0, axis] == pytest.approx(value, abs=0.5)


def test_apples_are_red_lemons_yellow_and_both_vanish_when_taken():
    env = MinilabEnv("seekavoid_arena_01", 1)
    env.reset()

    def middle(x: float, y: float) -> np.ndarray:
        env.place(0, x - 70, y, 0)
        return env.outputs.obs[0, 48:64, 40:56].reshape(-1, 3).astype(int)

    seen_apple, seen_lemon = middle(-64, -440), middle(8, -360)
    red, yellow = (lambda p: (p[:, 0] > p[:, 1] + 90) & (p[:, 1] < 80)), (lambda p: (p[:, 1] > 190) & (p[:, 2] < 120))
    assert red(seen_apple).mean() > 0.3 > yellow(seen_apple).mean()
    assert yellow(seen_lemon).mean() > 0.3 > red(seen_lemon).mean()
    env.state.harvest.taken[:] = True
    assert red(middle(-64, -440)).mean() < 0.05 and yellow(middle(8, -360)).mean() < 0.05


def test_going_for_the_nearest_apple_pays_far_more_than_chance():
    assert mean_return("seekavoid_arena_01", episodes=8) > 20  # a random policy gets about 0

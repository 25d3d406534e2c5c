import math

import numpy as np
import pytest
import torch

from envs.minilab.env import MinilabEnv
from envs.minilab.levels.rooms_watermaze import SPAWNS
from envs.minilab.physics import ACTION_NAMES
from envs.minilab.pictures import PICTURES
from tests.envs.traces import load

FIRE = ACTION_NAMES.index("fire")
# Where the pictures hang, by the compass (x east, y north).
BEARINGS = {
    "arch": -90, "circle": 0, "clover": 180, "square": 90, "hexagon": -135, "triangle": 45, "diamond": 135, "star": -45,
}  # fmt: skip


def make_env(num_envs=1, seed=0, height=24, width=32) -> MinilabEnv:
    env = MinilabEnv("rooms_watermaze", num_envs, height, width, seed, evaluation=False, threads=1)
    env.reset()
    return env


def put_platform(env: MinilabEnv, x: float, y: float) -> None:
    env.state.trial.platform_x[:], env.state.trial.platform_y[:] = x, y


def step(env: MinilabEnv, action: int = FIRE) -> float:
    return float(env.step(torch.full((env.num_envs,), action)).reward[0])


def platforms(env: MinilabEnv) -> np.ndarray:
    return np.stack([env.state.trial.platform_x, env.state.trial.platform_y], 1)


# --- The rules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "centre"), [("101", (282.94, -201.08)), ("102", (-265.09, -219.58))])
def test_rewards_and_respawn_come_at_the_recorded_steps(name, centre):
    trace = load(f"rooms_watermaze_{name}")
    env = make_env()
    put_platform(env, *centre)
    env.state.trial.age_ms[0] = -(10**6)  # no extra pulse, as in the recording
    env.place(0, *trace.xy[0], trace.yaw[0])
    rewards, jumps = [], []
    for action in trace.actions:
        before = env.poses()[0]
        rewards.append(step(env, int(action)))
        jumps.append(np.hypot(*(env.poses()[0] - before)[:2]) > 30)
    assert np.flatnonzero(rewards).tolist() == np.flatnonzero(trace.rewards).tolist()
    recorded = np.hypot(*np.diff(trace.xy, axis=0).T) > 30  # onto the platform, and to the next spawn
    assert np.flatnonzero(jumps).tolist() == np.flatnonzero(recorded).tolist()


@pytest.mark.parametrize(("anchor", "frames"), [(0, 0), (90, 1)])
def test_where_the_agent_is_met_at_the_recorded_place_its_next_trial_begins_in_the_recorded_frame(anchor, frames):
    """Before the find ours lies 4.6 units behind: it touches, and so respawns, a frame later."""
    trace = load("rooms_watermaze_101")
    env = make_env()
    put_platform(env, 282.94, -201.08)
    env.state.trial.age_ms[0] = -(10**6)
    env.place(0, *trace.xy[0], trace.yaw[0])
    for t, action in enumerate(trace.actions[:173]):
        if t == anchor:
            env.state.body.x[0], env.state.body.y[0] = trace.xy[t]
        step(env, int(action))
    moved = np.hypot(*(SPAWNS - env.poses()[0, :2]).T).min()
    assert moved == pytest.approx(frames * 0.82, abs=0.03)
    assert 0.5 < np.hypot(*(SPAWNS - trace.xy[173]).T).min() < 1  # one frame in the recording


@pytest.mark.parametrize(
    ("dx", "dy", "touches"),
    [(78, 0, True), (80, 0, False), (0, -78, True), (0, -80, False), (59, 60, True), (61, 60, False), (-78, 41, True)],
)
def test_the_box_of_the_player_touches_an_octagon(dx, dy, touches):
    env = make_env()
    put_platform(env, 100, 50)
    env.place(0, 100 + dx, 50 + dy, 0)
    step(env)
    assert (env.state.trial.touch_ms[0] >= 0) == touches


def test_a_find_pays_five_times_holds_the_agent_and_ends_in_a_respawn():
    env = make_env()
    env.state.trial.age_ms[0] = -(10**6)
    put_platform(env, 100, 50)
    env.place(0, 130, 50, 0)
    rewards, distance = [], []
    while len(rewards) < 200 and np.hypot(*(env.poses()[0, :2] - (100, 50))) < 60:
        rewards.append(step(env, ACTION_NAMES.index("look_left_forward")))
        distance.append(np.hypot(*(env.poses()[0, :2] - (100, 50))))
        if len(rewards) == 30:
            assert env.state.body.eye[0] == pytest.approx(144.12, abs=0.01)
            assert abs(env.poses()[0, 2]) > 1  # it may look around
    times = np.flatnonzero(rewards) * 4  # engine frames
    assert 10 < max(distance[5:-1]) < 22  # it may run, but is put back time and again (recorded: up to 19)
    assert [rewards[t // 4] for t in times] == [1] * 5
    assert abs(times[0] - 16) <= 4
    assert np.abs(np.diff(times) - 62.5).max() <= 4
    assert abs(len(rewards) * 4 - 328) <= 6
    assert np.hypot(*(SPAWNS - env.poses()[0, :2]).T).min() < 25
    assert env.state.body.eye[0] == pytest.approx(66.12, abs=0.01)
    assert tuple(platforms(env)[0]) == (100, 50)  # the place stays
    assert env.state.trial.touch_ms[0] == -1


def test_late_in_a_trial_pulses_come_in_quick_succession():
    def steps_of_a_find(age_ms: int) -> float:
        env = make_env(64)
        put_platform(env, 0, 0)
        for i in range(64):
            env.place(i, 0, 0, 0)
        env.state.trial.age_ms[:] = age_ms
        done, total = np.zeros(64, bool), np.zeros(64)
        for t in range(90):  # noqa: B007
            reward = env.step(torch.full((64,), FIRE)).reward.numpy()
            total += reward * ~done
            done |= env.state.trial.touch_ms < 0
            if done.all():
                break
        assert (total == 5).all()  # quicker, not more
        return t

    assert steps_of_a_find(-(10**6)) >= 81
    assert steps_of_a_find(10**6) < 10


def test_an_episode_lasts_1800_steps_and_ends_truncated_with_a_new_platform():
    env = make_env(2)
    before = platforms(env).copy()
    for t in range(1, 1801):
        result = env.step(torch.tensor([t % 9, FIRE]))
        if t < 1800:
            assert not (result.truncated | result.terminated | result.is_first).any()
            assert np.array_equal(platforms(env), before)
    assert result.truncated.all() and result.is_first.all() and not result.terminated.any()
    assert (platforms(env) != before).all()
    assert (env.state.body.frame == 0).all()


def test_an_episode_that_ends_on_the_platform_begins_the_next_on_the_ground():
    env = make_env()
    put_platform(env, 0, 0)
    env.place(0, 0, 0, 0)
    env.state.body.frame[0] = 7200 - 4 * 20
    for _ in range(20):
        result = env.step(torch.tensor([FIRE]))
    assert result.truncated.all()
    assert env.state.body.eye[0] == pytest.approx(66.12, abs=0.01)
    assert env.state.trial.touch_ms[0] == -1 and env.state.trial.pulses[0] == 0


def test_platforms_fill_the_disc_and_spawns_and_views_are_uniform():
    env = make_env(4000, height=24, width=24)
    radius = np.hypot(*platforms(env).T)
    assert radius.max() <= 580
    assert (radius < 580 / 2**0.5).mean() == pytest.approx(0.5, abs=0.04)  # half of the area
    angle = np.arctan2(*platforms(env).T)
    assert np.histogram(angle, 8, (-math.pi, math.pi))[0].min() > 400
    poses = env.poses()
    nearest = np.hypot(*(poses[:, None, :2] - SPAWNS).transpose(2, 0, 1))  # [B, spawns]
    assert nearest.min(1).max() == 0
    assert np.bincount(nearest.argmin(1)).min() > 400
    assert np.histogram(poses[:, 2], 8, (-180, 180))[0].min() > 400


def test_the_wall_cannot_be_left():
    env = make_env(16)
    put_platform(env, 5000, 0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        env.step(torch.tensor([0, 6])[torch.randint(2, (16,), generator=generator)])
        assert np.hypot(*env.poses()[:, :2].T).max() < 765


# --- The picture -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_hangs_where_it_should_and_is_seen_from_across_the_room(name):
    env = make_env(height=72, width=96)
    angle = math.radians(BEARINGS[name])
    colour = np.array(PICTURES[name][1], float)

    def centre(distance: float) -> np.ndarray:
        env.place(0, distance * math.cos(angle), distance * math.sin(angle), BEARINGS[name])
        row = round(36 - 48 * (96 - 66.12) / (760 - distance))
        return env.outputs.obs[0, row - 1 : row + 1, 47:49].reshape(-1, 3).astype(float)

    if name != "arch":  # its middle is open
        assert np.abs(centre(600) - colour).max() <= 1
    far = centre(-600).mean(0)
    closeness = {other: np.abs(far - np.array(PICTURES[other][1]) * 0.8).sum() for other in PICTURES}
    assert min(closeness, key=closeness.__getitem__) == name


def test_ceiling_wall_and_floor_lie_where_perspective_puts_them():
    env = make_env(height=72, width=96)
    env.place(0, 0, 0, 22.5)  # a wall without a picture, 760.86 away
    column = env.outputs.obs[0, :, 48].astype(int)
    ceiling = (column == column[0]).all(1)
    top, bottom = 36 - 48 * (192 - 66.12) / 760.86, 36 + 48 * (66.12 - 16) / 760.86
    assert ceiling[: round(top)].all() and not ceiling[round(top) :].any()
    assert column[0].tolist() == [168, 214, 245]
    wall, floor = column[round(top) : round(bottom)], column[round(bottom) :]
    assert (wall[:, 2] > 1.6 * wall[:, 1]).all() and (floor[:, 2] < 1.6 * floor[:, 1]).all()  # strong blue, and slate


def test_straight_walls_stay_straight():
    env = make_env(height=72, width=96)
    wall = np.array([math.cos(math.radians(22.5)), math.sin(math.radians(22.5))])
    env.place(0, *(wall * 720), 22.5)
    sky = (env.outputs.obs[0] == (168, 214, 245)).all(-1)  # [H, W]
    assert not sky.any()  # the wall is 40 away and fills the picture to the top
    env.place(0, *(wall * 620), 22.5)
    _, green, blue = np.moveaxis(env.outputs.obs[0, ::-1].astype(int), -1, 0)
    dark = blue < 1.6 * green
    floor_rows = np.argmin(dark, 0)  # [W] from the bottom up
    assert set(floor_rows[3:93].tolist()) == {36 - round(48 * 50.12 / 140.86)}  # no fish-eye: its foot is level


def test_a_turn_to_the_left_moves_the_picture_to_the_right():
    env = make_env(height=72, width=96)

    def red_column() -> float:
        image = env.outputs.obs[0].astype(int)
        return float(np.argwhere((image[..., 0] > 200) & (image[..., 1] < 60))[:, 1].mean())

    env.place(0, 300, 0, 0)
    straight = red_column()
    env.place(0, 300, 0, 10)
    assert straight == pytest.approx(47.5, abs=0.6)
    assert red_column() == pytest.approx(47.5 + 48 * math.tan(math.radians(10)), abs=1.2)


def test_the_raised_platform_is_seen_and_the_lowered_one_is_not():
    env = make_env(height=72, width=96)

    def frame(platform: tuple[float, float], touch_ms: int) -> np.ndarray:
        put_platform(env, *platform)
        env.state.trial.touch_ms[0] = touch_ms
        env.place(0, 0, 0, 22.5)
        return env.outputs.obs[0].astype(int).copy()

    ahead = (300 * math.cos(math.radians(22.5)), 300 * math.sin(math.radians(22.5)))
    hidden = frame(ahead, -1)
    assert np.array_equal(hidden, frame((-300, -300), -1))
    raised = frame(ahead, 2000)
    changed = (raised != hidden).any(-1)
    orange = (raised[..., 0] > raised[..., 2] + 50) & changed
    rows, columns = np.argwhere(orange).T
    # 48 pixels a unit of slope: from the eye down to the water, and up to the top at 94, 236 to 240 away.
    assert orange.sum() > 200 and abs(columns.mean() - 47.5) < 1
    assert abs(rows.min() - (36 - 48 * (94 - 66.12) / 236)) < 1.6
    assert abs(rows.max() + 1 - (36 + 48 * (66.12 - 16) / 236)) < 1.6


def test_standing_on_the_platform_lifts_the_view():
    env = make_env(height=72, width=96)
    env.place(0, 0, 0, 22.5)
    ground = (env.outputs.obs[0] == (168, 214, 245)).all(-1)[:, 48].sum()
    put_platform(env, 0, 0)
    for _ in range(10):
        step(env)
    env.place(0, 0, 0, 22.5)
    assert (env.outputs.obs[0] == (168, 214, 245)).all(-1)[:, 48].sum() - ground == pytest.approx(48 * 78 / 760, abs=1)

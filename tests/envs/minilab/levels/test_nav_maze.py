"""The six navigation mazes: what is written here holds of all of them, or says of which."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from envs.minilab.env import MinilabEnv
from envs.minilab.grid import WEST
from envs.minilab.levels import LEVELS, load_level
from envs.minilab.nav_maze.text import steps_from
from envs.minilab.physics import ACTION_NAMES
from tests.envs.minilab.experts import mean_return

FIRE, LOOK_LEFT = ACTION_NAMES.index("fire"), ACTION_NAMES.index("look_left")
STATIC = [f"nav_maze_static_0{k}" for k in (1, 2, 3)]
DRAWN = [f"nav_maze_random_goal_0{k}" for k in (1, 2, 3)]
every_level = pytest.mark.parametrize("name", [*STATIC, *DRAWN])
SECONDS = {"01": 60, "02": 150, "03": 300}


def make(name: str, num_envs: int = 1, seed: int = 0, **options) -> MinilabEnv:
    env = MinilabEnv(name, num_envs, 24, 32, seed, **options)
    env.reset()
    return env


def act(env: MinilabEnv, action: int = FIRE) -> float:
    return float(env.step(torch.full((env.num_envs,), action)).reward[0])


def goal_of(env: MinilabEnv, i: int = 0) -> tuple[float, float]:
    return float(env.state.search.goal_x[i]), float(env.state.search.goal_y[i])


def apples_of(env: MinilabEnv, i: int = 0) -> list[tuple[float, float]]:
    search = env.state.search
    return list(zip(search.apple_x[i].tolist(), search.apple_y[i].tolist(), strict=True))


def starts_of(env: MinilabEnv, i: int = 0) -> set[tuple[float, float]]:
    places, g = env.scene.places, env.state.search.goal[i]
    cells = places.starts[g, : places.start_count[g]].tolist()
    return {(100.0 * column + 50, 100.0 * row + 50) for row, column in cells}


@every_level
def test_an_episode_is_truncated_when_its_time_is_up(name):
    env = make(name)
    steps = SECONDS[name[-2:]] * 60 // 4
    assert LEVELS[name].agent_steps == steps
    env.state.body.frame[0] = 4 * (steps - 3)
    for t in range(1, 4):
        step = env.step(torch.tensor([LOOK_LEFT]))
        assert bool(step.truncated) == bool(step.is_first) == (t == 3)
        assert not step.terminated
    assert env.state.body.frame[0] == 0


@pytest.mark.parametrize("name", STATIC)
def test_static_mazes_have_goal_and_apples_where_they_always_are(name):
    env, other = make(name, 4, seed=1), make(name, 4, seed=2, evaluation=True)
    assert len({goal_of(one, i) for one in (env, other) for i in range(4)}) == 1
    assert len({tuple(apples_of(one, i)) for one in (env, other) for i in range(4)}) == 1
    assert len(set(apples_of(env))) == env.scene.places.fruit_count[0]


@pytest.mark.parametrize("name", DRAWN)
def test_each_episode_has_its_goal_and_its_apples_anywhere(name):
    env = make(name, 400)
    rows, columns = env.scene.maze.walls.shape
    goals = {goal_of(env, i) for i in range(400)}
    assert len(goals) > 0.7 * rows * columns  # all would take longer
    seen = set()
    for i in range(400):
        apples = apples_of(env, i)
        assert len(set(apples)) == {"01": 5, "02": 13, "03": 26}[name[-2:]] and goal_of(env, i) not in apples
        seen |= set(apples)
    assert seen == {(100.0 * column + 50, 100.0 * row + 50) for row in range(rows) for column in range(columns)}


def test_goals_and_apples_are_drawn_evenly():
    env = make(DRAWN[0], 5000)
    cells = [np.zeros((5, 10)), np.zeros((5, 10))]
    for i in range(5000):
        for table, places in zip(cells, ([goal_of(env, i)], apples_of(env, i)), strict=True):
            for x, y in places:
                table[int(y // 100), int(x // 100)] += 1
    assert (abs(cells[0] - 100) < 45).all() and (abs(cells[1] - 500) < 100).all()  # 4.5 standard deviations


@every_level
def test_the_goal_pays_ten_and_restarts_the_map_with_all_apples(name):
    env = make(name)
    goal, apples, frame, starts = goal_of(env), apples_of(env), int(env.state.body.frame[0]), set()
    for _ in range(40):
        env.state.search.taken[0] = True
        env.place(0, *goal, 30)
        reward = act(env)
        x, y, _ = env.poses()[0]
        assert reward == 10 + ((x, y) in apples)  # one may start on one
        assert (x, y) in starts_of(env) and env.state.body.vx[0] == env.state.body.vy[0] == 0
        starts.add((x, y))
        assert goal_of(env) == goal and apples_of(env) == apples
        assert not env.state.search.taken[0].any() or (x, y) in apples
        frame += 4
        assert env.state.body.frame[0] == frame
    assert len(starts) > 10


@pytest.mark.parametrize("name", DRAWN)
def test_one_starts_more_than_four_cells_from_a_drawn_goal(name):
    env = make(name, 300)
    walls = env.scene.maze.walls
    for i in range(300):
        (x, y), (gx, gy) = env.poses()[i, :2], goal_of(env, i)
        assert steps_from(walls, (int(gy // 100), int(gx // 100)))[int(y // 100), int(x // 100)] > 4


def test_starts_and_views_are_drawn_evenly():
    env = make(STATIC[0], 4300)
    _, counts = np.unique(env.poses()[:, :2], axis=0, return_counts=True)
    assert len(counts) == 43 and (abs(counts - 100) < 45).all()
    assert np.histogram(env.poses()[:, 2], 8, (-180, 180))[0].min() > 430


@every_level
def test_an_apple_pays_one_and_stays_away(name):
    env = make(name)
    for x, y in apples_of(env):
        env.state.search.taken[0] = [place != (x, y) for place in apples_of(env)]
        env.place(0, x + 10, y, 0)
        assert act(env) == 1 and env.state.search.taken[0].all()
        assert act(env) == 0
    env.state.search.taken[0] = True
    env.place(0, *next(iter(starts_of(env) - {goal_of(env)})), 0)
    assert [act(env) for _ in range(5)] == [0] * 5 and env.state.search.taken[0].all()


def test_walls_stop_the_body_and_are_felt_through_nowhere():
    """In the south-west corner of the first maze a wall stands two cells to the east."""
    env = make(STATIC[0])
    env.state.search.taken[0] = True
    env.place(0, 50, 50, 0)
    for _ in range(60):
        act(env, ACTION_NAMES.index("forward"))
    assert env.poses()[0, 0] == pytest.approx(200 - 1 - 15.125) and env.poses()[0, 1] == 50


def test_goal_and_apples_are_seen_and_hidden_by_walls():
    env = make(STATIC[0])
    search = env.state.search
    search.taken[0] = True
    search.goal_x[0], search.goal_y[0] = 150, 50

    def difference(x: float, y: float, yaw: float, array) -> float:
        env.place(0, x, y, yaw)
        seen, kept = env.outputs.obs.astype(int).copy(), array.copy()
        array[0] = True if array.dtype == bool else 9000
        env.place(0, x, y, yaw)
        array[:] = kept
        return float(np.abs(seen - env.outputs.obs).mean())

    assert difference(50, 50, 0, search.goal_x) > 0.3
    assert difference(50, 50, 180, search.goal_x) == 0  # behind
    assert difference(250, 50, 180, search.goal_x) == 0  # behind the wall
    search.taken[0, 0] = False
    search.apple_x[0, 0], search.apple_y[0, 0] = 150, 50
    search.goal_x[0] = 9000
    assert difference(50, 50, 0, search.taken) > 0.3
    assert difference(250, 50, 180, search.taken) == 0


def test_pictures_hang_in_the_middle_of_their_walls_as_wide_as_in_the_map():
    name, depth = "nav_maze_static_01", 80.0
    row, column, side, _, width = load_level(name).MAZE.pictures[5]
    assert (row, column, side, width) == (1, 4, "W", 74)
    env = MinilabEnv(name, 1, 96, 96)
    env.reset()
    env.state.search.taken[0] = True
    env.state.search.goal_x[0] = 9000
    env.place(0, 100.0 * column + depth, 150, 180)
    seen, pictures = env.outputs.obs[0].copy(), env.scene.maze.pictures
    kept = pictures.copy()
    try:
        pictures[row, column, WEST] = 0
        env.place(0, 100.0 * column + depth, 150, 180)
    finally:
        pictures[:] = kept
    changed = (seen != env.outputs.obs[0]).any(-1)
    tangents = (np.arange(96) + 0.5) / 48 - 1
    assert changed.any(0).tolist() == (abs(tangents) * depth < width / 2).tolist()
    height = env.state.body.eye[0]
    rows = height - tangents * depth  # heights on the wall
    assert changed.any(1).tolist() == (abs(rows - 50) < width / 2).tolist()


def test_the_sky_is_of_one_colour_and_walls_hide_it():
    env = make(STATIC[0])
    env.place(0, 50, 50, 0)
    assert (env.outputs.obs[0, 0, 16] == [150, 224, 255]).all()
    env.place(0, 184, 50, 0)
    assert not (env.outputs.obs[0] == [150, 224, 255]).all(-1).any()


@pytest.mark.parametrize(("name", "least"), [(STATIC[0], 40), (DRAWN[0], 40)])
def test_the_shortest_way_pays(name, least):
    assert mean_return(name, episodes=8) > least

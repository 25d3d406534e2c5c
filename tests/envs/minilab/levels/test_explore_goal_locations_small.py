import numpy as np
import pytest
import torch

from envs.minilab.env import MinilabEnv
from envs.minilab.physics import ACTION_NAMES
from tests.envs.minilab.experts import mean_return
from tests.envs.traces import load

FIRE, LOOK_LEFT = ACTION_NAMES.index("fire"), ACTION_NAMES.index("look_left")
NAME = "explore_goal_locations_small"


def make(num_envs: int = 1, seed: int = 0, **options) -> MinilabEnv:
    env = MinilabEnv(NAME, num_envs, 24, 32, seed, **options)
    env.reset()
    return env


def act(env: MinilabEnv, action: int = FIRE) -> float:
    return float(env.step(torch.full((env.num_envs,), action)).reward[0])


def goal_of(env: MinilabEnv, i: int = 0) -> tuple[float, float]:
    return float(env.state.search.goal_x[i]), float(env.state.search.goal_y[i])


def cells(env: MinilabEnv, marked: str, i: int = 0) -> set[tuple[float, float]]:
    """Middles (x, y) of the cells marked P ("spawns") or G ("objects")."""
    mazes, m = env.scene.mazes, env.state.search.maze[i]
    places = getattr(mazes, marked)[m, : getattr(mazes, marked[:-1] + "_count")[m]]
    return {(100.0 * column + 50, 100.0 * row + 50) for row, column in places.tolist()}


def test_an_episode_lasts_1350_agent_steps_and_is_truncated():
    env = make()
    for t in range(1, 1351):
        step = env.step(torch.tensor([LOOK_LEFT]))
        assert bool(step.truncated) == bool(step.is_first) == (t == 1350)
        assert not step.terminated


def test_each_episode_has_another_maze_and_its_goal_on_a_cell_for_it():
    env = make(200)
    assert len(set(env.state.search.maze.tolist())) > 180
    for i in range(200):
        assert goal_of(env, i) in cells(env, "objects", i)
        assert tuple(env.poses()[i, :2].tolist()) in cells(env, "spawns", i)


def test_touching_the_goal_pays_ten_and_restarts_the_map_with_the_same_maze_and_goal():
    env = make()
    maze, goal = int(env.state.search.maze[0]), goal_of(env)
    frame = int(env.state.body.frame[0])
    starts = set()
    for _ in range(60):
        env.place(0, *goal, 30)
        assert act(env) == 10
        x, y, _ = env.poses()[0]
        assert (x, y) in cells(env, "spawns")
        assert env.state.body.vx[0] == env.state.body.vy[0] == 0
        starts.add((x, y))
        assert (int(env.state.search.maze[0]), goal_of(env)) == (maze, goal)
        frame += 4
        assert env.state.body.frame[0] == frame
        assert act(env) == 0
        frame += 4
    assert len(starts) > 8  # any spawn point of the maze


def test_goals_and_spawn_points_are_drawn_evenly():
    env = make(3000, layout="*******\n*PG GP*\n*  G  *\n*******")
    goals = np.stack([env.state.search.goal_x, env.state.search.goal_y], 1)
    goals, counts = np.unique(goals, axis=0, return_counts=True)
    assert len(goals) == 3 and (abs(counts - 1000) < 120).all()
    assert abs((env.poses()[:, 0] == 150).mean() - 0.5) < 0.05
    assert np.histogram(env.poses()[:, 2], 8, (-180, 180))[0].min() > 300


def test_the_recorded_find_pays_and_respawns_at_the_same_agent_step():
    trace = load(f"{NAME}_102")
    goal = trace.xy[344]
    env = make(layout=trace.layout)
    env.place(0, *trace.xy[0], trace.yaw[0])
    column, row = min(
        ((c, r) for c in range(11) for r in range(11) if trace.layout.strip().splitlines()[10 - r][c] == "G"),
        key=lambda cell: np.hypot(cell[0] * 100 + 50 - goal[0], cell[1] * 100 + 50 - goal[1]),
    )
    env.state.search.goal_x[0], env.state.search.goal_y[0] = 100 * column + 50, 100 * row + 50
    rewards, jumps = [], []
    for action in trace.actions[:360]:
        before = env.poses()[0]
        rewards.append(act(env, int(action)))
        jumps.append(np.hypot(*(env.poses()[0] - before)[:2]) > 40)
        if jumps[-1]:
            break
    assert np.flatnonzero(rewards).tolist() == np.flatnonzero(trace.rewards).tolist() == [344]
    assert np.flatnonzero(jumps).tolist() == [344]


def test_the_goal_is_seen_and_hidden_by_walls():
    env = MinilabEnv(NAME, 1, layout="*******\n*PG * *\n*******")
    env.reset()
    env.state.search.goal_x[0], env.state.search.goal_y[0] = 350, 150

    def difference(x: float, yaw: float) -> float:
        env.place(0, x, 150, yaw)
        seen = env.outputs.obs.astype(int).copy()
        env.state.search.goal_x[0] = 5000
        env.place(0, x, 150, yaw)
        env.state.search.goal_x[0] = 350
        return float(np.abs(seen - env.outputs.obs).mean())

    assert difference(150, 0) > 0.3
    assert difference(150, 180) == 0  # behind
    assert difference(550, 180) == 0  # behind the wall
    env.state.search.found[:] = True
    assert difference(150, 0) == 0  # gone when it is found


def test_training_and_evaluation_have_different_mazes():
    training, evaluation = make(), make(evaluation=True)
    ours, theirs = (
        {maze.tobytes() + spawns.tobytes() for maze, spawns in zip(mazes.cells, mazes.spawns, strict=True)}
        for mazes in (training.scene.mazes, evaluation.scene.mazes)
    )
    assert not ours & theirs  # (of the walls alone one in sixteen comes up in both)


@pytest.mark.parametrize(
    ("layout", "message"),
    [("***\n*P*\n***", "no place for the goal"), ("****\n*PG\n****", "rows of the layout have"),
     ("****\n*PG \n****", "border"), ("****\n*GG*\n****", "no spawn point")],
)  # fmt: skip
def test_bad_layouts_are_refused(layout, message):
    with pytest.raises(ValueError, match=message):
        MinilabEnv(NAME, 1, layout=layout)


def test_a_level_without_text_takes_no_layout():
    with pytest.raises(ValueError, match="not made of text"):
        MinilabEnv("seekavoid_arena_01", 1, layout="***\n*P*\n***")


def test_the_shortest_path_pays_hundreds():
    assert mean_return(NAME, episodes=8) > 150  # a human gets 267, a random policy about 8

"""What is told of the state against pictures, the experts' bearings and walks along lines of sight."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from envs.minilab.env import MinilabEnv
from envs.minilab.experts import bearing, expert_actions
from envs.minilab.facts import FACTS, facts, in_field
from envs.minilab.lasertag.arena import ALIVE, DIED, PLAYERS
from envs.minilab.levels import LEVELS, rooms_watermaze, seekavoid_arena_01

MAZES = ("explore_goal_locations_small", "nav_maze_static_02", "nav_maze_random_goal_01")


def wandered(name: str, steps: int = 40, num_envs: int = 32) -> MinilabEnv:
    """Environments after as many steps, of an expert in half of them and of chance in the others."""
    env = MinilabEnv(name, num_envs, 72, 96, seed=3)
    env.reset()
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        actions = torch.from_numpy(expert_actions(env))
        actions[::2] = torch.randint(env.num_actions, (num_envs // 2,), generator=generator)
        env.step(actions)
    return env


@pytest.mark.parametrize("name", LEVELS)
def test_every_level_says_where_the_agent_is_and_more(name: str) -> None:
    env = wandered(name, steps=4, num_envs=4)
    found = facts(env)
    assert name in FACTS and set(found) > {"position", "heading"}
    assert all(x.shape[0] == 4 and x.ndim == 2 and x.dtype in (np.float32, np.bool_) for x in found.values())
    pose = env.poses()
    assert (found["position"] == pose[:, :2]).all()
    assert np.allclose(np.degrees(np.arctan2(*found["heading"].T)), pose[:, 2], atol=1e-3)
    for key, distance in found.items():
        if "distance" in key:
            assert (distance >= 0).all()


def test_the_field_of_view_is_that_of_the_experts_bearing() -> None:
    random = np.random.default_rng(0)
    pose = np.column_stack([random.uniform(-500, 500, (50, 2)), random.uniform(-180, 180, 50)]).astype(np.float32)
    points = random.uniform(-500, 500, (1, 20, 2)).astype(np.float32)
    wanted = [[abs(bearing(p, (float(x), float(y)))) < 45 for x, y in points[0]] for p in pose]
    assert (in_field(pose, points) == np.array(wanted)).all()


def free(env: MinilabEnv, i: int, row: int, column: int) -> bool:
    """Whether one can stand in a cell."""
    if "nav_maze" in env.name:
        return row in range(env.scene.maze.walls.shape[0]) and column in range(env.scene.maze.walls.shape[1])
    cells = env.scene.mazes.cells[env.state.search.maze[i]]
    return row in range(len(cells)) and column in range(cells.shape[1]) and bool(cells[row, column])


@pytest.mark.parametrize("name", MAZES)
def test_the_goal_is_in_view_where_the_picture_shows_it(name: str) -> None:
    env = MinilabEnv(name, 300, 72, 96, seed=3)
    env.reset()
    random, search = np.random.default_rng(0), env.state.search
    for i in range(env.num_envs):
        row, column = int(search.goal_y[i]) // 100, int(search.goal_x[i]) // 100
        near = [(row + n, column + e) for n in range(-2, 3) for e in range(-2, 3) if (n, e) != (0, 0)]
        row, column = random.choice([cell for cell in near if free(env, i, *cell)])
        x, y = 100 * column + random.uniform(20, 80), 100 * row + random.uniform(20, 80)
        towards = np.degrees(np.arctan2(search.goal_y[i] - y, search.goal_x[i] - x))
        env.place(i, float(x), float(y), float(towards + random.uniform(-90, 90)))
    told, there = facts(env)["goal in view"][:, 0], env.outputs.obs.copy()
    search.found[:] = True  # then it is not drawn
    env.runner.draw(0, env.num_envs)
    shown = (there != env.outputs.obs).any(axis=(1, 2, 3))
    assert 20 < told.sum() < 200 and not facts(env)["goal in view"].any()
    assert not (told & ~shown).any()  # its middle is never in view without a pixel of it
    assert (told == shown).mean() > 0.9  # while a part of it may be in view without its middle


def test_the_goals_distance_is_that_of_the_plan() -> None:
    env = wandered("rooms_keys_doors_puzzle")
    pose, told = env.poses(), facts(env)
    for i in range(env.num_envs):
        pool, m = env.scene.puzzles, env.state.quest.puzzle[i]
        wanted = np.hypot(float(pool.goal_x[m] - pose[i, 0]), float(pool.goal_y[m] - pose[i, 1]))
        assert told["distance to the goal"][i, 0] == pytest.approx(wanted, rel=1e-5)
        assert told["key in the hand"][i, 0] == (env.state.quest.held[i] != -1)
    assert 0 < told["key in the hand"].sum() < env.num_envs


def test_each_picture_of_the_watermaze_is_in_view_where_one_looks_at_it() -> None:
    env = MinilabEnv("rooms_watermaze", 1, 24, 32, seed=0)
    env.reset()
    for k, degrees in enumerate(rooms_watermaze.PICTURE_ANGLES.values()):
        env.place(0, 0, 0, degrees + 10)
        assert facts(env)["pictures in view"][0].sum() == 2  # 45 degrees apart: one and a neighbour
        assert facts(env)["pictures in view"][0, k]
    env.place(0, float(env.state.trial.platform_x[0]) + 30, float(env.state.trial.platform_y[0]) - 40, 0)
    assert facts(env)["distance to the platform"][0, 0] == pytest.approx(50, rel=1e-4)


def test_apples_and_lemons_that_are_taken_are_not_in_view() -> None:
    env = wandered("seekavoid_arena_01")
    told, pose, taken = facts(env)["apples and lemons in view"], env.poses(), env.state.harvest.taken
    for i in range(env.num_envs):
        seen = [abs(bearing(pose[i], (float(x), float(y)))) < 45 for x, y in seekavoid_arena_01.ITEMS]
        left = [k for k in range(len(seen)) if seen[k] and not taken[i, k]]
        apples = len(seekavoid_arena_01.APPLES)
        assert told[i].tolist() == [sum(k < apples for k in left), sum(k >= apples for k in left)]


def test_an_opponent_is_in_view_where_one_walks_to_it_through_no_wall() -> None:
    env = wandered("lasertag_three_opponents_small", 60)
    told, pose, players = facts(env)["opponent in view"][:, 0], env.poses(), env.state.players
    for i in range(env.num_envs):
        wanted = False
        for j in range(PLAYERS * i + 1, PLAYERS * (i + 1)):
            x, y = float(players.body.x[j]), float(players.body.y[j])
            line = np.linspace(pose[i, :2], (x, y), 5000)
            floor = env.scene.mazes.cells[env.state.maze[i]][tuple((line // 100).astype(int).T[::-1])]
            wanted |= bool(players.facts[j, DIED] == ALIVE and abs(bearing(pose[i], (x, y))) < 45 and (floor > 0).all())
        assert told[i] == wanted
    assert 0 < told.sum() < len(told)

"""What is true of the environments right now, read from the engine's state: what a probe of an agent asks for.

Numbers are floats, answers to yes-no questions are booleans. Distances are straight lines in DeepMind Lab's units. In
view is what lies in the camera's 90 degrees with no wall in front of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from envs.minilab.env import MinilabEnv
from envs.minilab.grid import clear_line
from envs.minilab.levels import LEVELS
from envs.minilab.nav_maze.borders import clear_between_walls

Array = npt.NDArray[np.float32] | npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float32]


def facts(env: MinilabEnv) -> dict[str, Array]:
    """Facts of B environments on the CPU, each float32 or bool [B, n].

    Every level has `position` (x, y) and `heading` (sine and cosine of the yaw), those of `FACTS` have more.
    """
    pose = env.poses()  # [B, 3]
    yaw = np.radians(pose[:, 2])
    more = FACTS.get(env.name)
    common: dict[str, Array] = {"position": pose[:, :2], "heading": np.stack([np.sin(yaw), np.cos(yaw)], 1)}
    return common | ({} if more is None else more(env, pose))


def in_field(pose: Numbers, points: Numbers) -> npt.NDArray[np.bool_]:
    """Which points the camera is turned to, walls apart: poses [B, 3], points [B or 1, n, 2] -> bool [B, n]."""
    yaw = np.radians(pose[:, 2, None])
    dx, dy = points[..., 0] - pose[:, 0, None], points[..., 1] - pose[:, 1, None]  # [B, n]
    depth, side = dx * np.cos(yaw) + dy * np.sin(yaw), dx * np.sin(yaw) - dy * np.cos(yaw)
    return np.asarray(np.abs(side) < depth)


def _distance(pose: Numbers, x: Numbers, y: Numbers) -> Numbers:
    """[B, 1]."""
    return np.hypot(x - pose[:, 0], y - pose[:, 1])[:, None]


def _watermaze(env: MinilabEnv, pose: Numbers) -> dict[str, Array]:
    from envs.minilab.levels.rooms_watermaze import PICTURE_ANGLES, WALL_DISTANCES

    angles = np.radians(list(PICTURE_ANGLES.values()))
    pictures = WALL_DISTANCES[0] * np.stack([np.cos(angles), np.sin(angles)], 1)  # [8, 2]
    trial = env.state.trial
    return {
        "distance to the platform": _distance(pose, trial.platform_x, trial.platform_y),
        "pictures in view": in_field(pose, pictures[None].astype(np.float32)),  # the room is convex: nothing is hidden
    }


def _search(env: MinilabEnv, pose: Numbers, is_clear: Callable[..., bool]) -> dict[str, Array]:
    """Of the mazes with a goal; `is_clear` of (environment, x, y, goal's x, goal's y)."""
    search = env.state.search
    goals = np.stack([search.goal_x, search.goal_y], 1)[:, None]  # [B, 1, 2]
    seen = np.asarray(in_field(pose, goals) & ~search.found[:, None])  # [B, 1]
    for i in np.flatnonzero(seen):
        seen[i] = is_clear(i, pose[i, 0], pose[i, 1], search.goal_x[i], search.goal_y[i])
    return {"distance to the goal": _distance(pose, search.goal_x, search.goal_y), "goal in view": seen}


def _nav_maze(env: MinilabEnv, pose: Numbers) -> dict[str, Array]:
    walls = env.scene.maze.walls
    return _search(env, pose, lambda _, *line: clear_between_walls(walls, *line))


def _explore(env: MinilabEnv, pose: Numbers) -> dict[str, Array]:
    cells, maze = env.scene.mazes.cells, env.state.search.maze
    return _search(env, pose, lambda i, *line: clear_line(cells, maze[i], *line))


def _seekavoid(env: MinilabEnv, pose: Numbers) -> dict[str, Array]:
    from envs.minilab.levels.seekavoid_arena_01 import APPLES, ITEMS

    seen = in_field(pose, ITEMS[None]) & ~env.state.harvest.taken  # [B, 23]
    counts = [kind.sum(1, dtype=np.float32) for kind in (seen[:, : len(APPLES)], seen[:, len(APPLES) :])]
    return {"apples and lemons in view": np.stack(counts, 1)}


def _lasertag(env: MinilabEnv, pose: Numbers) -> dict[str, Array]:
    from envs.minilab.lasertag.arena import PLAYERS
    from envs.minilab.lasertag.bots import in_sight

    players, cells, maze = env.state.players, env.scene.mazes.cells, env.state.maze
    places = np.stack([players.body.x, players.body.y], 1).reshape(-1, PLAYERS, 2)[:, 1:]  # [B, bots, 2]
    seen = in_field(pose, places)
    for i, k in np.argwhere(seen):
        seen[i, k] = in_sight(PLAYERS * i, PLAYERS * i + 1 + k, maze[i], players, cells)
    return {"opponent in view": np.asarray(seen.any(1, keepdims=True))}


def _keys_doors(env: MinilabEnv, pose: Numbers) -> dict[str, Array]:
    quest, pool = env.state.quest, env.scene.puzzles
    x, y = pool.goal_x[quest.puzzle], pool.goal_y[quest.puzzle]
    return {"distance to the goal": _distance(pose, x, y), "key in the hand": np.asarray(quest.held[:, None] >= 0)}


FACTS: dict[str, Callable[[MinilabEnv, Numbers], dict[str, Array]]] = {
    "rooms_watermaze": _watermaze,
    "explore_goal_locations_small": _explore,
    "seekavoid_arena_01": _seekavoid,
    "lasertag_three_opponents_small": _lasertag,
    "rooms_keys_doors_puzzle": _keys_doors,
    **{name: _nav_maze for name in LEVELS if name.startswith("nav_maze_")},
}

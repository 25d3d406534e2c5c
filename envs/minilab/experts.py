"""Policies that look into the engine's state: how much a level pays to one who knows where everything is.

They prove that the levels can be solved and give the scores of agents something to stand beside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from envs.minilab.env import MinilabEnv
from envs.minilab.grid import EAST, NORTH, SOUTH, WEST
from envs.minilab.levels import LEVELS
from envs.minilab.nav_maze.text import steps_from
from envs.minilab.physics import ACTION_NAMES
from envs.minilab.puzzles import Puzzle, PuzzlePool, Step, floor_of, parse, solve

Cell = tuple[int, int]  # row from the south, column
Point = tuple[float, float]

FORWARD, LOOK_LEFT, LOOK_RIGHT, LEFT_FORWARD, RIGHT_FORWARD, FIRE = (
    ACTION_NAMES.index(name)
    for name in ("forward", "look_left", "look_right", "look_left_forward", "look_right_forward", "fire")
)
_RUN = [ACTION_NAMES.index(name) for name in ("forward", "strafe_left", "backward", "strafe_right")]  # by quarter turns
_HIT = 30.0  # units beside an item within which one still picks it up
_AIMED = 4.3  # degrees off a bot up to which one fires: half of what a look action turns
_STRAIGHT, _CURVE = 5.0, 30.0  # degrees off the target up to which one just runs, or runs while turning


def bearing(pose: npt.NDArray[np.float32], target: Point) -> float:
    """Degrees by which the target lies to the left of the view, in [-180, 180)."""
    angle = np.degrees(np.arctan2(target[1] - pose[1], target[0] - pose[0]))
    return float((angle - pose[2] + 180) % 360 - 180)


def steer(pose: npt.NDArray[np.float32], target: Point) -> int:
    """The action that brings one nearer to a point in the open."""
    off = bearing(pose, target)
    if abs(off) <= _STRAIGHT:
        return FORWARD
    if abs(off) <= _CURVE:
        return LEFT_FORWARD if off > 0 else RIGHT_FORWARD
    return LOOK_LEFT if off > 0 else LOOK_RIGHT


def cell_of(x: float, y: float) -> Cell:
    """The cell of a point."""
    return int(y // 100), int(x // 100)


def middle_of(cell: Cell) -> Point:
    """The middle of a cell."""
    return cell[1] * 100 + 50, cell[0] * 100 + 50


@lru_cache(maxsize=1024)
def _distances(floor: bytes, columns: int, goal: Cell) -> dict[Cell, int]:
    """Steps to the goal from every cell that it can be reached from (breadth first)."""
    passable = np.frombuffer(floor, np.bool_).reshape(-1, columns)
    steps, queue = {goal: 0}, deque([goal])
    while queue:
        row, column = here = queue.popleft()
        for there in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if there not in steps and passable[there]:
                steps[there] = steps[here] + 1
                queue.append(there)
    return steps


def walk(pose: npt.NDArray[np.float32], goal: Cell, floor: npt.NDArray[np.bool_]) -> int:
    """The action that leads to a cell by the shortest way over `floor` [R, C], whose border must be wall."""
    steps = _distances(np.ascontiguousarray(floor).tobytes(), floor.shape[1], goal)
    row, column = here = cell_of(float(pose[0]), float(pose[1]))
    beside = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    onward = min([here, *beside], key=lambda cell: steps.get(cell, 1 << 30))
    return steer(pose, middle_of(onward))


def _watermaze(env: MinilabEnv, i: int, pose: npt.NDArray[np.float32]) -> int:
    trial = env.state.trial
    return steer(pose, (float(trial.platform_x[i]), float(trial.platform_y[i])))


def _nav_maze(env: MinilabEnv, i: int, pose: npt.NDArray[np.float32]) -> int:
    """To the goal by the shortest way; apples are no concern."""
    search, walls = env.state.search, env.scene.maze.walls
    steps = _steps_from(walls.tobytes(), walls.shape[1], cell_of(float(search.goal_x[i]), float(search.goal_y[i])))
    row, column = here = cell_of(float(pose[0]), float(pose[1]))
    beside = (
        (EAST, (row, column + 1)),
        (NORTH, (row + 1, column)),
        (WEST, (row, column - 1)),
        (SOUTH, (row - 1, column)),
    )
    onward = [here, *(there for side, there in beside if not walls[here] >> side & 1)]
    return steer(pose, middle_of(min(onward, key=lambda cell: steps[cell])))


@lru_cache(maxsize=1024)
def _steps_from(walls: bytes, columns: int, goal: Cell) -> dict[Cell, int]:
    return steps_from(np.frombuffer(walls, np.uint8).reshape(-1, columns), goal)


def _explore(env: MinilabEnv, i: int, pose: npt.NDArray[np.float32]) -> int:
    search = env.state.search
    goal = cell_of(float(search.goal_x[i]), float(search.goal_y[i]))
    return walk(pose, goal, env.scene.mazes.cells[search.maze[i]] > 0)


def _seekavoid(env: MinilabEnv, i: int, pose: npt.NDArray[np.float32]) -> int:
    """The apple that is nearest, counting turns, running forwards, backwards or sideways; lemons are no concern."""
    from envs.minilab.levels.seekavoid_arena_01 import APPLES

    left = np.array(APPLES)[~env.state.harvest.taken[i, : len(APPLES)]]
    if not len(left):  # the map restarts with the next frame
        return FIRE
    distance = np.hypot(*(left - pose[:2]).T)
    off = np.array([bearing(pose, (x, y)) for x, y in left])
    quarters = np.round(off / 90)
    turn = off - 90 * quarters
    missing = np.maximum(np.abs(turn) - np.degrees(np.arctan2(_HIT, distance)), 0)
    k = np.argmin(distance + 2.4 * missing)  # turning by a degree takes as long as running 2.4 units
    if missing[k] == 0:
        return _RUN[int(quarters[k]) % 4]
    if quarters[k] == 0 and abs(turn[k]) <= _CURVE:
        return LEFT_FORWARD if turn[k] > 0 else RIGHT_FORWARD
    return LOOK_LEFT if turn[k] > 0 else LOOK_RIGHT


def _unpack(pool: PuzzlePool, m: int) -> Puzzle:
    """The puzzle again, from the arrays."""
    keys, doors = slice(pool.key_count[m]), slice(pool.door_count[m])
    cells = np.where(pool.open[m] == 1, " ", "*")
    for xs, ys, symbols in (
        (pool.spawn_x[m], pool.spawn_y[m], "P"),
        (pool.goal_x[m], pool.goal_y[m], "G"),
        (pool.key_x[m, keys], pool.key_y[m, keys], "K"),
        (pool.door_x[m, doors], pool.door_y[m, doors], np.array(["I", "H"])[pool.door_kind[m, doors]]),
    ):
        cells[ys.astype(int) // 100, xs.astype(int) // 100] = symbols
    layout = ["".join(row) for row in cells[::-1]]
    return parse(layout, pool.key_colour[m, keys].tolist(), pool.door_colour[m, doors].tolist(), core_length=0)


@lru_cache(maxsize=1024)
def _solution(puzzle: Puzzle) -> list[Step]:
    steps = solve(puzzle)
    assert steps is not None, "the puzzle cannot be solved"
    return steps


def _keys_doors(env: MinilabEnv, i: int, pose: npt.NDArray[np.float32]) -> int:
    """Do the first part of the shortest solution that is not done, keeping off closed doors and other keys."""
    quest = env.state.quest
    puzzle = _unpack(env.scene.puzzles, int(quest.puzzle[i]))
    left = [(key.row, key.col) for key, taken in zip(puzzle.keys, quest.key_taken[i], strict=False) if not taken]
    left += [(door.row, door.col) for door, at in zip(puzzle.doors, quest.door_opened[i], strict=False) if at < 0]
    goal = puzzle.goal.row, puzzle.goal.col
    target = next(cell for step in _solution(puzzle) if (cell := (step.row, step.col)) in [*left, goal])
    floor = floor_of(puzzle).astype(np.bool_)
    for cell in left:
        floor[cell] = cell == target
    return walk(pose, target, floor)


def _lasertag(env: MinilabEnv, i: int, pose: npt.NDArray[np.float32]) -> int:
    """Turn to the bot in sight that is nearest to the cross-hair and fire; else walk to the nearest."""
    from envs.minilab.lasertag.arena import PLAYERS, is_alive
    from envs.minilab.lasertag.bots import in_sight

    players, cells, m = env.state.players, env.scene.mazes.cells, env.state.maze[i]
    agent = PLAYERS * i
    bots = [j for j in range(agent + 1, agent + PLAYERS) if is_alive(j, players)]
    if not bots or not is_alive(agent, players):
        return FIRE
    places = {j: (float(players.body.x[j]), float(players.body.y[j])) for j in bots}
    seen = [bearing(pose, places[j]) for j in bots if in_sight(agent, j, m, players, cells)]
    if seen:
        off = min(seen, key=abs)
        return FIRE if abs(off) <= _AIMED else LOOK_LEFT if off > 0 else LOOK_RIGHT
    nearest = min(places.values(), key=lambda place: np.hypot(place[0] - pose[0], place[1] - pose[1]))
    return walk(pose, cell_of(*nearest), cells[m] > 0)


EXPERTS: dict[str, Callable[[MinilabEnv, int, npt.NDArray[np.float32]], int]] = {
    "rooms_watermaze": _watermaze,
    "explore_goal_locations_small": _explore,
    "seekavoid_arena_01": _seekavoid,
    "lasertag_three_opponents_small": _lasertag,
    "rooms_keys_doors_puzzle": _keys_doors,
    **{name: _nav_maze for name in LEVELS if name.startswith("nav_maze_")},
}


def expert_actions(env: MinilabEnv) -> npt.NDArray[np.int64]:
    """One action for each environment (on the CPU) by the expert of its level, int64 [B]."""
    expert, poses = EXPERTS[env.name], env.poses()
    return np.array([expert(env, i, poses[i]) for i in range(env.num_envs)])

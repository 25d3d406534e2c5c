"""explore_goal_locations_small: a new maze each episode, and one goal in it to find again and again.

Rules and numbers from DeepMind Lab's script (docs/minilab.md). Touching the goal pays and restarts the map: the same
maze and goal, the agent somewhere else.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from envs.config import Textures
from envs.minilab import rng
from envs.minilab.counts import FIND_COUNTS, Counts, begin_finds, count_search, new_counts
from envs.minilab.grid import CELL, draw_maze_column, middle_of, slide_in_grid
from envs.minilab.jit import device_function
from envs.minilab.levels import PlanShape
from envs.minilab.maze_generator import Rooms
from envs.minilab.mazes import FIRST_FREE, SKY, SURFACES, Mazes, maze_textures, new_pool, pool_of_layout
from envs.minilab.physics import ACTION_REPEAT, ACTIONS, EYE_HEIGHT, accelerate, place_body, touches_item, turn
from envs.minilab.plans import Cells, maze_plan, ring
from envs.minilab.render import Obs, draw_sky, row_of
from envs.minilab.sprites import goal
from envs.minilab.state import Body, BoolArray, Float32Array, Int32Array, Outputs, new_body
from envs.minilab.textures import Atlas, build_atlas
from envs.minilab.view import COSINE, EYE, SINE, View, add_item, draw_panels, look

__all__ = ["SURFACES"]

EPISODE_FRAMES = 5400
COUNTS = FIND_COUNTS
REWARD = np.float32(10)
ROOMS = Rooms(rooms=4, extra_connections=0.0, variations=1, spawns=5, objects=4)
PANELS = 1
SHOWCASE = (
    (150.0, 250.0, 0.0), (150.0, 250.0, 90.0), (250.0, 350.0, 45.0), (550.0, 550.0, 90.0),
    (350.0, 350.0, 90.0), (350.0, 350.0, 180.0), (750.0, 550.0, 117.0), (250.0, 250.0, 30.0),
)  # fmt: skip
_GOAL = FIRST_FREE
_GOAL_WIDTH = np.float32(46)
_GOAL_BOTTOM = np.float32(2)
_ZERO = np.float32(0)


class Search(NamedTuple):
    """The level's own state."""

    maze: Int32Array  # [B] number in the pool
    goal_x: Float32Array  # [B]
    goal_y: Float32Array  # [B]
    found: BoolArray  # [B] the map restarts with the next frame


class ExploreState(NamedTuple):
    """Everything that changes."""

    streams: rng.Streams
    body: Body
    search: Search
    counts: Counts


class Scene(NamedTuple):
    """Everything that does not."""

    mazes: Mazes
    atlas: Atlas


def new_state(streams: rng.Streams) -> ExploreState:
    """State for as many environments as `streams` has."""
    num_envs = len(streams.episode)
    x, y = np.zeros(num_envs, np.float32), np.zeros(num_envs, np.float32)
    search = Search(np.zeros(num_envs, np.int32), x, y, np.zeros(num_envs, np.bool_))
    return ExploreState(streams, new_body(num_envs), search, new_counts(num_envs, COUNTS))


@cache
def new_scene(*, evaluation: bool = False, textures: Textures = "drawn") -> Scene:
    """The pool of mazes and their textures."""
    return Scene(new_pool(ROOMS, evaluation=evaluation), _new_atlas(textures))


def scene_of_layout(layout: str, *, textures: Textures = "drawn") -> Scene:
    """A pool of the one maze in a text."""
    mazes = pool_of_layout(layout)
    if not mazes.object_count[0]:
        raise ValueError("the layout has no place for the goal (G)")
    return Scene(mazes, _new_atlas(textures))


@cache
def _new_atlas(textures: Textures) -> Atlas:
    return build_atlas([*maze_textures(textures), goal()])


@device_function
def spawn(i: int, state: ExploreState, scene: Scene) -> None:
    """Put the agent on one of the spawn points, all of which the goal can be reached from."""
    mazes, streams, m = scene.mazes, state.streams, state.search.maze[i]
    place = rng.below(streams, i, mazes.spawn_count[m])
    x, y = middle_of(mazes.spawns[m, place, 1]), middle_of(mazes.spawns[m, place, 0])
    place_body(state.body, i, x, y, rng.yaw(streams, i))
    state.search.found[i] = False


@device_function
def begin_episode(i: int, state: ExploreState, scene: Scene) -> None:
    """Another maze, a goal in it, and the agent."""
    streams, search, mazes = state.streams, state.search, scene.mazes
    rng.next_episode(streams, i)
    begin_finds(i, state.counts)
    m = rng.below(streams, i, mazes.cells.shape[0])
    place = rng.below(streams, i, mazes.object_count[m])
    search.maze[i] = m
    search.goal_x[i], search.goal_y[i] = middle_of(mazes.objects[m, place, 1]), middle_of(mazes.objects[m, place, 0])
    state.body.frame[i] = 0
    state.body.eye[i] = EYE_HEIGHT
    spawn(i, state, scene)


@device_function
def step_one(i: int, action: int, state: ExploreState, scene: Scene, out: Outputs) -> None:
    """One agent step (four engine frames) of environment i."""
    body, search = state.body, state.search
    right, forward, left = ACTIONS[action, 0], ACTIONS[action, 1], ACTIONS[action, 2]
    reward = _ZERO
    for _ in range(ACTION_REPEAT):
        if search.found[i]:
            spawn(i, state, scene)
        turn(body, i, left)
        accelerate(body, i, right, forward)
        slide_in_grid(body, i, scene.mazes.cells, search.maze[i])
        search.found[i] = touches_item(body, i, search.goal_x[i], search.goal_y[i])
        count_search(i, search.found[i], state.counts)
        if search.found[i]:
            reward += REWARD
    body.frame[i] += ACTION_REPEAT
    out.reward[i] = reward
    out.terminated[i] = False
    out.truncated[i] = body.frame[i] >= EPISODE_FRAMES


@device_function
def arrange(i: int, state: ExploreState, scene: Scene, view: View) -> None:
    """The camera and the goal."""
    look(view, i, state.body, i)
    search = state.search
    if not search.found[i]:
        top = _GOAL_BOTTOM + _GOAL_WIDTH
        add_item(view, i, search.goal_x[i], search.goal_y[i], _GOAL_WIDTH, top, _GOAL_BOTTOM, _GOAL)


@device_function
def draw_column(
    i: int, column: int, screen: np.float32, hint: int, state: ExploreState, scene: Scene, view: View, obs: Obs
) -> int:
    """One column of environment i's picture."""
    mazes, atlas, camera, m = scene.mazes, scene.atlas, view.camera, state.search.maze[i]
    cosine, sine = camera[i, COSINE], camera[i, SINE]
    depth = draw_maze_column(obs, i, column, screen, view, mazes.cells, mazes.surfaces, mazes.decals, m, atlas)
    sky = row_of(obs, camera[i, EYE] - CELL, depth)
    draw_sky(obs, i, column, sky, cosine + screen * sine, sine - screen * cosine, atlas, SKY)
    draw_panels(obs, i, column, screen, depth, view, atlas)
    return hint


def open_cells(i: int, state: ExploreState, scene: Scene) -> Cells:
    """The cells that are no wall."""
    return Cells(scene.mazes.cells[state.search.maze[i]] > 0)


def plan(i: int, state: ExploreState, scene: Scene) -> list[PlanShape]:
    """Environment i from above: the maze, its spawn points, the goal."""
    search = state.search
    goal_shape = PlanShape(ring(float(search.goal_x[i]), float(search.goal_y[i]), 30, 12), (60, 220, 60))
    return [*maze_plan(scene.mazes, int(search.maze[i])), goal_shape]

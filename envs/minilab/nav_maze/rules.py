"""What the navigation mazes have in common: state, rules and picture.

Rules from DeepMind Lab's scripts (docs/levels.md). An apple pays 1 and stays away; the goal pays 10 and restarts the
map: all apples are back and the agent is somewhere else. Whether the goal and the apples are drawn anew for each
episode is the scene's to say: where there is but one goal and as many places as apples, nothing is left to draw.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from envs.config import Textures
from envs.minilab import rng
from envs.minilab.counts import FIND_COUNTS, Counts, add, begin_finds, count_search, new_counts
from envs.minilab.decals import decal
from envs.minilab.grid import middle_of
from envs.minilab.jit import device_function
from envs.minilab.levels import PlanShape
from envs.minilab.nav_maze.borders import Borders, draw_bordered_column, slide_between_walls
from envs.minilab.nav_maze.text import SIDES, MazeText, Places, places_of, walls_of
from envs.minilab.physics import ACTION_REPEAT, ACTIONS, EYE_HEIGHT, accelerate, place_body, touches_item, turn
from envs.minilab.plans import Cells, ring
from envs.minilab.render import Obs, backdrop, fill, row_of
from envs.minilab.sprites import apple, goal
from envs.minilab.state import Body, BoolArray, Float32Array, Int32Array, Outputs, new_body
from envs.minilab.textures import Atlas, build_atlas, surface
from envs.minilab.view import EYE, View, add_item, draw_panels, look

COUNTS = (*FIND_COUNTS, "apples")
FRAMES_PER_SECOND = 60
_APPLE_REWARD, _GOAL_REWARD = np.float32(1), np.float32(10)
_WALL_HEIGHT = np.float32(99)
BACKDROP = np.uint32(150 | 224 << 8 | 255 << 16)  # of a ceiling in one colour
_APPLE, _GOAL, _PAPERS = 1, 2, 3  # places in the atlas; 0 is no picture
_APPLE_WIDTH, _APPLE_TOP, _APPLE_BOTTOM = np.float32(25), np.float32(45), np.float32(15)
_GOAL_WIDTH, _GOAL_TOP, _GOAL_BOTTOM = np.float32(46), np.float32(48), np.float32(2)
_ZERO = np.float32(0)
_APPLES_TAKEN = len(FIND_COUNTS)  # place in COUNTS


class Search(NamedTuple):
    """The levels' own state, of B environments with K apples each."""

    goal: Int32Array  # [B] its number in `Places`
    goal_x: Float32Array  # [B]
    goal_y: Float32Array  # [B]
    apple_x: Float32Array  # [B, K]
    apple_y: Float32Array  # [B, K]
    taken: BoolArray  # [B, K]
    found: BoolArray  # [B] the map restarts with the next frame


class MazeState(NamedTuple):
    """Everything that changes."""

    streams: rng.Streams
    body: Body
    search: Search
    counts: Counts


class Scene(NamedTuple):
    """Everything that does not."""

    maze: Borders
    places: Places
    frames: Int32Array  # [1] of an episode
    atlas: Atlas


def new_state(streams: rng.Streams, *, apples: int) -> MazeState:
    """State for as many environments as `streams` has."""
    num_envs = len(streams.episode)
    x, y = np.zeros(num_envs, np.float32), np.zeros(num_envs, np.float32)
    apple_x, apple_y = (np.zeros((num_envs, apples), np.float32) for _ in range(2))
    taken, found = np.zeros((num_envs, apples), np.bool_), np.zeros(num_envs, np.bool_)
    search = Search(np.zeros(num_envs, np.int32), x, y, apple_x, apple_y, taken, found)
    return MazeState(streams, new_body(num_envs), search, new_counts(num_envs, COUNTS))


def new_scene(text: MazeText, *, evaluation: bool = False, textures: Textures = "drawn") -> Scene:
    """A maze and what it is papered with, the same for training and evaluation."""
    del evaluation
    return _new_scene(text, textures)


def surfaces_of(text: MazeText) -> str:
    """What the textures are, see `levels.Level`."""
    walls, floors = (len({pair[k] for pair in text.papers}) for k in (0, 1))
    return "." * _PAPERS + "w" * walls + "f" * floors


@cache
def _new_scene(text: MazeText, textures: Textures) -> Scene:
    walls = walls_of(text.layout)
    looks = np.array([[int(digit) for digit in row] for row in text.looks.split()[::-1]])
    wall_papers, floor_papers = (sorted({pair[k] for pair in text.papers}) for k in (0, 1))
    style, numbers = f"style_{text.style:02}", sorted({number for *_, number, _ in text.pictures})
    images = [apple(), apple(), goal()]
    images += [surface(textures, "wall", style, colour) for colour in wall_papers]
    images += [surface(textures, "floor", style, colour) for colour in floor_papers]
    first_picture = len(images)
    first_floor = _PAPERS + len(wall_papers)
    of = [(_PAPERS + wall_papers.index(w), first_floor + floor_papers.index(f)) for w, f in text.papers]
    pictures = np.zeros((*walls.shape, 4, 2), np.uint8)
    for row, column, side, number, width in text.pictures:
        pictures[row, column, SIDES[side]] = first_picture + numbers.index(number), width
    maze = Borders(walls, np.array(of, np.uint8)[looks], pictures)
    atlas = build_atlas([*images, *(decal(number) for number in numbers)])
    return Scene(maze, places_of(text.layout), np.array([text.seconds * FRAMES_PER_SECOND], np.int32), atlas)


@device_function
def begin_round(i: int, state: MazeState, scene: Scene) -> None:
    """All apples are back, and the agent on a place to start from."""
    search, streams, places = state.search, state.streams, scene.places
    for k in range(search.taken.shape[1]):
        search.taken[i, k] = False
    search.found[i] = False
    g = search.goal[i]
    place = rng.below(streams, i, places.start_count[g])
    x, y = middle_of(places.starts[g, place, 1]), middle_of(places.starts[g, place, 0])
    place_body(state.body, i, x, y, rng.yaw(streams, i))


@device_function
def begin_episode(i: int, state: MazeState, scene: Scene) -> None:
    """Draw the goal and the apples, all choices equally likely, and begin the first round."""
    search, streams, places = state.search, state.streams, scene.places
    rng.next_episode(streams, i)
    begin_finds(i, state.counts)
    state.body.frame[i] = 0
    state.body.eye[i] = EYE_HEIGHT
    g = rng.below(streams, i, places.goals.shape[0])
    search.goal[i] = g
    search.goal_x[i], search.goal_y[i] = middle_of(places.goals[g, 1]), middle_of(places.goals[g, 0])
    lying, wanted, count = 0, search.taken.shape[1], places.fruit_count[g]
    for place in range(count):
        if rng.below(streams, i, count - place) < wanted - lying:
            search.apple_x[i, lying] = middle_of(places.fruit[g, place, 1])
            search.apple_y[i, lying] = middle_of(places.fruit[g, place, 0])
            lying += 1
    begin_round(i, state, scene)


@device_function
def step_one(i: int, action: int, state: MazeState, scene: Scene, out: Outputs) -> None:
    """One agent step (four engine frames) of environment i."""
    body, search = state.body, state.search
    right, forward, left = ACTIONS[action, 0], ACTIONS[action, 1], ACTIONS[action, 2]
    reward = _ZERO
    for _ in range(ACTION_REPEAT):
        if search.found[i]:
            begin_round(i, state, scene)
        turn(body, i, left)
        accelerate(body, i, right, forward)
        slide_between_walls(body, i, scene.maze.walls)
        for k in range(search.taken.shape[1]):
            if not search.taken[i, k] and touches_item(body, i, search.apple_x[i, k], search.apple_y[i, k]):
                search.taken[i, k] = True
                add(i, _APPLES_TAKEN, state.counts)
                reward += _APPLE_REWARD
        search.found[i] = touches_item(body, i, search.goal_x[i], search.goal_y[i])
        count_search(i, search.found[i], state.counts)
        if search.found[i]:
            reward += _GOAL_REWARD
    body.frame[i] += ACTION_REPEAT
    out.reward[i] = reward
    out.terminated[i] = False
    out.truncated[i] = body.frame[i] >= scene.frames[0]


@device_function
def arrange(i: int, state: MazeState, scene: Scene, view: View) -> None:
    """The camera, the goal and the apples that are left."""
    look(view, i, state.body, i)
    search = state.search
    if not search.found[i]:
        add_item(view, i, search.goal_x[i], search.goal_y[i], _GOAL_WIDTH, _GOAL_TOP, _GOAL_BOTTOM, _GOAL)
    for k in range(search.taken.shape[1]):
        if not search.taken[i, k]:
            x, y = search.apple_x[i, k], search.apple_y[i, k]
            add_item(view, i, x, y, _APPLE_WIDTH, _APPLE_TOP, _APPLE_BOTTOM, _APPLE)


@device_function
def draw_column(
    i: int, column: int, screen: np.float32, hint: int, state: MazeState, scene: Scene, view: View, obs: Obs
) -> int:
    """One column of environment i's picture."""
    atlas = scene.atlas
    depth = draw_bordered_column(obs, i, column, screen, view, scene.maze, _WALL_HEIGHT, atlas)
    fill(obs, i, column, 0, row_of(obs, view.camera[i, EYE] - _WALL_HEIGHT, depth), backdrop(atlas, i, BACKDROP))
    draw_panels(obs, i, column, screen, depth, view, atlas)
    return hint


def open_cells(i: int, state: MazeState, scene: Scene) -> Cells:
    """All cells: walls stand between them."""
    return Cells(np.ones(scene.maze.walls.shape, np.bool_))


def plan(i: int, state: MazeState, scene: Scene) -> list[PlanShape]:
    """Environment i from above: walls, the apples that are left, the goal."""
    search, walls = state.search, scene.maze.walls
    rows, columns = walls.shape
    shapes = [PlanShape([(0, 0), (100 * columns, 0), (100 * columns, 100 * rows), (0, 100 * rows)], (200, 160, 110))]
    for (row, column), bits in np.ndenumerate(walls):
        x, y = 100 * column, 100 * row
        for side, (left, bottom, right, top) in enumerate(
            (
                (x + 95, y, x + 105, y + 100),
                (x, y + 95, x + 100, y + 105),
                (x - 5, y, x + 5, y + 100),
                (x, y - 5, x + 100, y + 5),
            )
        ):
            if bits >> side & 1:
                shapes.append(PlanShape([(left, bottom), (right, bottom), (right, top), (left, top)], (60, 90, 60)))
    for k in np.flatnonzero(~search.taken[i]):
        apple_place = float(search.apple_x[i, k]), float(search.apple_y[i, k])
        shapes.append(PlanShape(ring(*apple_place, 20, 12), (220, 30, 30)))
    goal_place = float(search.goal_x[i]), float(search.goal_y[i])
    return [*shapes, PlanShape(ring(*goal_place, 30, 12), (60, 220, 60))]

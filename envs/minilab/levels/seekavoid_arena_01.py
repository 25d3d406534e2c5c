"""seekavoid_arena_01: one arena with fifteen apples to gather and eight lemons to leave alone.

Places and rules from DeepMind Lab's map (docs/minilab.md). When the last apple is taken the map restarts: everything
is back and the agent on its spawn point, while the clock runs on.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from envs.config import Textures
from envs.minilab import rng
from envs.minilab.counts import Counts, add, begin_counts, new_counts
from envs.minilab.jit import device_function
from envs.minilab.levels import PlanShape
from envs.minilab.physics import (
    ACTION_REPEAT,
    ACTIONS,
    EYE_HEIGHT,
    Room,
    accelerate,
    new_room,
    place_body,
    slide_in_room,
    touches_item,
    turn,
)
from envs.minilab.plans import Cells, cells_of_room, ring
from envs.minilab.render import Obs, cast_in_room, draw_plane, draw_sky, draw_strip, row_of
from envs.minilab.sprites import apple, lemon
from envs.minilab.stands import stands
from envs.minilab.state import Body, BoolArray, Int32Array, Outputs, new_body
from envs.minilab.textures import Atlas, Image, build_atlas, sky, surface
from envs.minilab.view import COSINE, EYE, SINE, View, X, Y, add_item, draw_panels, look

EPISODE_FRAMES = 1200
COUNTS = ("apples", "lemons")
EAST, NORTH, WEST, SOUTH = 1016, 568, -568, -760  # the walls' faces
WALL_HEIGHT = np.float32(192)
SPAWN = (np.float32(192), np.float32(-128))
APPLES = (
    (288, -128), (384, -240), (64, -160), (48, 56), (368, 80), (352, -24), (272, 64), (72, -288), (-56, -48),
    (288, -312), (128, 144), (480, -216), (-120, -224), (-64, -440), (432, 104),
)  # fmt: skip
LEMONS = ((8, -360), (296, -208), (392, -88), (-48, -136), (144, 24), (240, -424), (-56, 88), (232, 176))
ITEMS = np.array(APPLES + LEMONS, np.float32)  # [23, 2], apples first
PANELS = len(ITEMS)
SURFACES = "sssswf"
SHOWCASE = (
    (192.0, -128.0, 0.0), (192.0, -128.0, 90.0), (192.0, -128.0, 180.0), (192.0, -128.0, 270.0),
    (200.0, -170.0, 340.0), (900.0, 400.0, 225.0), (-500.0, -700.0, 45.0), (280.0, -80.0, 140.0),
)  # fmt: skip
_APPLES_TAKEN, _LEMONS_TAKEN = range(2)  # places in COUNTS
_NUM_APPLES = len(APPLES)
MEASURES = (36.0, 38.0, 2.0, 36.0, 38.0, 2.0)  # width, top and bottom of apples, then of lemons
ENGINE_MEASURES = (25.0, 45.0, 15.0, 36.0, 52.5, 7.5)  # a lemon of 31 by 27 does not fill its picture
ENGINE_COLOURS = {4: (38, 138, 174), 5: (170, 131, 45), 6: (103, 33, 26), 7: (150, 165, 50)}
_TILE = np.float32(128)
_SKY, _WALL, _FLOOR, _APPLE, _LEMON = 0, 4, 5, 6, 7
_ZERO = np.float32(0)
_ONE = np.float32(1)


class Harvest(NamedTuple):
    """The level's own state."""

    taken: BoolArray  # [B, 23] apples, then lemons
    apples_left: Int32Array  # [B]


class SeekavoidState(NamedTuple):
    """Everything that changes."""

    streams: rng.Streams
    body: Body
    harvest: Harvest
    counts: Counts


class Scene(NamedTuple):
    """Everything that does not."""

    room: Room
    atlas: Atlas


def new_state(streams: rng.Streams) -> SeekavoidState:
    """State for as many environments as `streams` has."""
    num_envs = len(streams.episode)
    harvest = Harvest(np.zeros((num_envs, len(ITEMS)), np.bool_), np.zeros(num_envs, np.int32))
    return SeekavoidState(streams, new_body(num_envs), harvest, new_counts(num_envs, COUNTS))


@cache
def new_scene(*, evaluation: bool = False, textures: Textures = "drawn") -> Scene:
    """The arena and its textures, the same for training and evaluation."""
    del evaluation
    angles = np.array([0, 90, 180, 270], np.float32)
    room = new_room(angles, np.array([EAST, NORTH, -WEST, -SOUTH], np.float32), np.full(4, -1, np.int32))
    surfaces = [surface(textures, "wall", "style_01", "green"), surface(textures, "floor", "style_01", "orange")]
    return Scene(room, build_atlas([*sky(textures), *surfaces, apple(), lemon()]))


def engine_images() -> dict[int, Image]:
    """A stadium's stands in place of the sky."""
    return dict.fromkeys(range(_SKY, _WALL), stands())


@device_function
def begin_round(i: int, state: SeekavoidState) -> None:
    """All items are back, and the agent where it began."""
    harvest = state.harvest
    for k in range(ITEMS.shape[0]):
        harvest.taken[i, k] = False
    harvest.apples_left[i] = _NUM_APPLES
    place_body(state.body, i, SPAWN[0], SPAWN[1], rng.yaw(state.streams, i))


@device_function
def begin_episode(i: int, state: SeekavoidState, scene: Scene) -> None:
    """The first round."""
    rng.next_episode(state.streams, i)
    begin_counts(i, state.counts)
    state.body.frame[i] = 0
    state.body.eye[i] = EYE_HEIGHT
    begin_round(i, state)


@device_function
def gather(i: int, state: SeekavoidState) -> np.float32:
    """Take what the body touches; returns the reward."""
    harvest, reward = state.harvest, _ZERO
    for k in range(ITEMS.shape[0]):
        if not harvest.taken[i, k] and touches_item(state.body, i, ITEMS[k, 0], ITEMS[k, 1]):
            harvest.taken[i, k] = True
            if k < _NUM_APPLES:
                harvest.apples_left[i] -= 1
                add(i, _APPLES_TAKEN, state.counts)
                reward += _ONE
            else:
                add(i, _LEMONS_TAKEN, state.counts)
                reward -= _ONE
    return reward


@device_function
def step_one(i: int, action: int, state: SeekavoidState, scene: Scene, out: Outputs) -> None:
    """One agent step (four engine frames) of environment i."""
    body = state.body
    right, forward, left = ACTIONS[action, 0], ACTIONS[action, 1], ACTIONS[action, 2]
    reward = _ZERO
    for _ in range(ACTION_REPEAT):
        if state.harvest.apples_left[i] == 0:  # the map restarts with the frame after the last apple
            begin_round(i, state)
        turn(body, i, left)
        accelerate(body, i, right, forward)
        slide_in_room(body, i, scene.room)
        reward += gather(i, state)
    body.frame[i] += ACTION_REPEAT
    out.reward[i] = reward
    out.terminated[i] = False
    out.truncated[i] = body.frame[i] >= EPISODE_FRAMES


@device_function
def arrange(i: int, state: SeekavoidState, scene: Scene, view: View) -> None:
    """The camera and the items that are left."""
    look(view, i, state.body, i)
    for k in range(ITEMS.shape[0]):
        if not state.harvest.taken[i, k]:
            texture, first = (_APPLE, 0) if k < _NUM_APPLES else (_LEMON, 3)
            width, top, bottom = view.measures[first], view.measures[first + 1], view.measures[first + 2]
            add_item(view, i, ITEMS[k, 0], ITEMS[k, 1], width, top, bottom, texture)


@device_function
def draw_column(
    i: int, column: int, screen: np.float32, hint: int, state: SeekavoidState, scene: Scene, view: View, obs: Obs
) -> int:
    """One column of environment i's picture; the hint is the wall behind the column beside it."""
    atlas, room, camera = scene.atlas, scene.room, view.camera
    x, y, eye, cosine, sine = camera[i, X], camera[i, Y], camera[i, EYE], camera[i, COSINE], camera[i, SINE]
    ray_x, ray_y = cosine + screen * sine, sine - screen * cosine
    depth, wall = cast_in_room(room, x, y, ray_x, ray_y, hint)
    along = room.normal_y[wall] * (x + depth * ray_x) - room.normal_x[wall] * (y + depth * ray_y)
    draw_sky(obs, i, column, row_of(obs, eye - WALL_HEIGHT, depth), ray_x, ray_y, atlas, _SKY)
    draw_strip(obs, i, column, eye, depth, WALL_HEIGHT, _ZERO, atlas, _WALL, along / _TILE, _TILE)
    floor = row_of(obs, eye, depth)
    draw_plane(obs, i, column, floor, obs.shape[1], eye, x, y, ray_x, ray_y, atlas, _FLOOR, _TILE)
    draw_panels(obs, i, column, screen, depth, view, atlas)
    return wall


def open_cells(i: int, state: SeekavoidState, scene: Scene) -> Cells:
    """The cells of the room."""
    return cells_of_room(scene.room)


def plan(i: int, state: SeekavoidState, scene: Scene) -> list[PlanShape]:
    """Environment i from above: the arena, apples and lemons that are left, the spawn point."""
    corners: list[tuple[float, float]] = [(WEST, SOUTH), (EAST, SOUTH), (EAST, NORTH), (WEST, NORTH)]
    shapes = [PlanShape(corners, (200, 130, 70))]
    for k, (x, y) in enumerate(ITEMS.tolist()):
        if not state.harvest.taken[i, k]:
            shapes.append(PlanShape(ring(x, y, 20, 12), (220, 30, 30) if k < _NUM_APPLES else (250, 230, 60)))
    return [*shapes, PlanShape(ring(float(SPAWN[0]), float(SPAWN[1]), 10, 8), (235, 240, 255))]

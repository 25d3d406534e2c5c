"""rooms_watermaze: Morris' water maze. Numbers from DeepMind Lab's map and script (docs/minilab.md).

A round room with eight pictures on its wall; somewhere under the water lies a platform. Touching it lifts and holds
the agent for five rewards, one about every second; then the agent starts again from somewhere along the wall while the
platform stays where it is until the episode ends.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from envs.config import Textures
from envs.minilab import rng
from envs.minilab.counts import FIND_COUNTS, Counts, begin_finds, count_search, new_counts
from envs.minilab.items import draw_octagon
from envs.minilab.jit import device_function
from envs.minilab.levels import PlanShape
from envs.minilab.physics import (
    ACTION_REPEAT,
    ACTIONS,
    EYE_HEIGHT,
    FRAME_MS,
    Room,
    accelerate,
    new_room,
    place_body,
    slide_in_room,
    turn,
)
from envs.minilab.pictures import PICTURES, draw_pale_picture, draw_picture
from envs.minilab.plans import Cells, cells_of_room, ring, square
from envs.minilab.render import Obs, backdrop, cast_in_room, draw_plane, draw_strip, fill, row_of
from envs.minilab.state import Body, Float32Array, Int32Array, Outputs, new_body
from envs.minilab.textures import Atlas, Image, build_atlas, pack, surface
from envs.minilab.view import COSINE, EYE, SINE, View, X, Y, look

EPISODE_FRAMES = 7200
COUNTS = FIND_COUNTS
PANELS = 0
CEILING = np.float32(192)
WATER = np.float32(16)  # the agent walks on the water

PLATFORM_APOTHEM = np.float32(64)
PLATFORM_DISC = np.float32(580)  # its centre lies uniformly in this disc
PLATFORM_DOWN = np.float32(14)  # height of its top
PLATFORM_UP = np.float32(94)
PLATFORM_SPEED = np.float32(0.7)  # units per engine millisecond
TOUCH_STRAIGHT = np.float32(79)  # the player's box touches the octagon when |dx|, |dy| and |dx| + |dy| are below
TOUCH_DIAGONAL = np.float32(120)

HOLD_PERIOD_MS = 100  # how often the agent is put back on the centre, first 50 ms after the touch
RISE_MS = 160  # from touch to the start of the rise
FIRST_PULSE_MS = 250  # from touch to the first reward
PULSE_PERIOD_MS = 1000
EXTRA_PULSE_MS = 50
REWARDS = 5  # the pulse after these ends the trial
# The map's timer has a faulty random field: a pulse may bring another one, the likelier the longer the trial.
EXTRA_PULSE_SCALE_MS = np.float32(200_000)

SPAWNS = np.array(
    [(-488, 488), (-728, 0), (-496, -496), (0, -712), (504, -504), (712, 0), (504, 504), (0, 720)], np.float32
)
# Directions of the pictures' walls, degrees from east; every second wall of the sixteen carries one.
PICTURE_ANGLES = {
    "circle": 0, "triangle": 45, "square": 90, "diamond": 135, "clover": 180, "hexagon": 225, "arch": 270, "star": 315,
}  # fmt: skip
# The faces of the walls lie at these distances, on the axes, 22.5 and 45 degrees off them (from recorded positions).
WALL_DISTANCES = (760.0, 760.86, 759.43, 760.86)
SHOWCASE = (
    (0.0, 0.0, 22.5), (0.0, 0.0, 112.5), (0.0, 0.0, 202.5), (0.0, 0.0, 292.5),
    (600.0, 0.0, 0.0), (-700.0, 0.0, 0.0), (60.0, -640.0, 240.0), (690.0, -220.0, 100.0),
)  # fmt: skip
PICTURE_SIZE = np.float32(144)
PICTURE_HEIGHT = np.float32(96)  # of its centre
ENGINE_COLOURS = {0: (47, 107, 240), 1: (74, 134, 192)}  # wall and water, as measured
# The arch's, which no recorded frame shows, is ours.
ENGINE_PICTURES = {
    "arch": (150, 75, 30), "circle": (110, 145, 50), "clover": (180, 130, 20), "square": (85, 60, 160),
    "hexagon": (44, 99, 151), "triangle": (100, 50, 60), "diamond": (40, 175, 165), "star": (110, 30, 120),
}  # fmt: skip
WALL_TILE = np.float32(192)
FLOOR_TILE = np.float32(256)
SURFACES = "wff"
_BACKDROPS = pack(np.array([(168, 214, 245), (150, 224, 255)], np.uint8))
BACKDROP = np.uint32(_BACKDROPS[0])
# How far the pictures stand off the wall, and the sky's colour: a float32 holds its 24 bits exactly.
MEASURES = (0.0, float(_BACKDROPS[0] & 0xFFFFFF))
ENGINE_MEASURES = (12.0, float(_BACKDROPS[1] & 0xFFFFFF))

_WALL, _FLOOR, _PLATFORM, _FIRST_PICTURE = 0, 1, 2, 3
_ZERO = np.float32(0)
_HALF, _ONE = np.float32(0.5), np.float32(1)
_EDGE = np.float32(0.99)  # of a picture, in its frame
_TURN = np.float32(2 * math.pi)


class Trial(NamedTuple):
    """The level's own state: from one spawn to the next."""

    platform_x: Float32Array  # [B]
    platform_y: Float32Array  # [B]
    age_ms: Int32Array  # [B] engine milliseconds since the spawn
    touch_ms: Int32Array  # [B] engine milliseconds since the platform was touched, -1 before
    pulse_ms: Int32Array  # [B] value of `touch_ms` at which the next pulse is due
    pulses: Int32Array  # [B] pulses so far


class WatermazeState(NamedTuple):
    """Everything that changes."""

    streams: rng.Streams
    body: Body
    trial: Trial
    counts: Counts


class Scene(NamedTuple):
    """Everything that does not."""

    room: Room
    atlas: Atlas


def new_state(streams: rng.Streams) -> WatermazeState:
    """State for as many environments as `streams` has."""
    num_envs = len(streams.episode)
    x, y = np.zeros(num_envs, np.float32), np.zeros(num_envs, np.float32)
    age, touch, pulse, pulses = (np.zeros(num_envs, np.int32) for _ in range(4))
    trial = Trial(x, y, age, touch, pulse, pulses)
    return WatermazeState(streams, new_body(num_envs), trial, new_counts(num_envs, COUNTS))


@cache
def new_scene(*, evaluation: bool = False, textures: Textures = "drawn") -> Scene:
    """The room and its textures, the same for training and evaluation."""
    del evaluation
    angles = np.arange(16, dtype=np.float32) * np.float32(22.5)
    picture = np.full(16, -1, np.int32)
    for number, name in enumerate(PICTURES):
        picture[round(PICTURE_ANGLES[name] / 22.5)] = _FIRST_PICTURE + number
    room = new_room(angles, np.array(WALL_DISTANCES * 4, np.float32), picture)
    surfaces = [
        surface(textures, "wall", "style_01", "blue"),
        surface(textures, "floor", "style_01", "blue"),
        surface(textures, "floor", "style_01", "orange"),
    ]
    return Scene(room, build_atlas(surfaces + [draw_picture(name) for name in PICTURES]))


def engine_images() -> dict[int, Image]:
    """The pictures in the colours of the engine's: pale shapes on strong grounds."""
    numbers = {name: _FIRST_PICTURE + number for number, name in enumerate(PICTURES)}
    return {numbers[name]: draw_pale_picture(name, colour) for name, colour in ENGINE_PICTURES.items()}


@device_function
def begin_trial(i: int, state: WatermazeState) -> None:
    """Spawn the agent at one of the eight places, looking anywhere; the platform goes down."""
    streams, body, trial = state.streams, state.body, state.trial
    place = rng.below(streams, i, SPAWNS.shape[0])
    place_body(body, i, SPAWNS[place, 0], SPAWNS[place, 1], rng.yaw(streams, i))
    body.eye[i] = EYE_HEIGHT + WATER
    trial.age_ms[i] = 0
    trial.touch_ms[i] = -1
    trial.pulses[i] = 0


@device_function
def begin_episode(i: int, state: WatermazeState, scene: Scene) -> None:
    """Hide the platform anew and begin the first trial."""
    streams, trial = state.streams, state.trial
    rng.next_episode(streams, i)
    begin_finds(i, state.counts)
    angle = rng.uniform(streams, i) * _TURN
    radius = PLATFORM_DISC * math.sqrt(rng.uniform(streams, i))
    trial.platform_x[i] = radius * math.cos(angle)
    trial.platform_y[i] = radius * math.sin(angle)
    state.body.frame[i] = 0
    begin_trial(i, state)


@device_function
def touches_platform(i: int, state: WatermazeState) -> bool:
    """Whether the player's box meets the octagon."""
    dx = abs(state.body.x[i] - state.trial.platform_x[i])
    dy = abs(state.body.y[i] - state.trial.platform_y[i])
    return bool(dx <= TOUCH_STRAIGHT and dy <= TOUCH_STRAIGHT and dx + dy <= TOUCH_DIAGONAL)


@device_function
def platform_top(i: int, trial: Trial) -> np.float32:
    """Height of the platform's top."""
    rise = np.float32(max(trial.touch_ms[i] - RISE_MS, 0)) * PLATFORM_SPEED
    return min(PLATFORM_DOWN + rise, PLATFORM_UP)


@device_function
def pulse(i: int, state: WatermazeState) -> np.float32:
    """One firing of the platform's timer: a reward, or after the last one a new trial."""
    trial = state.trial
    trial.pulses[i] += 1
    if trial.pulses[i] > REWARDS:
        begin_trial(i, state)
        return _ZERO
    touch_ms = trial.touch_ms[i]
    if rng.uniform(state.streams, i) * EXTRA_PULSE_SCALE_MS < np.float32(trial.age_ms[i]):
        trial.pulse_ms[i] = touch_ms + EXTRA_PULSE_MS
    else:
        fired = (touch_ms - FIRST_PULSE_MS) // PULSE_PERIOD_MS
        trial.pulse_ms[i] = FIRST_PULSE_MS + (fired + 1) * PULSE_PERIOD_MS
    return np.float32(1)


@device_function
def advance_platform(i: int, state: WatermazeState) -> np.float32:
    """The platform's part of a frame; returns the reward."""
    body, trial = state.body, state.trial
    trial.age_ms[i] += FRAME_MS
    if trial.touch_ms[i] < 0:
        found = touches_platform(i, state)
        count_search(i, found, state.counts)
        if found:
            trial.touch_ms[i] = 0
            trial.pulse_ms[i] = FIRST_PULSE_MS
        return _ZERO
    trial.touch_ms[i] += FRAME_MS
    if (trial.touch_ms[i] + HOLD_PERIOD_MS // 2) % HOLD_PERIOD_MS < FRAME_MS:
        body.x[i], body.y[i] = trial.platform_x[i], trial.platform_y[i]
        body.vx[i], body.vy[i] = _ZERO, _ZERO
    return pulse(i, state) if trial.touch_ms[i] >= trial.pulse_ms[i] else _ZERO


@device_function
def step_one(i: int, action: int, state: WatermazeState, scene: Scene, out: Outputs) -> None:
    """One agent step (four engine frames) of environment i."""
    body = state.body
    right, forward, left = ACTIONS[action, 0], ACTIONS[action, 1], ACTIONS[action, 2]
    reward = _ZERO
    for _ in range(ACTION_REPEAT):
        turn(body, i, left)
        accelerate(body, i, right, forward)
        slide_in_room(body, i, scene.room)
        reward += advance_platform(i, state)
    body.frame[i] += ACTION_REPEAT
    body.eye[i] = EYE_HEIGHT + max(WATER, platform_top(i, state.trial))
    out.reward[i] = reward
    out.terminated[i] = False
    out.truncated[i] = body.frame[i] >= EPISODE_FRAMES


@device_function
def meet_picture(
    room: Room,
    wall: int,
    x: np.float32,
    y: np.float32,
    ray_x: np.float32,
    ray_y: np.float32,
    depth: np.float32,
    along: np.float32,
    off: np.float32,
) -> tuple[bool, np.float32, np.float32]:
    """Whether and where a ray that ends at a wall meets the picture before it, `off` thick: depth, and part across.

    A picture's side shows the edge of its frame.
    """
    normal_x, normal_y, half = room.normal_x[wall], room.normal_y[wall], PICTURE_SIZE * _HALF
    gap = room.distance[wall] - (normal_x * x + normal_y * y)
    near = depth * max(gap - off, _ONE) / gap
    across = normal_y * (x + near * ray_x) - normal_x * (y + near * ray_y)
    if abs(across) < half:
        return True, near, across / PICTURE_SIZE + _HALF
    if abs(along) >= half:
        return False, depth, _HALF
    part = (half - abs(along)) / (abs(across) - abs(along))
    return True, depth + (near - depth) * part, _ONE - _EDGE if across < _ZERO else _EDGE


@device_function
def arrange(i: int, state: WatermazeState, scene: Scene, view: View) -> None:
    """The camera; there is nothing else to arrange."""
    look(view, i, state.body, i)


@device_function
def draw_column(
    i: int, column: int, screen: np.float32, hint: int, state: WatermazeState, scene: Scene, view: View, obs: Obs
) -> int:
    """One column of environment i's picture; the hint is the wall behind the column beside it."""
    atlas, room, camera = scene.atlas, scene.room, view.camera
    x, y, eye, cosine, sine = camera[i, X], camera[i, Y], camera[i, EYE], camera[i, COSINE], camera[i, SINE]
    ray_x, ray_y = cosine + screen * sine, sine - screen * cosine

    depth, wall = cast_in_room(room, x, y, ray_x, ray_y, hint)
    normal_x, normal_y = room.normal_x[wall], room.normal_y[wall]
    along = normal_y * (x + depth * ray_x) - normal_x * (y + depth * ray_y)  # from the wall's middle to the right
    fill(obs, i, column, 0, row_of(obs, eye - CEILING, depth), backdrop(atlas, i, np.uint32(view.measures[1])))
    draw_strip(obs, i, column, eye, depth, CEILING, WATER, atlas, _WALL, along / WALL_TILE, WALL_TILE)
    if room.picture[wall] >= 0:
        hit, near, u = abs(along) < PICTURE_SIZE * _HALF, depth, along / PICTURE_SIZE + _HALF
        if view.measures[0] > _ZERO:
            hit, near, u = meet_picture(room, wall, x, y, ray_x, ray_y, depth, along, view.measures[0])
        if hit:
            top, bottom = PICTURE_HEIGHT + PICTURE_SIZE * _HALF, PICTURE_HEIGHT - PICTURE_SIZE * _HALF
            draw_strip(obs, i, column, eye, near, top, bottom, atlas, room.picture[wall], u, PICTURE_SIZE)
    floor = row_of(obs, eye - WATER, depth)
    draw_plane(obs, i, column, floor, obs.shape[1], eye - WATER, x, y, ray_x, ray_y, atlas, _FLOOR, FLOOR_TILE)
    top = platform_top(i, state.trial)
    if top > WATER:
        dx, dy = x - state.trial.platform_x[i], y - state.trial.platform_y[i]
        draw_octagon(
            obs, i, column, eye, dx, dy, ray_x, ray_y, PLATFORM_APOTHEM, top, WATER, atlas, _PLATFORM, PLATFORM_APOTHEM
        )
    return wall


def open_cells(i: int, state: WatermazeState, scene: Scene) -> Cells:
    """The cells of the room."""
    return cells_of_room(scene.room)


def plan(i: int, state: WatermazeState, scene: Scene) -> list[PlanShape]:
    """Environment i from above: water, pictures, platform, spawn points."""
    shapes = [PlanShape(ring(0, 0, WALL_DISTANCES[0] / math.cos(math.pi / 16), 16), (55, 100, 140))]
    for name, degrees in PICTURE_ANGLES.items():
        angle = math.radians(degrees)
        shapes.append(PlanShape(square(730 * math.cos(angle), 730 * math.sin(angle), 30), PICTURES[name][1]))
    shapes += [PlanShape(square(float(x), float(y), 8), (200, 230, 255)) for x, y in SPAWNS]
    x, y = float(state.trial.platform_x[i]), float(state.trial.platform_y[i])
    return [*shapes, PlanShape(ring(x, y, float(PLATFORM_APOTHEM) / math.cos(math.pi / 8), 8), (230, 160, 40))]

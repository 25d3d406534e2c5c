"""rooms_keys_doors_puzzle: rooms behind coloured doors, a key for some of them, one goal.

Rules and numbers from DeepMind Lab's script and a recording (docs/minilab.md). Walls are solid but cannot be seen, so
that the whole puzzle lies open: rooms, keys and doors stand under the sky.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from envs.config import Textures
from envs.minilab import rng
from envs.minilab.counts import Counts, add, begin_counts, new_counts
from envs.minilab.grid import CELL, draw_floor_column, slide_in_grid
from envs.minilab.jit import device_function
from envs.minilab.levels import PlanShape
from envs.minilab.mazes import POOL
from envs.minilab.physics import (
    ACTION_REPEAT,
    ACTIONS,
    EYE_HEIGHT,
    FRAME_S,
    RADIUS,
    accelerate,
    block,
    place_body,
    touches_item,
    turn,
)
from envs.minilab.plans import Cells, Points, ring, square
from envs.minilab.puzzles import (
    COLOURS,
    COLS,
    EAST_WEST,
    MAX_DOORS,
    MAX_KEYS,
    ROWS,
    Puzzle,
    PuzzlePool,
    new_puzzles,
    pack,
    parse,
)
from envs.minilab.render import Obs, draw_sky, fill
from envs.minilab.sprites import COLOURS as PAINTS
from envs.minilab.sprites import fence, ice_lolly, key
from envs.minilab.state import Body, BoolArray, Int32Array, Outputs, new_body
from envs.minilab.textures import Atlas, build_atlas, sky, surface
from envs.minilab.textures import pack as pack_colour
from envs.minilab.view import COSINE, SINE, View, X, Y, add_item, add_panel, draw_panels, look

EPISODE_FRAMES = 3600
COUNTS = ("success", "keys", "doors")
FAREWELL_FRAMES = 12  # from the goal to the end of the episode
DEAF_FRAMES = 63  # a second of the engine's, in which a door that was touched in vain takes no notice
GOAL_REWARD = np.float32(50)
OPEN = np.float32(92)  # how far a door slides
SURFACES = "ssssf"
PANELS = MAX_KEYS + MAX_DOORS + 1
SHOWCASE = ()  # every episode has another map
_SUCCESS, _KEYS, _DOORS = range(3)  # places in COUNTS
_SLIDE = np.float32(400) * FRAME_S  # a frame
_HALF_CELL = CELL * np.float32(0.5)
_HALF_DOOR = np.float32(4)  # of its thickness
_TOUCH = _HALF_CELL + RADIUS  # a body nearer than this to the middle of a cell is partly in it
_ITEM_SIZE = np.float32(46)
_ITEM_BOTTOM = np.float32(2)
_SKY, _FLOOR, _GOAL, _KEY, _DOOR = 0, 4, 5, 6, 6 + len(COLOURS)
_PAINTS = pack_colour(np.array([PAINTS[colour] for colour in COLOURS], np.uint8))
_NONE = -1
_FAR = np.float32(1e9)
_ZERO = np.float32(0)
_ONE = np.float32(1)


class Quest(NamedTuple):
    """The level's own state. Frames count from the beginning of the episode; -1 is never."""

    puzzle: Int32Array  # [B] number in the pool
    held: Int32Array  # [B] colour of the key in the hand, -1 for none
    key_taken: BoolArray  # [B, MAX_KEYS]
    door_opened: Int32Array  # [B, MAX_DOORS] frame
    door_deaf: Int32Array  # [B, MAX_DOORS] frame until which it takes no notice
    goal_taken: Int32Array  # [B] frame


class QuestState(NamedTuple):
    """Everything that changes."""

    streams: rng.Streams
    body: Body
    quest: Quest
    counts: Counts


class Scene(NamedTuple):
    """Everything that does not."""

    puzzles: PuzzlePool
    atlas: Atlas


def new_state(streams: rng.Streams) -> QuestState:
    """State for as many environments as `streams` has."""
    num_envs = len(streams.episode)
    puzzle, held, goal_taken = (np.zeros(num_envs, np.int32) for _ in range(3))
    door_opened, door_deaf = (np.zeros((num_envs, MAX_DOORS), np.int32) for _ in range(2))
    key_taken = np.zeros((num_envs, MAX_KEYS), np.bool_)
    quest = Quest(puzzle, held, key_taken, door_opened, door_deaf, goal_taken)
    return QuestState(streams, new_body(num_envs), quest, new_counts(num_envs, COUNTS))


@cache
def _pool(evaluation: bool) -> PuzzlePool:
    training = new_puzzles(POOL, seed=0)
    return pack(new_puzzles(POOL, seed=rng.EVALUATION_MIXER, unlike=training) if evaluation else training)


def new_scene(*, evaluation: bool = False, textures: Textures = "drawn") -> Scene:
    """The pool of puzzles and the textures."""
    return Scene(_pool(evaluation), _new_atlas(textures))


def scene_of_layout(layout: str, *, textures: Textures = "drawn") -> Scene:
    """A pool of the one puzzle in a text (see `read_puzzle`)."""
    return Scene(pack([read_puzzle(layout)]), _new_atlas(textures))


def read_puzzle(text: str) -> Puzzle:
    """A puzzle from its map and the colours of keys and doors, in the order in which one reads the map.

    `*` is wall, `P` spawn, `K` key, `G` goal, `I` a door between west and east, `H` between north and south:

        *********
        *P K*  G*
        *   I   *
        *********
        keys: red
        doors: red

    Raises:
        ValueError: rows of different length, an open border, unknown characters, not one spawn and one goal, colours
            that are unknown or not as many as the keys or doors, or more of anything than the largest puzzle has.
    """
    lines = text.strip().splitlines()
    rows = [line for line in lines if ":" not in line]
    _check_map(rows)
    return parse(rows, _colours(lines, "keys", "K"), _colours(lines, "doors", "IH"), core_length=0)


def _check_map(rows: Sequence[str]) -> None:
    if len({len(row) for row in rows}) != 1:
        raise ValueError(f"the rows of the layout have {sorted({len(row) for row in rows})} characters; all must agree")
    if len(rows) > ROWS or len(rows[0]) > COLS:
        raise ValueError(f"the layout has {len(rows)} x {len(rows[0])} cells; {ROWS} x {COLS} is the most")
    border = rows[0] + rows[-1] + "".join(row[0] + row[-1] for row in rows)
    if set(border) != {"*"}:
        raise ValueError(f"the border of the layout must be walls (*); it has {''.join(sorted(set(border) - {'*'}))!r}")
    symbols = "".join(rows)
    if unknown := set(symbols) - set("* PKGIH"):
        raise ValueError(f"the layout has {''.join(sorted(unknown))!r}; allowed: '* PKGIH'")
    for symbol, least, most in (("P", 1, 1), ("G", 1, 1), ("K", 0, MAX_KEYS), ("IH", 0, MAX_DOORS)):
        count = sum(map(symbols.count, symbol))
        if not least <= count <= most:
            raise ValueError(f"the layout has {count} times {symbol}; allowed: {least} to {most}")


def _colours(lines: Sequence[str], name: str, symbols: str) -> list[int]:
    """What a line says, as many as there are symbols on the map."""
    said = [line.partition(":")[2].split() for line in lines if line.startswith(f"{name}:")]
    words = said[0] if said else []
    if unknown := set(words) - set(COLOURS):
        raise ValueError(f"{name} are {' '.join(sorted(unknown))}; allowed: {' '.join(COLOURS)}")
    wanted = sum(line.count(symbol) for line in lines if ":" not in line for symbol in symbols)
    if len(words) != wanted:
        raise ValueError(f"the layout has {wanted} {name}, but the line '{name}:' has {len(words)} colours")
    return [COLOURS.index(word) for word in words]


@cache
def _new_atlas(textures: Textures) -> Atlas:
    floor = surface(textures, "floor", "style_01", "orange")
    return build_atlas([*sky(textures), floor, ice_lolly(), *map(key, COLOURS), *map(fence, COLOURS)])


@device_function
def begin_episode(i: int, state: QuestState, scene: Scene) -> None:
    """Another puzzle, as nobody touched it."""
    streams, body, quest, puzzles = state.streams, state.body, state.quest, scene.puzzles
    rng.next_episode(streams, i)
    begin_counts(i, state.counts)
    m = rng.below(streams, i, puzzles.open.shape[0])
    quest.puzzle[i] = m
    quest.held[i] = quest.goal_taken[i] = _NONE
    for k in range(MAX_KEYS):
        quest.key_taken[i, k] = False
    for k in range(MAX_DOORS):
        quest.door_opened[i, k] = quest.door_deaf[i, k] = _NONE
    body.frame[i] = 0
    body.eye[i] = EYE_HEIGHT
    place_body(body, i, puzzles.spawn_x[m], puzzles.spawn_y[m], rng.yaw(streams, i))


@device_function
def door_position(i: int, k: int, state: QuestState, scene: Scene) -> tuple[np.float32, np.float32]:
    """Middle of a door, which slides east when it closes a north-south passage, and north otherwise."""
    puzzles, m, opened = scene.puzzles, state.quest.puzzle[i], state.quest.door_opened[i, k]
    slid = _ZERO
    if opened >= 0:
        slid = min(np.float32(state.body.frame[i] - opened) * _SLIDE, OPEN)
    x, y = puzzles.door_x[m, k], puzzles.door_y[m, k]
    return (x, y + slid) if puzzles.door_kind[m, k] == EAST_WEST else (x + slid, y)


@device_function
def move(i: int, action: int, state: QuestState, scene: Scene) -> None:
    """One frame among walls and doors; a door is solid wherever it is."""
    body, puzzles, m = state.body, scene.puzzles, state.quest.puzzle[i]
    turn(body, i, ACTIONS[action, 2])
    accelerate(body, i, ACTIONS[action, 0], ACTIONS[action, 1])
    before_x, before_y = body.x[i], body.y[i]
    slide_in_grid(body, i, puzzles.open, m)
    for k in range(puzzles.door_count[m]):
        x, y = door_position(i, k, state, scene)
        closes_east_west = puzzles.door_kind[m, k] == EAST_WEST
        half_x = _HALF_DOOR if closes_east_west else _HALF_CELL
        half_y = _HALF_CELL if closes_east_west else _HALF_DOOR
        block(body, i, before_x, before_y, x, y, half_x, half_y)


@device_function
def take(i: int, state: QuestState, scene: Scene) -> np.float32:
    """Pick up what the body touches, a new key in place of the old one; returns the reward."""
    body, quest, puzzles, m = state.body, state.quest, scene.puzzles, state.quest.puzzle[i]
    reward = _ZERO
    for k in range(puzzles.key_count[m]):
        if not quest.key_taken[i, k] and touches_item(body, i, puzzles.key_x[m, k], puzzles.key_y[m, k]):
            quest.key_taken[i, k] = True
            quest.held[i] = puzzles.key_colour[m, k]
            add(i, _KEYS, state.counts)
            reward += _ONE
    if quest.goal_taken[i] < 0 and touches_item(body, i, puzzles.goal_x[m], puzzles.goal_y[m]):
        quest.goal_taken[i] = body.frame[i]
        add(i, _SUCCESS, state.counts)
        reward += GOAL_REWARD
    return reward


@device_function
def try_doors(i: int, state: QuestState, scene: Scene) -> np.float32:
    """Open the door whose cell the body is in, if its key is in the hand; returns the reward."""
    body, quest, puzzles, m = state.body, state.quest, scene.puzzles, state.quest.puzzle[i]
    reward, frame = _ZERO, body.frame[i]
    for k in range(puzzles.door_count[m]):
        dx, dy = body.x[i] - puzzles.door_x[m, k], body.y[i] - puzzles.door_y[m, k]
        listens = quest.door_opened[i, k] < 0 and frame >= quest.door_deaf[i, k]
        if listens and abs(dx) < _TOUCH and abs(dy) < _TOUCH:
            if quest.held[i] == puzzles.door_colour[m, k]:
                quest.door_opened[i, k] = frame
                quest.held[i] = _NONE
                add(i, _DOORS, state.counts)
                reward += _ONE
            else:
                quest.door_deaf[i, k] = frame + DEAF_FRAMES
    return reward


@device_function
def is_over(i: int, state: QuestState) -> bool:
    """Whether the goal was taken and the farewell has passed."""
    taken = state.quest.goal_taken[i]
    return bool(taken >= 0 and state.body.frame[i] >= taken + FAREWELL_FRAMES)


@device_function
def step_one(i: int, action: int, state: QuestState, scene: Scene, out: Outputs) -> None:
    """One agent step (four engine frames, fewer if the episode ends) of environment i."""
    reward = _ZERO
    for _ in range(ACTION_REPEAT):
        if not is_over(i, state):
            state.body.frame[i] += 1
            move(i, action, state, scene)
            reward += take(i, state, scene)
            reward += try_doors(i, state, scene)
    out.reward[i] = reward
    out.terminated[i] = is_over(i, state)
    out.truncated[i] = not out.terminated[i] and state.body.frame[i] >= EPISODE_FRAMES


@device_function
def arrange(i: int, state: QuestState, scene: Scene, view: View) -> None:
    """The camera, and what there is of keys, doors and the goal."""
    look(view, i, state.body, i)
    quest, puzzles, m = state.quest, scene.puzzles, state.quest.puzzle[i]
    top = _ITEM_BOTTOM + _ITEM_SIZE
    for k in range(puzzles.key_count[m]):
        if not quest.key_taken[i, k]:
            texture = _KEY + puzzles.key_colour[m, k]
            add_item(view, i, puzzles.key_x[m, k], puzzles.key_y[m, k], _ITEM_SIZE, top, _ITEM_BOTTOM, texture)
    if quest.goal_taken[i] < 0:
        add_item(view, i, puzzles.goal_x[m], puzzles.goal_y[m], _ITEM_SIZE, top, _ITEM_BOTTOM, _GOAL)
    for k in range(puzzles.door_count[m]):
        add_door(i, k, state, scene, view)


@device_function
def add_door(i: int, k: int, state: QuestState, scene: Scene, view: View) -> None:
    """The face of a door that looks at the camera."""
    puzzles, m, camera = scene.puzzles, state.quest.puzzle[i], view.camera
    x, y = door_position(i, k, state, scene)
    texture = _DOOR + puzzles.door_colour[m, k]
    if puzzles.door_kind[m, k] == EAST_WEST:
        x += _HALF_DOOR if camera[i, X] > x else -_HALF_DOOR
        add_panel(view, i, x, y - _HALF_CELL, x, y + _HALF_CELL, CELL, _ZERO, texture)
    else:
        y += _HALF_DOOR if camera[i, Y] > y else -_HALF_DOOR
        add_panel(view, i, x - _HALF_CELL, y, x + _HALF_CELL, y, CELL, _ZERO, texture)


@device_function
def draw_held_key(obs: Obs, i: int, column: int, colour: int) -> None:
    """A square of the key's colour, from 12 to 60 on a screen of 640 x 480."""
    height, width = obs.shape[1], obs.shape[2]
    if colour >= 0 and (12 * width + 320) // 640 <= column < (60 * width + 320) // 640:
        fill(obs, i, column, (12 * height + 240) // 480, (60 * height + 240) // 480, _PAINTS[colour])


@device_function
def draw_column(
    i: int, column: int, screen: np.float32, hint: int, state: QuestState, scene: Scene, view: View, obs: Obs
) -> int:
    """One column of environment i's picture: the sky, and before it whatever the walls do not hide."""
    atlas, camera = scene.atlas, view.camera
    cosine, sine = camera[i, COSINE], camera[i, SINE]
    draw_sky(obs, i, column, obs.shape[1], cosine + screen * sine, sine - screen * cosine, atlas, _SKY)
    draw_floor_column(obs, i, column, screen, view, scene.puzzles.open, state.quest.puzzle[i], atlas, _FLOOR)
    draw_panels(obs, i, column, screen, _FAR, view, atlas)
    draw_held_key(obs, i, column, state.quest.held[i])
    return hint


def open_cells(i: int, state: QuestState, scene: Scene) -> Cells:
    """The cells that are no wall."""
    return Cells(scene.puzzles.open[state.quest.puzzle[i]] > 0)


def plan(i: int, state: QuestState, scene: Scene) -> list[PlanShape]:
    """Environment i from above: floor, spawn point, and what there is of doors, keys and the goal."""
    quest, puzzles, m = state.quest, scene.puzzles, int(state.quest.puzzle[i])
    floor = np.argwhere(puzzles.open[m]).tolist()
    shapes = [PlanShape(square(100 * column + 50, 100 * row + 50, 49), (200, 130, 70)) for row, column in floor]
    shapes.append(PlanShape(square(float(puzzles.spawn_x[m]), float(puzzles.spawn_y[m]), 8), (235, 240, 255)))
    for k in range(int(puzzles.door_count[m])):
        x, y = (float(at) for at in door_position(i, k, state, scene))
        across, along = (8, 50) if puzzles.door_kind[m, k] == EAST_WEST else (50, 8)
        corners: Points = [
            (x - across, y - along),
            (x + across, y - along),
            (x + across, y + along),
            (x - across, y + along),
        ]
        shapes.append(PlanShape(corners, PAINTS[COLOURS[puzzles.door_colour[m, k]]]))
    for k in np.flatnonzero(~quest.key_taken[i, : puzzles.key_count[m]]).tolist():
        corners = ring(float(puzzles.key_x[m, k]), float(puzzles.key_y[m, k]), 20, 3)
        shapes.append(PlanShape(corners, PAINTS[COLOURS[puzzles.key_colour[m, k]]]))
    if quest.goal_taken[i] < 0:
        shapes.append(PlanShape(ring(float(puzzles.goal_x[m]), float(puzzles.goal_y[m]), 30, 12), (255, 88, 0)))
    return shapes

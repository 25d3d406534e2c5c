"""lasertag_three_opponents_small: a maze, three bots, and a gadget to tag them out with.

Rules and numbers from DeepMind Lab's script and from Quake III (docs/minilab.md). Everybody fights everybody; who is
tagged out comes back at a spawn point. The parts are in `envs.minilab.lasertag`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from envs.config import Textures
from envs.minilab import rng
from envs.minilab.counts import TOTAL, add, begin_counts
from envs.minilab.grid import CELL, draw_maze_column
from envs.minilab.jit import device_function
from envs.minilab.lasertag import bots, picture
from envs.minilab.lasertag.arena import (
    COUNTS,
    DIED,
    FIXED_ITEMS,
    ITEMS,
    KIND,
    ORB,
    ORBS_EACH,
    PLAYERS,
    SCORE,
    TAGGED,
    TAGS,
    LasertagState,
    Scene,
    copy_body,
    is_alive,
    new_state,
    now_of,
)
from envs.minilab.lasertag.items import is_there, scatter_items
from envs.minilab.lasertag.players import may_respawn, play_frame, spawn
from envs.minilab.lasertag.routes import new_routes
from envs.minilab.lasertag.weapons import move_orbs
from envs.minilab.levels import PlanShape
from envs.minilab.maze_generator import Rooms
from envs.minilab.mazes import SKY, SURFACES, Mazes, new_pool, pool_of_layout
from envs.minilab.physics import ACTION_REPEAT, ACTIONS
from envs.minilab.plans import Cells, maze_plan, ring
from envs.minilab.render import Obs, draw_sky, row_of
from envs.minilab.state import Outputs
from envs.minilab.view import COSINE, EYE, SINE, View, draw_panels, look

__all__ = ["COUNTS", "PANELS", "SURFACES", "new_state"]

OWN_NUMBERS = True  # health and ammunition are on the picture already
EPISODE_FRAMES = 14_400
POOL = 1024  # mazes
ROOMS = Rooms(rooms=3, extra_connections=0.05, variations=26, spawns=3, objects=0)
PANELS = picture.PANELS
SHOWCASE = (
    (150.0, 750.0, -30.0), (350.0, 550.0, 120.0), (450.0, 550.0, 0.0), (850.0, 250.0, 150.0),
    (750.0, 150.0, 90.0), (950.0, 650.0, 100.0), (550.0, 650.0, 45.0), (550.0, 350.0, 90.0),
)  # fmt: skip
_COLOURS = ((255, 70, 0), (0, 235, 255), (205, 40, 255), (245, 245, 245), (255, 225, 0))  # of items, by kind
_ZERO = np.float32(0)


@cache
def _pool(evaluation: bool) -> tuple[Mazes, npt.NDArray[np.uint8]]:
    mazes = new_pool(ROOMS, evaluation=evaluation, count=POOL)
    return mazes, new_routes(mazes.cells)


def new_scene(*, evaluation: bool = False, textures: Textures = "drawn") -> Scene:
    """The pool of mazes, the ways through them, and the textures."""
    return Scene(*_pool(evaluation), picture.new_atlas(textures))


def scene_of_layout(layout: str, *, textures: Textures = "drawn") -> Scene:
    """A pool of the one maze in a text."""
    mazes = pool_of_layout(layout)
    empty = int((mazes.cells[0] > 0).sum()) - int(mazes.spawn_count[0])
    if empty < FIXED_ITEMS:
        raise ValueError(f"the layout has {empty} empty cells that are not spawn points; the items need {FIXED_ITEMS}")
    return Scene(mazes, new_routes(mazes.cells), picture.new_atlas(textures))


@device_function
def begin_episode(i: int, state: LasertagState, scene: Scene) -> None:
    """Another maze and hue, what lies in it, and four players."""
    streams, players, mazes = state.streams, state.players, scene.mazes
    rng.next_episode(streams, i)
    begin_counts(i, state.counts)
    m = rng.below(streams, i, mazes.cells.shape[0])
    state.maze[i], state.hue[i], state.body.frame[i] = m, rng.below(streams, i, picture.HUES), 0
    scatter_items(i, m, streams, state.items, mazes)
    for j in range(PLAYERS * i, PLAYERS * (i + 1)):
        players.facts[j, DIED], players.facts[j, SCORE] = 0, 0  # not in anyone's way yet
        for slot in range(ORBS_EACH):
            for column in range(state.orbs.shape[2]):
                state.orbs[j, slot, column] = _ZERO
    for j in range(PLAYERS * i, PLAYERS * (i + 1)):
        spawn(j, 0, m, streams, players, mazes.spawns, mazes.spawn_count[m])
        bots.wake(j, 0, streams, players.body, state.minds)
        for column in range(players.marks.shape[1]):
            players.marks[j, column] = _ZERO
    copy_body(players.body, PLAYERS * i, state.body, i)


@device_function
def play(j: int, action: int, now: int, m: int, state: LasertagState, scene: Scene) -> None:
    """One frame of a player: the agent follows `action`, bots think; the dead wait and press FIRE."""
    streams, players, minds, items = state.streams, state.players, state.minds, state.items
    cells, mazes = scene.mazes.cells, scene.mazes
    right, forward, left, trigger = ACTIONS[action, 0], ACTIONS[action, 1], ACTIONS[action, 2], ACTIONS[action, 3] > 0
    if j % PLAYERS > 0 and is_alive(j, players):
        bots.think(j, now, m, streams, players, minds, items, cells, scene.routes)
        right, forward, left, trigger = bots.command(j, players.body, minds)
    if is_alive(j, players):
        play_frame(j, right, forward, left, trigger, now, m, streams, players, items, state.orbs, cells)
    elif may_respawn(j, trigger or j % PLAYERS > 0, now, players.facts):
        spawn(j, now, m, streams, players, mazes.spawns, mazes.spawn_count[m])
        bots.wake(j, now, streams, players.body, minds)


@device_function
def step_one(i: int, action: int, state: LasertagState, scene: Scene, out: Outputs) -> None:
    """One agent step (four engine frames) of environment i."""
    players, agent, m = state.players, PLAYERS * i, state.maze[i]
    copy_body(state.body, i, players.body, agent)
    before = players.facts[agent, SCORE]
    for _ in range(ACTION_REPEAT):
        now = now_of(i, state.body)
        for j in range(agent, agent + PLAYERS):
            play(j, action, now, m, state, scene)
        for j in range(agent, agent + PLAYERS):
            stood = is_alive(agent, players)
            move_orbs(j, now, m, players, state.items, state.orbs, scene.mazes.cells)
            if j == agent and stood and not is_alive(agent, players):
                add(i, TAGS, state.counts)  # its own orb: takes back what its score lost
        if players.facts[agent, DIED] == now:
            add(i, TAGGED, state.counts)
        state.body.frame[i] += 1
    copy_body(players.body, agent, state.body, i)
    reward = np.float32(players.facts[agent, SCORE] - before)
    state.counts.running[i, TAGS, TOTAL] += reward
    out.reward[i] = reward
    out.terminated[i] = False
    out.truncated[i] = state.body.frame[i] >= EPISODE_FRAMES


@device_function
def arrange(i: int, state: LasertagState, scene: Scene, view: View) -> None:
    """The camera and everything upright."""
    now = now_of(i, state.body)
    look(view, i, state.body, i)
    picture.arrange_items(i, now, state.items, view)
    picture.arrange_players(i, state.hue[i], state.players, view)
    picture.arrange_shots(i, now, state.players.marks, state.orbs, view)


@device_function
def draw_column(
    i: int, column: int, screen: np.float32, hint: int, state: LasertagState, scene: Scene, view: View, obs: Obs
) -> int:
    """One column of environment i's picture."""
    mazes, atlas, camera, m = scene.mazes, scene.atlas, view.camera, state.maze[i]
    cosine, sine = camera[i, COSINE], camera[i, SINE]
    depth = draw_maze_column(obs, i, column, screen, view, mazes.cells, mazes.surfaces, mazes.decals, m, atlas)
    sky = row_of(obs, camera[i, EYE] - CELL, depth)
    draw_sky(obs, i, column, sky, cosine + screen * sine, sine - screen * cosine, atlas, SKY)
    draw_panels(obs, i, column, screen, depth, view, atlas)
    picture.draw_numbers(i, column, state.players.facts, obs)
    return hint


def open_cells(i: int, state: LasertagState, scene: Scene) -> Cells:
    """The cells that are no wall."""
    return Cells(scene.mazes.cells[state.maze[i]] > 0)


def plan(i: int, state: LasertagState, scene: Scene) -> list[PlanShape]:
    """Environment i from above: the maze, its spawn points, items, bots."""
    items, body, now = state.items, state.players.body, now_of(i, state.body)
    shapes = maze_plan(scene.mazes, int(state.maze[i]))
    for k in range(ITEMS):
        if is_there(i, k, now, items):
            x, y = items.places[i, k].tolist()
            shapes.append(PlanShape(ring(x, y, 18, 12), _COLOURS[items.facts[i, k, KIND] - ORB]))
    for j in range(PLAYERS * i + 1, PLAYERS * (i + 1)):
        if is_alive(j, state.players):
            shapes.append(PlanShape(ring(float(body.x[j]), float(body.y[j]), 22, 4), (200, 0, 90)))
    return shapes

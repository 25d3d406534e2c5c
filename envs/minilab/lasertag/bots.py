"""Three minds: ten times a second each decides where to go, where to look and whether to fire.

Quarry and way follow from what the bot sees; between thoughts it turns and walks on (`command`).
"""

from __future__ import annotations

import math

import numpy as np

from envs.minilab import rng
from envs.minilab.grid import EAST, NORTH, SOUTH, WEST, cell_of, clear_line, middle_of
from envs.minilab.jit import device_function
from envs.minilab.lasertag.arena import (
    AIM,
    FIRE,
    FIXED_ITEMS,
    GADGET,
    GOAL,
    GOAL_UNTIL,
    HEADING,
    HURT,
    ORB,
    PACE,
    PLAYERS,
    SEEN,
    SIDE,
    SIGHTED,
    TARGET,
    THINK,
    TRIGGER,
    TRIGGER_UNTIL,
    LasertagState,
    Scene,
    alive,
    body_of,
    now_of,
    place_of,
    row_of_body,
)
from envs.minilab.lasertag.items import goal_of_item, is_there, wants
from envs.minilab.lasertag.routes import cell_number, cell_place
from envs.minilab.lasertag.weapons import ORB_SPEED
from envs.minilab.physics import FRAME_S, TURN

# Of the agent (not used) and the three bots, from their profiles in DeepMind Lab.
REACTION_MS = np.array([0, 1000, 1250, 1750], np.int32)
ACCURACY = np.array([0, 0.7, 0.9, 0.5], np.float32)
THROTTLE = np.array([0, 0.5, 0.9, 1.0], np.float32)  # how often it fires when it could
THINK_MS = 100
MOST_TURN = np.float32(240) * FRAME_S  # degrees a frame
ERROR = np.float32(17)  # degrees at accuracy 0: 0.3 of the distance, as in Quake III
FIELD = np.float32(90)  # degrees to either side within which a bot sees; who was just hit looks all round
ALARM_MS = 500
MEMORY_MS = 5000  # for this long a bot hunts a quarry out of sight
ON_TARGET = np.float32(25)  # degrees off the target within which a bot fires
TRIGGER_MS = 500  # how often it decides whether to fire
ERRAND_MS = 10_000  # then it goes elsewhere
NEAR, FAR = np.float32(100), np.float32(180)  # the distance it keeps in a fight
ORB_NEAR, ORB_FAR = np.float32(200), np.float32(280)
TURNABOUT = np.float32(0.12)  # probability per thought of strafing the other way
_STUCK = np.float32(40)  # units per second
_THERE = np.float32(25)  # units from the middle of the goal's cell
_DIAGONAL = np.float32(45)
_QUARTER = np.float32(90)
_HALF_TURN = np.float32(180)
_FULL_TURN = np.float32(360)
_DEGREES = np.float32(180 / math.pi)
_ZERO = np.float32(0)
_ONE = np.float32(1)
_TWO = np.float32(2)


@device_function
def wrap_degrees(angle: np.float32) -> np.float32:
    """The same direction in [-180, 180)."""
    return angle - _FULL_TURN * np.float32(math.floor((angle + _HALF_TURN) / _FULL_TURN))


@device_function
def bearing(x: np.float32, y: np.float32, to_x: np.float32, to_y: np.float32) -> np.float32:
    """Direction from one point to another in degrees."""
    return np.float32(math.atan2(to_y - y, to_x - x)) * _DEGREES


@device_function
def in_sight(i: int, p: int, q: int, state: LasertagState, scene: Scene) -> bool:
    """Whether player q is alive and no wall stands between p and q."""
    x, y = place_of(i, p, state)
    to_x, to_y = place_of(i, q, state)
    return alive(i, q, state) and clear_line(scene.mazes.cells, state.arena.maze[i], x, y, to_x, to_y)


@device_function
def _find_quarry(i: int, p: int, now: int, state: LasertagState, scene: Scene) -> int:
    """The nearest player that bot p sees, -1 if there is none."""
    body, j = body_of(p, state), row_of_body(i, p)
    alarmed = now - state.arena.fighters[i, p, HURT] < ALARM_MS
    x, y, found, best = body.x[j], body.y[j], -1, np.float32(1e9)
    for q in range(PLAYERS):
        to_x, to_y = place_of(i, q, state)
        square = (to_x - x) * (to_x - x) + (to_y - y) * (to_y - y)
        if q == p or square >= best or not alive(i, q, state):
            continue
        off = abs(wrap_degrees(bearing(x, y, to_x, to_y) - body.yaw[j]))
        if (alarmed or off < FIELD) and in_sight(i, p, q, state, scene):
            found, best = q, square
    return found


@device_function
def _watch(i: int, p: int, now: int, state: LasertagState, scene: Scene) -> bool:
    """Keep, change or forget the quarry; returns whether it is in sight."""
    minds = state.arena.minds
    quarry = minds[i, p, TARGET]
    seen = quarry >= 0 and in_sight(i, p, quarry, state, scene)
    if not seen:
        other = _find_quarry(i, p, now, state, scene)
        if other >= 0:
            minds[i, p, TARGET], minds[i, p, SIGHTED] = other, now
            quarry, seen = other, True
    if seen:
        x, y = place_of(i, quarry, state)
        minds[i, p, SEEN] = now
        minds[i, p, GOAL] = cell_number(scene.mazes.cells, cell_of(y), cell_of(x))
        minds[i, p, GOAL_UNTIL] = now + MEMORY_MS
    elif quarry >= 0 and (now - minds[i, p, SEEN] > MEMORY_MS or not alive(i, quarry, state)):
        minds[i, p, TARGET] = -1
        minds[i, p, GOAL_UNTIL] = now
    return bool(seen)


@device_function
def _fight(i: int, p: int, now: int, state: LasertagState) -> None:
    """Aim at the quarry in sight, circle it, and fire now and then."""
    arena, body, j = state.arena, body_of(p, state), row_of_body(i, p)
    minds, wishes, q = arena.minds, arena.wishes, arena.minds[i, p, TARGET]
    to_x, to_y = place_of(i, q, state)
    dx, dy = to_x - body.x[j], to_y - body.y[j]
    distance = np.float32(math.sqrt(dx * dx + dy * dy))
    with_orb = arena.fighters[i, p, GADGET] == ORB
    straight = bearing(body.x[j], body.y[j], to_x, to_y)
    aim = straight
    if with_orb:  # aim where the quarry will be
        quarry, k = body_of(q, state), row_of_body(i, q)
        time = distance / ORB_SPEED
        aim = bearing(body.x[j], body.y[j], to_x + time * quarry.vx[k], to_y + time * quarry.vy[k])
    error = (_TWO * rng.uniform(state.streams, i) - _ONE) * ERROR * (_ONE - ACCURACY[p])
    wishes[i, p, AIM] = wrap_degrees(aim + error)

    speed = abs(body.vx[j]) + abs(body.vy[j])
    if rng.uniform(state.streams, i) < TURNABOUT or speed < _STUCK:
        minds[i, p, SIDE] = -minds[i, p, SIDE]
    near, far = (ORB_NEAR, ORB_FAR) if with_orb else (NEAR, FAR)
    turn = _QUARTER
    if distance > far:
        turn -= _DIAGONAL
    elif distance < near:
        turn += _DIAGONAL
    wishes[i, p, HEADING] = straight + np.float32(minds[i, p, SIDE]) * turn
    wishes[i, p, PACE] = _ONE

    if now >= minds[i, p, TRIGGER_UNTIL]:
        minds[i, p, TRIGGER] = rng.uniform(state.streams, i) < THROTTLE[p]
        minds[i, p, TRIGGER_UNTIL] = now + TRIGGER_MS
    ready = now - minds[i, p, SIGHTED] >= REACTION_MS[p] and abs(wrap_degrees(aim - body.yaw[j])) < ON_TARGET
    safe = not with_orb or distance > near
    minds[i, p, FIRE] = minds[i, p, TRIGGER] if ready and safe else 0


@device_function
def _new_errand(i: int, p: int, now: int, state: LasertagState, scene: Scene) -> None:
    """Go for one of the items, if it is there and of use, or else anywhere."""
    minds, cells, m = state.arena.minds, scene.mazes.cells, state.arena.maze[i]
    minds[i, p, GOAL_UNTIL] = now + ERRAND_MS
    k = rng.below(state.streams, i, FIXED_ITEMS)
    if is_there(i, k, now, state) and wants(i, p, k, state):
        minds[i, p, GOAL] = goal_of_item(i, k, scene, state)
        return
    found = False
    while not found:
        goal = rng.below(state.streams, i, scene.routes.shape[1])
        row, column = cell_place(cells, goal)
        found = cells[m, row, column] != 0
        minds[i, p, GOAL] = goal


@device_function
def _travel(i: int, p: int, now: int, state: LasertagState, scene: Scene) -> None:
    """Walk to the goal, cell by cell, looking ahead."""
    arena, cells, m = state.arena, scene.mazes.cells, state.arena.maze[i]
    minds, wishes = arena.minds, arena.wishes
    x, y = place_of(i, p, state)
    row, column = cell_of(y), cell_of(x)
    here, goal = cell_number(cells, row, column), minds[i, p, GOAL]
    if (here == goal and max(abs(middle_of(column) - x), abs(middle_of(row) - y)) < _THERE) or now >= minds[i, p, GOAL_UNTIL]:
        _new_errand(i, p, now, state, scene)
        goal = minds[i, p, GOAL]
    direction = scene.routes[m, goal, here]
    row += (direction == NORTH) - (direction == SOUTH)
    column += (direction == EAST) - (direction == WEST)
    heading = bearing(x, y, middle_of(column), middle_of(row))
    wishes[i, p, HEADING], wishes[i, p, AIM], wishes[i, p, PACE] = heading, heading, _ONE
    minds[i, p, FIRE] = 0


@device_function
def wake(i: int, p: int, state: LasertagState) -> None:
    """A new mind for a bot that just came into the game."""
    minds, wishes, body, now = state.arena.minds, state.arena.wishes, body_of(p, state), now_of(i, state)
    minds[i, p, TARGET], minds[i, p, SIDE], minds[i, p, FIRE] = -1, 1, 0
    minds[i, p, GOAL], minds[i, p, GOAL_UNTIL], minds[i, p, TRIGGER_UNTIL] = 0, now, now
    minds[i, p, THINK] = now + rng.below(state.streams, i, THINK_MS)
    wishes[i, p, AIM], wishes[i, p, PACE] = body.yaw[row_of_body(i, p)], _ZERO


@device_function
def think(i: int, p: int, state: LasertagState, scene: Scene) -> None:
    """If it is time for a thought, have it."""
    minds, now = state.arena.minds, now_of(i, state)
    if now < minds[i, p, THINK]:
        return
    minds[i, p, THINK] += THINK_MS
    if _watch(i, p, now, state, scene):
        _fight(i, p, now, state)
    else:
        _travel(i, p, now, state, scene)


@device_function
def command(i: int, p: int, state: LasertagState) -> tuple[np.float32, np.float32, np.float32, bool]:
    """What bot p does in this frame: right, forward, left (in the agent's turns) and fire."""
    wishes, yaw = state.arena.wishes, body_of(p, state).yaw[row_of_body(i, p)]
    off = wrap_degrees(wishes[i, p, AIM] - yaw)
    left = min(max(off, -MOST_TURN), MOST_TURN)
    way = (wishes[i, p, HEADING] - yaw - left) / _DEGREES  # seen from where it will look
    pace = wishes[i, p, PACE]
    right, forward = -pace * np.float32(math.sin(way)), pace * np.float32(math.cos(way))
    return right, forward, left / TURN, bool(state.arena.minds[i, p, FIRE] != 0)

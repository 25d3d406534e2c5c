"""Three minds: ten times a second each decides where to go, where to look and whether to fire.

Its quarry and its way follow from what it sees; between thoughts it turns and walks on (`command`). j and k are rows of
players.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from envs.minilab import rng
from envs.minilab.grid import EAST, NORTH, SOUTH, WEST, Cells, cell_at, cell_of, clear_line, middle_of
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
    KIND,
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
    Items,
    Minds,
    Players,
    X,
    Y,
    is_alive,
)
from envs.minilab.lasertag.items import is_there, wants
from envs.minilab.lasertag.routes import cell_number
from envs.minilab.lasertag.weapons import ORB_SPEED
from envs.minilab.physics import FRAME_S, TURN
from envs.minilab.state import Body, Int32Array

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
_SIXTEEN = np.float32(16)


@device_function
def wrap_degrees(angle: np.float32) -> np.float32:
    """The same direction in [-180, 180)."""
    return angle - _FULL_TURN * np.float32(math.floor((angle + _HALF_TURN) / _FULL_TURN))


@device_function
def bearing(x: np.float32, y: np.float32, to_x: np.float32, to_y: np.float32) -> np.float32:
    """Direction from one point to another, in sixteenths of a degree: the last bit of atan2 hangs on the machine."""
    angle = np.float32(math.atan2(to_y - y, to_x - x)) * _DEGREES
    return np.float32(math.floor(angle * _SIXTEEN)) / _SIXTEEN


@device_function
def bearing_of(j: int, k: int, body: Body) -> np.float32:
    """Direction from player j to player k."""
    return bearing(body.x[j], body.y[j], body.x[k], body.y[k])


@device_function
def in_sight(j: int, k: int, m: int, players: Players, cells: Cells) -> bool:
    """Whether player k is alive and no wall stands between j and k."""
    body = players.body
    return is_alive(k, players) and clear_line(cells, m, body.x[j], body.y[j], body.x[k], body.y[k])


@device_function
def _find_quarry(j: int, now: int, m: int, players: Players, cells: Cells) -> int:
    """The nearest player that bot j sees, -1 if there is none."""
    body, found, best = players.body, -1, np.float32(1e9)
    alarmed = now - players.facts[j, HURT] < ALARM_MS
    for p in range(PLAYERS):
        k = j - j % PLAYERS + p
        dx, dy = body.x[k] - body.x[j], body.y[k] - body.y[j]
        square = dx * dx + dy * dy
        before = alarmed or abs(wrap_degrees(bearing_of(j, k, body) - body.yaw[j])) < FIELD
        if k != j and square < best and before and in_sight(j, k, m, players, cells):
            found, best = k, square
    return found


@device_function
def watch(j: int, now: int, m: int, players: Players, facts: Int32Array, cells: Cells) -> bool:
    """Keep, change or forget the quarry; returns whether it is in sight."""
    quarry = facts[j, TARGET]
    seen = quarry >= 0 and in_sight(j, quarry, m, players, cells)
    if not seen:
        other = _find_quarry(j, now, m, players, cells)
        if other >= 0:
            facts[j, TARGET], facts[j, SIGHTED] = other, now
            quarry, seen = other, True
    if seen:  # should it get away, look for it there
        facts[j, SEEN], facts[j, GOAL_UNTIL] = now, now + MEMORY_MS
        row, column = cell_of(players.body.y[quarry]), cell_of(players.body.x[quarry])
        if cell_at(cells, m, row, column) != 0:
            facts[j, GOAL] = cell_number(cells, row, column)
    elif quarry >= 0 and (now - facts[j, SEEN] > MEMORY_MS or not is_alive(quarry, players)):
        facts[j, TARGET], facts[j, GOAL_UNTIL] = -1, now
    return bool(seen)


@device_function
def fight(j: int, now: int, streams: rng.Streams, players: Players, minds: Minds) -> None:
    """Aim at the quarry in sight, circle it, and fire now and then."""
    i, p, body, facts, wishes = j // PLAYERS, j % PLAYERS, players.body, minds.facts, minds.wishes
    k = facts[j, TARGET]
    dx, dy = body.x[k] - body.x[j], body.y[k] - body.y[j]
    distance = np.float32(math.sqrt(dx * dx + dy * dy))
    straight = bearing_of(j, k, body)
    with_orb = players.facts[j, GADGET] == ORB
    lead = distance / ORB_SPEED if with_orb else _ZERO  # aim where the quarry will be
    aim = bearing(_ZERO, _ZERO, dx + lead * body.vx[k], dy + lead * body.vy[k])
    error = (_TWO * rng.uniform(streams, i) - _ONE) * ERROR * (_ONE - ACCURACY[p])
    wishes[j, AIM] = aim + error

    near, far = (ORB_NEAR, ORB_FAR) if with_orb else (NEAR, FAR)
    if rng.uniform(streams, i) < TURNABOUT or abs(body.vx[j]) + abs(body.vy[j]) < _STUCK:
        facts[j, SIDE] = -facts[j, SIDE]
    inward = _DIAGONAL if distance > far else (-_DIAGONAL if distance < near else _ZERO)
    wishes[j, HEADING] = straight + np.float32(facts[j, SIDE]) * (_QUARTER - inward)
    wishes[j, PACE] = _ONE

    if now >= facts[j, TRIGGER_UNTIL]:
        facts[j, TRIGGER] = rng.uniform(streams, i) < THROTTLE[p]
        facts[j, TRIGGER_UNTIL] = now + TRIGGER_MS
    ready = now - facts[j, SIGHTED] >= REACTION_MS[p] and abs(wrap_degrees(aim - body.yaw[j])) < ON_TARGET
    safe = not with_orb or distance > near
    facts[j, FIRE] = facts[j, TRIGGER] if ready and safe else 0


@device_function
def _new_errand(
    j: int, now: int, m: int, streams: rng.Streams, players: Players, facts: Int32Array, items: Items, cells: Cells
) -> None:
    """Go for one of the items, if it is there and of use, or else anywhere."""
    i = j // PLAYERS
    facts[j, GOAL_UNTIL] = now + ERRAND_MS
    k = rng.below(streams, i, FIXED_ITEMS)
    if is_there(i, k, now, items) and wants(j, items.facts[i, k, KIND], players.facts):
        facts[j, GOAL] = cell_number(cells, cell_of(items.places[i, k, Y]), cell_of(items.places[i, k, X]))
        return
    found = False
    while not found:
        row, column = rng.below(streams, i, cells.shape[1]), rng.below(streams, i, cells.shape[2])
        found = cells[m, row, column] != 0
        facts[j, GOAL] = cell_number(cells, row, column)


@device_function
def _at_goal(x: np.float32, y: np.float32, row: int, column: int) -> bool:
    return bool(max(abs(middle_of(column) - x), abs(middle_of(row) - y)) < _THERE)


@device_function
def travel(
    j: int,
    now: int,
    m: int,
    streams: rng.Streams,
    players: Players,
    minds: Minds,
    items: Items,
    cells: Cells,
    routes: npt.NDArray[np.uint8],
) -> None:
    """Walk to the goal, cell by cell, looking ahead."""
    facts, wishes, x, y = minds.facts, minds.wishes, players.body.x[j], players.body.y[j]
    row, column = cell_of(y), cell_of(x)
    here = cell_number(cells, row, column)
    if now >= facts[j, GOAL_UNTIL] or (here == facts[j, GOAL] and _at_goal(x, y, row, column)):
        _new_errand(j, now, m, streams, players, facts, items, cells)
    direction = routes[m, facts[j, GOAL], here]
    row += 1 if direction == NORTH else (-1 if direction == SOUTH else 0)
    column += 1 if direction == EAST else (-1 if direction == WEST else 0)
    heading = bearing(x, y, middle_of(column), middle_of(row))
    wishes[j, HEADING], wishes[j, AIM], wishes[j, PACE] = heading, heading, _ONE
    facts[j, FIRE] = 0


@device_function
def wake(j: int, now: int, streams: rng.Streams, body: Body, minds: Minds) -> None:
    """A new mind for a bot that just came into the game."""
    facts, wishes = minds.facts, minds.wishes
    facts[j, TARGET], facts[j, SIDE], facts[j, FIRE] = -1, 1, 0
    facts[j, GOAL], facts[j, GOAL_UNTIL], facts[j, TRIGGER_UNTIL] = 0, now, now
    facts[j, THINK] = now + rng.below(streams, j // PLAYERS, THINK_MS)
    wishes[j, AIM], wishes[j, PACE] = body.yaw[j], _ZERO


@device_function
def think(
    j: int,
    now: int,
    m: int,
    streams: rng.Streams,
    players: Players,
    minds: Minds,
    items: Items,
    cells: Cells,
    routes: npt.NDArray[np.uint8],
) -> None:
    """If it is time for a thought, have it."""
    if now < minds.facts[j, THINK]:
        return
    minds.facts[j, THINK] += THINK_MS
    if watch(j, now, m, players, minds.facts, cells):
        fight(j, now, streams, players, minds)
    else:
        travel(j, now, m, streams, players, minds, items, cells, routes)


@device_function
def command(j: int, body: Body, minds: Minds) -> tuple[np.float32, np.float32, np.float32, bool]:
    """What bot j does in this frame: right, forward, left (in the agent's turns) and whether it fires."""
    wishes, yaw = minds.wishes, body.yaw[j]
    left = min(max(wrap_degrees(wishes[j, AIM] - yaw), -MOST_TURN), MOST_TURN)
    way = (wishes[j, HEADING] - yaw - left) / _DEGREES  # seen from where it will look
    pace = wishes[j, PACE]
    right, forward = -pace * np.float32(math.sin(way)), pace * np.float32(math.cos(way))
    return right, forward, left / TURN, bool(minds.facts[j, FIRE] != 0)

"""What every player does in a frame, whoever decides: be born, walk, shoot, wear off. j and k are rows of players."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.minilab import rng
from envs.minilab.grid import Cells, middle_of, slide_in_grid
from envs.minilab.jit import device_function
from envs.minilab.lasertag.arena import (
    ALIVE,
    AMMO,
    ARMOUR,
    COOLDOWN,
    DECAY,
    DIED,
    FULL_AMMO,
    GADGET,
    GADGETS,
    HEALTH,
    HURT,
    IMPULSE,
    PLAYERS,
    RAPID,
    SHOVED,
    Items,
    Players,
    is_alive,
    mark_burst,
)
from envs.minilab.lasertag.items import FULL_HEALTH, pick_up
from envs.minilab.lasertag.weapons import fire
from envs.minilab.physics import EYE_HEIGHT, FRAME_MS, RADIUS, accelerate, block, place_body, push, turn
from envs.minilab.state import Float32Array, Int32Array

SPAWN_HEALTH = 125
DECAY_MS = 1000  # a point of health and armour above 100 is lost each
RESPAWN_MS = 1700  # after a death, when FIRE is pressed
FORCED_MS = 21_700  # in any case
AIR_ACCELERATION = np.float32(1)
_BIRTH_SIZE = np.float32(70)
_LONG_AGO = -(2**20)
_TWO = np.float32(2)


@device_function
def _is_free(j: int, x: np.float32, y: np.float32, players: Players) -> bool:
    """Whether no living player but j stands at (x, y)."""
    free, body = True, players.body
    for p in range(PLAYERS):
        k = j - j % PLAYERS + p
        apart = abs(body.x[k] - x) >= _TWO * RADIUS or abs(body.y[k] - y) >= _TWO * RADIUS
        free = free and (k == j or apart or not is_alive(k, players))
    return free


@device_function
def _free_spawn(
    j: int, m: int, streams: rng.Streams, players: Players, spawns: npt.NDArray[np.uint8], count: int
) -> int:
    """One of the spawn points that nobody stands on, all alike; any if there is none."""
    choice, free = 0, 0
    for s in range(count):
        if _is_free(j, middle_of(spawns[m, s, 1]), middle_of(spawns[m, s, 0]), players):
            free += 1
            if rng.below(streams, j // PLAYERS, free) == 0:  # the n-th replaces those before with probability 1 / n
                choice = s
    return choice if free > 0 else rng.below(streams, j // PLAYERS, count)


@device_function
def spawn(
    j: int,
    now: int,
    m: int,
    streams: rng.Streams,
    players: Players,
    spawns: npt.NDArray[np.uint8],
    count: int,
) -> None:
    """Player j comes into the game with what everyone begins with."""
    facts, body = players.facts, players.body
    s = _free_spawn(j, m, streams, players, spawns, count)
    x, y = middle_of(spawns[m, s, 1]), middle_of(spawns[m, s, 0])
    place_body(body, j, x, y, rng.yaw(streams, j // PLAYERS))
    body.eye[j] = EYE_HEIGHT
    facts[j, HEALTH], facts[j, ARMOUR], facts[j, GADGET] = SPAWN_HEALTH, 0, RAPID
    facts[j, COOLDOWN], facts[j, SHOVED], facts[j, DECAY] = 0, 0, 0
    facts[j, DIED], facts[j, HURT] = ALIVE, _LONG_AGO
    for gadget in range(GADGETS):
        facts[j, AMMO + gadget] = FULL_AMMO[RAPID] if gadget == RAPID else 0
    mark_burst(j, x, y, _BIRTH_SIZE, now, players.marks)


@device_function
def may_respawn(j: int, wished: bool, now: int, facts: Int32Array) -> bool:
    """Whether a dead player comes back in this frame."""
    dead_for = now - facts[j, DIED]
    return bool(dead_for >= FORCED_MS or (wished and dead_for >= RESPAWN_MS))


@device_function
def move(
    j: int, right: np.float32, forward: np.float32, left: np.float32, m: int, players: Players, cells: Cells
) -> None:
    """Turn and walk for one frame; walls and players are in the way, and who was just shoved slides."""
    facts, body = players.facts, players.body
    turn(body, j, left)
    facts[j, SHOVED] = max(facts[j, SHOVED] - FRAME_MS, 0)
    if facts[j, SHOVED] > 0:
        push(body, j, right, forward, AIR_ACCELERATION)
    else:
        accelerate(body, j, right, forward)
    before_x, before_y = body.x[j], body.y[j]
    slide_in_grid(body, j, cells, m)
    for p in range(PLAYERS):
        k = j - j % PLAYERS + p
        if k != j and is_alive(k, players):
            block(body, j, before_x, before_y, body.x[k], body.y[k], RADIUS, RADIUS)


@device_function
def shoot(
    j: int,
    trigger: bool,
    now: int,
    m: int,
    streams: rng.Streams,
    players: Players,
    items: Items,
    orbs: Float32Array,
    cells: Cells,
) -> None:
    """Fire while the trigger is held and the gadget ready."""
    facts = players.facts
    if facts[j, COOLDOWN] > 0:
        facts[j, COOLDOWN] -= FRAME_MS
    if facts[j, COOLDOWN] > 0:
        return
    gadget = facts[j, GADGET]
    if not trigger:
        facts[j, COOLDOWN] = 0
    elif gadget == IMPULSE or facts[j, AMMO + gadget] > 0:
        fire(j, now, m, streams, players, items, orbs, cells)  # what is left of the frame counts for the next shot


@device_function
def wear_off(j: int, facts: Int32Array) -> None:
    """What is above the lasting amount falls by one a second."""
    facts[j, DECAY] += FRAME_MS
    if facts[j, DECAY] >= DECAY_MS:
        facts[j, DECAY] -= DECAY_MS
        facts[j, HEALTH] -= 1 if facts[j, HEALTH] > FULL_HEALTH else 0
        facts[j, ARMOUR] -= 1 if facts[j, ARMOUR] > FULL_HEALTH else 0


@device_function
def play_frame(
    j: int,
    right: np.float32,
    forward: np.float32,
    left: np.float32,
    trigger: bool,
    now: int,
    m: int,
    streams: rng.Streams,
    players: Players,
    items: Items,
    orbs: Float32Array,
    cells: Cells,
) -> None:
    """One engine frame of what a living player does."""
    move(j, right, forward, left, m, players, cells)
    pick_up(j, now, players, items)
    shoot(j, trigger, now, m, streams, players, items, orbs, cells)
    wear_off(j, players.facts)

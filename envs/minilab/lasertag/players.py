"""What every player does in a frame, whoever decides: be born, walk, shoot, wear off."""

from __future__ import annotations

import numpy as np

from envs.minilab import rng
from envs.minilab.grid import middle_of, slide_in_grid
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
    LasertagState,
    Scene,
    alive,
    body_of,
    mark_burst,
    now_of,
    place_of,
    row_of_body,
)
from envs.minilab.lasertag.items import FULL_HEALTH, pick_up
from envs.minilab.lasertag.weapons import fire
from envs.minilab.physics import EYE_HEIGHT, FRAME_MS, RADIUS, accelerate, block, place_body, push, turn

SPAWN_HEALTH = 125
DECAY_MS = 1000  # a point of health and armour above 100 is lost each
DECAY_ABOVE = FULL_HEALTH
RESPAWN_MS = 1700  # after a death, when FIRE is pressed
FORCED_MS = 21_700  # in any case
AIR_ACCELERATION = np.float32(1)
_BIRTH_SIZE = np.float32(70)
_LONG_AGO = -(2**20)
_TWO = np.float32(2)


@device_function
def _is_free(i: int, p: int, x: np.float32, y: np.float32, state: LasertagState) -> bool:
    """Whether no living player but p stands at (x, y)."""
    for q in range(PLAYERS):
        at_x, at_y = place_of(i, q, state)
        if q != p and alive(i, q, state) and abs(at_x - x) < _TWO * RADIUS and abs(at_y - y) < _TWO * RADIUS:
            return False
    return True


@device_function
def _free_spawn(i: int, p: int, state: LasertagState, scene: Scene) -> int:
    """One of the spawn points that nobody stands on; any if there is none."""
    mazes, m = scene.mazes, state.arena.maze[i]
    count, free = mazes.spawn_count[m], 0
    for s in range(count):
        free += _is_free(i, p, middle_of(mazes.spawns[m, s, 1]), middle_of(mazes.spawns[m, s, 0]), state)
    choice = rng.below(state.streams, i, free if free > 0 else count)
    if free == 0:
        return choice
    for s in range(count):
        if _is_free(i, p, middle_of(mazes.spawns[m, s, 1]), middle_of(mazes.spawns[m, s, 0]), state):
            if choice == 0:
                return s
            choice -= 1
    return 0


@device_function
def spawn(i: int, p: int, state: LasertagState, scene: Scene) -> None:
    """Player p comes into the game with what everyone begins with."""
    fighters, body, j = state.arena.fighters, body_of(p, state), row_of_body(i, p)
    mazes, m = scene.mazes, state.arena.maze[i]
    s = _free_spawn(i, p, state, scene)
    place_body(body, j, middle_of(mazes.spawns[m, s, 1]), middle_of(mazes.spawns[m, s, 0]), rng.yaw(state.streams, i))
    body.eye[j] = EYE_HEIGHT
    fighters[i, p, HEALTH], fighters[i, p, ARMOUR], fighters[i, p, GADGET] = SPAWN_HEALTH, 0, RAPID
    fighters[i, p, COOLDOWN], fighters[i, p, SHOVED], fighters[i, p, DECAY] = 0, 0, 0
    fighters[i, p, DIED], fighters[i, p, HURT] = ALIVE, _LONG_AGO
    for gadget in range(GADGETS):
        fighters[i, p, AMMO + gadget] = FULL_AMMO[RAPID] if gadget == RAPID else 0
    mark_burst(i, p, body.x[j], body.y[j], _BIRTH_SIZE, state)


@device_function
def may_respawn(i: int, p: int, wished: bool, state: LasertagState) -> bool:
    """Whether a dead player comes back in this frame."""
    dead_for = now_of(i, state) - state.arena.fighters[i, p, DIED]
    return bool(dead_for >= FORCED_MS or (wished and dead_for >= RESPAWN_MS))


@device_function
def move(
    i: int, p: int, right: np.float32, forward: np.float32, left: np.float32, state: LasertagState, scene: Scene
) -> None:
    """Turn and walk for one frame; walls and players are in the way, and who was just shoved slides."""
    fighters, body, j = state.arena.fighters, body_of(p, state), row_of_body(i, p)
    turn(body, j, left)
    fighters[i, p, SHOVED] = max(fighters[i, p, SHOVED] - FRAME_MS, 0)
    if fighters[i, p, SHOVED] > 0:
        push(body, j, right, forward, AIR_ACCELERATION)
    else:
        accelerate(body, j, right, forward)
    before_x, before_y = body.x[j], body.y[j]
    slide_in_grid(body, j, scene.mazes.cells, state.arena.maze[i])
    for q in range(PLAYERS):
        if q != p and alive(i, q, state):
            x, y = place_of(i, q, state)
            block(body, j, before_x, before_y, x, y, RADIUS, RADIUS)


@device_function
def shoot(i: int, p: int, wished: bool, state: LasertagState, scene: Scene) -> None:
    """Fire while the trigger is held and the gadget ready."""
    fighters = state.arena.fighters
    if fighters[i, p, COOLDOWN] > 0:
        fighters[i, p, COOLDOWN] -= FRAME_MS
    if fighters[i, p, COOLDOWN] > 0:
        return
    gadget = fighters[i, p, GADGET]
    if not wished:
        fighters[i, p, COOLDOWN] = 0
    elif gadget == IMPULSE or fighters[i, p, AMMO + gadget] > 0:
        fire(i, p, state, scene)  # what is left of the frame counts for the next shot


@device_function
def wear_off(i: int, p: int, state: LasertagState) -> None:
    """What is above the lasting amount falls by one a second."""
    fighters = state.arena.fighters
    fighters[i, p, DECAY] += FRAME_MS
    if fighters[i, p, DECAY] >= DECAY_MS:
        fighters[i, p, DECAY] -= DECAY_MS
        for what in (HEALTH, ARMOUR):
            if fighters[i, p, what] > DECAY_ABOVE:
                fighters[i, p, what] -= 1


@device_function
def play_frame(
    i: int,
    p: int,
    right: np.float32,
    forward: np.float32,
    left: np.float32,
    trigger: bool,
    state: LasertagState,
    scene: Scene,
) -> None:
    """One engine frame of a living player's command."""
    move(i, p, right, forward, left, state, scene)
    pick_up(i, p, state)
    shoot(i, p, trigger, state, scene)
    wear_off(i, p, state)

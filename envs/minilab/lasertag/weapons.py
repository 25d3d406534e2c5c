"""Gadgets: who is hit by what, what it does to them, and orbs in flight."""

from __future__ import annotations

import math

import numpy as np

from envs.minilab import rng
from envs.minilab.grid import cast_in_grid, clear_line
from envs.minilab.jit import device_function
from envs.minilab.lasertag.arena import (
    AMMO,
    ARMOUR,
    COOLDOWN,
    DIED,
    DISC,
    GADGET,
    HEALTH,
    HURT,
    IMPULSE,
    ORB,
    ORBS_EACH,
    PLAYERS,
    RAPID,
    SCORE,
    SHOT_UNTIL,
    SHOT_X,
    SHOT_Y,
    SHOVED,
    VX,
    VY,
    LasertagState,
    Scene,
    X,
    Y,
    alive,
    body_of,
    mark_burst,
    now_of,
    place_of,
    row_of_body,
)
from envs.minilab.lasertag.items import drop_gadget, switch_to
from envs.minilab.physics import FRAME_S, RADIUS

DAMAGE = np.array([50, 7, 100, 8, 100], np.int32)  # of IMPULSE, RAPID, ORB, BEAM, DISC
PERIOD_MS = np.array([400, 100, 800, 50, 1500], np.int32)
REACH = np.array([32, 8192, 0, 768, 8192], np.float32)  # an orb flies
MUZZLE = np.float32(14)  # before the eye
SPREAD = np.float32(1.4)  # degrees, of rapid shots
ORB_SPEED = np.float32(900)
SPLASH_DAMAGE = np.float32(100)
SPLASH_RADIUS = np.float32(120)
PUSH = np.float32(5)  # units per second and point of damage
DEAD_EYE = np.float32(8.12)  # a dead player sees the world from the ground
SHOT_MS = 100  # how long a shot is seen
_FAR = np.float32(1e9)
_ZERO = np.float32(0)
_ONE = np.float32(1)
_TWO = np.float32(2)
_RADIANS = np.float32(math.pi / 180)
_FULL_TURN = np.float32(2 * math.pi)
_DEATH_SIZE = np.float32(70)
_EXPLOSION_SIZE = np.float32(90)


@device_function
def _enter(
    x: np.float32, dx: np.float32, low: np.float32, high: np.float32
) -> tuple[np.float32, np.float32]:
    """Between which t the point x + t dx lies within [low, high]."""
    if dx == _ZERO:
        return (-_FAR, _FAR) if low <= x <= high else (_FAR, -_FAR)
    a, b = (low - x) / dx, (high - x) / dx
    return min(a, b), max(a, b)


@device_function
def distance_to_player(
    i: int, q: int, x: np.float32, y: np.float32, dx: np.float32, dy: np.float32, state: LasertagState
) -> np.float32:
    """How far along the unit vector (dx, dy) the box of player q is met; very far if it is not, or is dead."""
    at_x, at_y = place_of(i, q, state)
    first_x, last_x = _enter(x, dx, at_x - RADIUS, at_x + RADIUS)
    first_y, last_y = _enter(y, dy, at_y - RADIUS, at_y + RADIUS)
    first, last = max(first_x, first_y, _ZERO), min(last_x, last_y)
    return first if first <= last and alive(i, q, state) else _FAR


@device_function
def first_hit(
    i: int,
    p: int,
    x: np.float32,
    y: np.float32,
    dx: np.float32,
    dy: np.float32,
    reach: np.float32,
    state: LasertagState,
) -> tuple[int, np.float32]:
    """The first player but p within `reach` (-1: none), and the distance travelled until then."""
    hit, best = -1, reach
    for q in range(PLAYERS):
        t = distance_to_player(i, q, x, y, dx, dy, state)
        if q != p and t < best:
            hit, best = q, t
    return hit, best


@device_function
def hurt(i: int, p: int, q: int, damage: int, dx: np.float32, dy: np.float32, state: LasertagState) -> None:
    """Player p hits player q with a push along the unit vector (dx, dy); armour takes two thirds."""
    fighters, body, j = state.arena.fighters, body_of(q, state), row_of_body(i, q)
    if damage <= 0 or not alive(i, q, state):
        return
    body.vx[j] += PUSH * np.float32(damage) * dx
    body.vy[j] += PUSH * np.float32(damage) * dy
    if fighters[i, q, SHOVED] <= 0:
        fighters[i, q, SHOVED] = min(max(2 * damage, 50), 200)
    if p == q:
        damage = max(damage // 2, 1)
    saved = min((damage * 66 + 99) // 100, fighters[i, q, ARMOUR])
    fighters[i, q, ARMOUR] -= saved
    fighters[i, q, HEALTH] = max(fighters[i, q, HEALTH] - (damage - saved), 0)
    fighters[i, q, HURT] = now_of(i, state)
    if fighters[i, q, HEALTH] == 0:
        fighters[i, p, SCORE] += -1 if p == q else 1
        die(i, q, state)


@device_function
def die(i: int, q: int, state: LasertagState) -> None:
    """Take player q out of the game."""
    body, j = body_of(q, state), row_of_body(i, q)
    drop_gadget(i, q, state)
    state.arena.fighters[i, q, DIED] = now_of(i, state)
    body.vx[j], body.vy[j], body.eye[j] = _ZERO, _ZERO, DEAD_EYE
    mark_burst(i, q, body.x[j], body.y[j], _DEATH_SIZE, state)


@device_function
def fire(i: int, p: int, state: LasertagState, scene: Scene) -> None:
    """Player p pulls the trigger of a gadget that is ready."""
    fighters, body, j = state.arena.fighters, body_of(p, state), row_of_body(i, p)
    gadget = fighters[i, p, GADGET]
    angle = body.yaw[j] * _RADIANS
    if gadget == RAPID:  # Quake III: uniform along a random direction across the line of fire
        across = np.float32(math.cos(rng.uniform(state.streams, i) * _FULL_TURN))
        angle += across * (rng.uniform(state.streams, i) * _TWO - _ONE) * SPREAD * _RADIANS
    dx, dy = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    x, y = body.x[j] + MUZZLE * dx, body.y[j] + MUZZLE * dy
    if gadget == ORB:
        _launch_orb(i, p, x, y, dx, dy, state)
    else:
        reach = min(cast_in_grid(scene.mazes.cells, state.arena.maze[i], x, y, dx, dy), REACH[gadget])
        hit, end = first_hit(i, p, x, y, dx, dy, reach, state)
        if gadget == IMPULSE and hit < 0:
            return  # it strikes on contact only
        if gadget == DISC:  # goes through everybody
            end = reach
            for q in range(PLAYERS):
                if q != p and distance_to_player(i, q, x, y, dx, dy, state) < reach:
                    hurt(i, p, q, DAMAGE[gadget], dx, dy, state)
        elif hit >= 0:
            hurt(i, p, hit, DAMAGE[gadget], dx, dy, state)
        _mark_shot(i, p, x, y, x + end * dx, y + end * dy, state)
    fighters[i, p, COOLDOWN] += PERIOD_MS[gadget]
    if gadget != IMPULSE:
        fighters[i, p, AMMO + gadget] -= 1
        if fighters[i, p, AMMO + gadget] == 0:
            switch_to(i, p, _best_gadget(i, p, state), state)


@device_function
def _best_gadget(i: int, p: int, state: LasertagState) -> int:
    gadget = DISC
    while gadget > IMPULSE and state.arena.fighters[i, p, AMMO + gadget] == 0:
        gadget -= 1
    return gadget


@device_function
def _mark_shot(
    i: int, p: int, x: np.float32, y: np.float32, to_x: np.float32, to_y: np.float32, state: LasertagState
) -> None:
    marks = state.arena.marks
    marks[i, p, X], marks[i, p, Y], marks[i, p, SHOT_X], marks[i, p, SHOT_Y] = x, y, to_x, to_y
    marks[i, p, SHOT_UNTIL] = np.float32(now_of(i, state) + SHOT_MS)


@device_function
def _launch_orb(
    i: int, p: int, x: np.float32, y: np.float32, dx: np.float32, dy: np.float32, state: LasertagState
) -> None:
    orbs, slot = state.arena.orbs, p * ORBS_EACH
    if orbs[i, slot, VX] != _ZERO or orbs[i, slot, VY] != _ZERO:
        slot += 1
    orbs[i, slot, X], orbs[i, slot, Y], orbs[i, slot, VX], orbs[i, slot, VY] = x, y, ORB_SPEED * dx, ORB_SPEED * dy


@device_function
def move_orbs(i: int, state: LasertagState, scene: Scene) -> None:
    """Orbs fly for one frame; they burst at walls and players."""
    orbs, cells, m = state.arena.orbs, scene.mazes.cells, state.arena.maze[i]
    for slot in range(orbs.shape[1]):
        if orbs[i, slot, VX] == _ZERO and orbs[i, slot, VY] == _ZERO:
            continue
        p, x, y = slot // ORBS_EACH, orbs[i, slot, X], orbs[i, slot, Y]
        dx, dy = orbs[i, slot, VX] / ORB_SPEED, orbs[i, slot, VY] / ORB_SPEED
        step = ORB_SPEED * FRAME_S
        wall = cast_in_grid(cells, m, x, y, dx, dy) - _ONE  # a wall's face is one unit before its cell
        hit, end = first_hit(i, p, x, y, dx, dy, min(step, wall), state)
        orbs[i, slot, X], orbs[i, slot, Y] = x + end * dx, y + end * dy
        if hit >= 0 or wall < step:
            orbs[i, slot, VX], orbs[i, slot, VY] = _ZERO, _ZERO
            if hit >= 0:
                hurt(i, p, hit, DAMAGE[ORB], dx, dy, state)
            _splash(i, p, hit, orbs[i, slot, X], orbs[i, slot, Y], state, scene)


@device_function
def _splash(i: int, p: int, spared: int, x: np.float32, y: np.float32, state: LasertagState, scene: Scene) -> None:
    """Player p's orb bursts at (x, y) and hurts whom it sees, less with distance, but not who was hit directly."""
    mark_burst(i, p, x, y, _EXPLOSION_SIZE, state)
    for q in range(PLAYERS):
        at_x, at_y = place_of(i, q, state)
        dx, dy = at_x - x, at_y - y
        beside_x, beside_y = max(abs(dx) - RADIUS, _ZERO), max(abs(dy) - RADIUS, _ZERO)
        distance = np.float32(math.sqrt(beside_x * beside_x + beside_y * beside_y))
        if q != spared and distance < SPLASH_RADIUS and clear_line(
            scene.mazes.cells, state.arena.maze[i], x, y, at_x, at_y
        ):
            damage = int(SPLASH_DAMAGE * (_ONE - distance / SPLASH_RADIUS))
            length = max(np.float32(math.sqrt(dx * dx + dy * dy)), _ONE)
            hurt(i, p, q, damage, dx / length, dy / length, state)

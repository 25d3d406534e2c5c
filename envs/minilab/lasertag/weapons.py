"""Gadgets: who is hit by what, what it does to them, and orbs in flight. j and k are rows of players."""

from __future__ import annotations

import math

import numpy as np

from envs.minilab import rng
from envs.minilab.grid import Cells, cast_in_grid, clear_line
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
    SHOT_FROM_X,
    SHOT_FROM_Y,
    SHOT_UNTIL,
    SHOT_X,
    SHOT_Y,
    SHOVED,
    VX,
    VY,
    Items,
    Players,
    X,
    Y,
    is_alive,
    mark_burst,
)
from envs.minilab.lasertag.items import drop_gadget, switch_to
from envs.minilab.physics import FRAME_S, RADIUS
from envs.minilab.state import Float32Array, Int32Array

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
def _between(x: np.float32, dx: np.float32, low: np.float32, high: np.float32) -> tuple[np.float32, np.float32]:
    """Between which t the point x + t dx lies within [low, high]."""
    if dx == _ZERO:
        return (-_FAR, _FAR) if low <= x <= high else (_FAR, -_FAR)
    a, b = (low - x) / dx, (high - x) / dx
    return min(a, b), max(a, b)


@device_function
def distance_to(k: int, x: np.float32, y: np.float32, dx: np.float32, dy: np.float32, players: Players) -> np.float32:
    """How far along the unit vector (dx, dy) player k's box is met; very far if it is not, or the player is dead."""
    at_x, at_y = players.body.x[k], players.body.y[k]
    first_x, last_x = _between(x, dx, at_x - RADIUS, at_x + RADIUS)
    first_y, last_y = _between(y, dy, at_y - RADIUS, at_y + RADIUS)
    first, last = max(first_x, first_y, _ZERO), min(last_x, last_y)
    return first if first <= last and is_alive(k, players) else _FAR


@device_function
def first_hit(
    j: int, x: np.float32, y: np.float32, dx: np.float32, dy: np.float32, reach: np.float32, players: Players
) -> tuple[int, np.float32]:
    """The first player other than j within `reach` (-1: none), and the distance travelled until then."""
    hit, end = -1, reach
    for p in range(PLAYERS):
        k = j - j % PLAYERS + p
        t = distance_to(k, x, y, dx, dy, players)
        if k != j and t < end:
            hit, end = k, t
    return hit, end


@device_function
def hurt(j: int, k: int, damage: int, dx: np.float32, dy: np.float32, now: int, players: Players, items: Items) -> None:
    """Player j hits player k, with a push along the unit vector (dx, dy); armour takes two thirds."""
    facts, body = players.facts, players.body
    if damage <= 0 or not is_alive(k, players):
        return
    body.vx[k] += PUSH * np.float32(damage) * dx
    body.vy[k] += PUSH * np.float32(damage) * dy
    if facts[k, SHOVED] <= 0:
        facts[k, SHOVED] = min(max(2 * damage, 50), 200)
    if j == k:
        damage = max(damage // 2, 1)
    saved = min((damage * 66 + 99) // 100, facts[k, ARMOUR])
    facts[k, ARMOUR] -= saved
    facts[k, HEALTH] = max(facts[k, HEALTH] - (damage - saved), 0)
    facts[k, HURT] = now
    if facts[k, HEALTH] == 0:
        facts[j, SCORE] += -1 if j == k else 1
        drop_gadget(k, now, players, items)
        facts[k, DIED] = now
        body.vx[k], body.vy[k], body.eye[k] = _ZERO, _ZERO, DEAD_EYE
        mark_burst(k, body.x[k], body.y[k], _DEATH_SIZE, now, players.marks)


@device_function
def fire(
    j: int, now: int, m: int, streams: rng.Streams, players: Players, items: Items, orbs: Float32Array, cells: Cells
) -> None:
    """Player j pulls the trigger of a gadget that is ready."""
    facts, body = players.facts, players.body
    gadget, angle = facts[j, GADGET], body.yaw[j] * _RADIANS
    if gadget == ORB and flies(j, 0, orbs) and flies(j, 1, orbs):  # in a large layout only
        return
    if gadget == RAPID:  # Quake III: uniform along a random direction across the line of fire
        i = j // PLAYERS
        across = np.float32(math.cos(rng.uniform(streams, i) * _FULL_TURN))
        angle += across * (rng.uniform(streams, i) * _TWO - _ONE) * SPREAD * _RADIANS
    dx, dy = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    x, y = body.x[j] + MUZZLE * dx, body.y[j] + MUZZLE * dy
    if gadget == ORB:
        _launch(j, x, y, dx, dy, orbs)
    else:
        reach = min(cast_in_grid(cells, m, x, y, dx, dy), REACH[gadget])
        hit, end = first_hit(j, x, y, dx, dy, reach, players)
        if gadget == IMPULSE and hit < 0:
            return  # it strikes on contact only
        if gadget == DISC:  # goes through everybody
            end = reach
        for p in range(PLAYERS):
            k = j - j % PLAYERS + p
            pierced = gadget == DISC and k != j and distance_to(k, x, y, dx, dy, players) < reach
            if k == hit or pierced:
                hurt(j, k, DAMAGE[gadget], dx, dy, now, players, items)
        _mark_shot(j, x, y, x + end * dx, y + end * dy, now, players.marks)
    facts[j, COOLDOWN] += PERIOD_MS[gadget]
    if gadget != IMPULSE:
        facts[j, AMMO + gadget] -= 1
        if facts[j, AMMO + gadget] == 0:
            switch_to(j, _best_gadget(j, facts), facts)


@device_function
def _best_gadget(j: int, facts: Int32Array) -> int:
    gadget = DISC
    while gadget > IMPULSE and facts[j, AMMO + gadget] == 0:
        gadget -= 1
    return gadget


@device_function
def _mark_shot(
    j: int, x: np.float32, y: np.float32, to_x: np.float32, to_y: np.float32, now: int, marks: Float32Array
) -> None:
    marks[j, SHOT_FROM_X], marks[j, SHOT_FROM_Y], marks[j, SHOT_X], marks[j, SHOT_Y] = x, y, to_x, to_y
    marks[j, SHOT_UNTIL] = np.float32(now + SHOT_MS)


@device_function
def flies(j: int, slot: int, orbs: Float32Array) -> bool:
    """Whether player j has an orb of that number in the air."""
    return bool(orbs[j, slot, VX] != _ZERO or orbs[j, slot, VY] != _ZERO)


@device_function
def _launch(j: int, x: np.float32, y: np.float32, dx: np.float32, dy: np.float32, orbs: Float32Array) -> None:
    slot = 1 if flies(j, 0, orbs) else 0
    orbs[j, slot, X], orbs[j, slot, Y], orbs[j, slot, VX], orbs[j, slot, VY] = x, y, ORB_SPEED * dx, ORB_SPEED * dy


@device_function
def move_orbs(j: int, now: int, m: int, players: Players, items: Items, orbs: Float32Array, cells: Cells) -> None:
    """Player j's orbs fly for one frame; they burst at walls and players."""
    for slot in range(ORBS_EACH):
        if not flies(j, slot, orbs):
            continue
        x, y = orbs[j, slot, X], orbs[j, slot, Y]
        dx, dy = orbs[j, slot, VX] / ORB_SPEED, orbs[j, slot, VY] / ORB_SPEED
        step = ORB_SPEED * FRAME_S
        wall = cast_in_grid(cells, m, x, y, dx, dy) - _ONE  # a wall's face is one unit before its cell
        hit, end = first_hit(j, x, y, dx, dy, min(step, wall), players)
        x += end * dx
        y += end * dy
        orbs[j, slot, X], orbs[j, slot, Y] = x, y
        if hit >= 0 or wall < step:
            orbs[j, slot, VX], orbs[j, slot, VY] = _ZERO, _ZERO
            _burst(j, hit, x, y, dx, dy, now, m, players, items, cells)


@device_function
def _burst(
    j: int,
    hit: int,
    x: np.float32,
    y: np.float32,
    orb_dx: np.float32,
    orb_dy: np.float32,
    now: int,
    m: int,
    players: Players,
    items: Items,
    cells: Cells,
) -> None:
    """Player j's orb bursts at (x, y): full damage to whom it hit, less with distance to all whom it can see."""
    mark_burst(j, x, y, _EXPLOSION_SIZE, now, players.marks)
    for p in range(PLAYERS):
        k = j - j % PLAYERS + p
        to_x, to_y = players.body.x[k], players.body.y[k]
        dx, dy = to_x - x, to_y - y
        beside_x, beside_y = max(abs(dx) - RADIUS, _ZERO), max(abs(dy) - RADIUS, _ZERO)
        distance = np.float32(math.sqrt(beside_x * beside_x + beside_y * beside_y))
        length = max(np.float32(math.sqrt(dx * dx + dy * dy)), _ONE)
        damage = int(SPLASH_DAMAGE * (_ONE - distance / SPLASH_RADIUS))
        dx, dy = dx / length, dy / length
        if k == hit:
            damage, dx, dy = int(DAMAGE[ORB]), orb_dx, orb_dy
        elif damage > 0 and not clear_line(cells, m, x, y, to_x, to_y):
            damage = 0
        hurt(j, k, damage, dx, dy, now, players, items)

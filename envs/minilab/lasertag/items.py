"""What lies about: one gadget and two packs that come back, and gadgets that players dropped."""

from __future__ import annotations

import numpy as np

from envs.minilab import rng
from envs.minilab.grid import CELL, cell_at, middle_of
from envs.minilab.jit import device_function
from envs.minilab.lasertag.arena import (
    AMMO,
    ARMOUR,
    ARMOUR_PACK,
    CHARGE,
    COOLDOWN,
    FIXED_ITEMS,
    FROM,
    FULL_AMMO,
    GADGET,
    HEALTH,
    HEALTH_PACK,
    ITEMS,
    KIND,
    ORB,
    RAPID,
    UNTIL,
    LasertagState,
    Scene,
    X,
    Y,
    body_of,
    now_of,
    place_of,
    row_of_body,
)
from envs.minilab.lasertag.routes import cell_number
from envs.minilab.physics import touches_item

FULL_HEALTH = 100
FULL_ARMOUR = 200
PACK = 50  # what a pack of health or armour gives
SWITCH_MS = 450  # to lower one gadget and raise another
DROPPED_MS = 30_000  # then it is gone
_RESPAWN_MS = np.array([0, 0, 5_000, 5_000, 5_000, 35_000, 25_000], np.int32)
_MOST_AMMO = 200
_FOREVER = 2**30


@device_function
def is_there(i: int, k: int, now: int, state: LasertagState) -> bool:
    """Whether item k can be seen and taken."""
    items = state.arena.items
    return bool(items[i, k, FROM] <= now < items[i, k, UNTIL])


@device_function
def _is_spawn(m: int, row: int, column: int, scene: Scene) -> bool:
    mazes = scene.mazes
    for s in range(mazes.spawn_count[m]):
        if mazes.spawns[m, s, 0] == row and mazes.spawns[m, s, 1] == column:
            return True
    return False


@device_function
def scatter_items(i: int, state: LasertagState, scene: Scene) -> None:
    """One gadget and two packs on different empty cells that are no spawn points, nothing dropped yet."""
    streams, arena, cells = state.streams, state.arena, scene.mazes.cells
    m, items, places = arena.maze[i], arena.items, arena.item_places
    for k in range(ITEMS):
        items[i, k, FROM], items[i, k, UNTIL] = 0, 0
    for k in range(FIXED_ITEMS):
        items[i, k, KIND] = rng.below(streams, i, 3) + ORB if k == 0 else rng.below(streams, i, 2) + HEALTH_PACK
        items[i, k, UNTIL] = _FOREVER
        found = False
        while not found:  # a scene has more empty cells than items
            row, column = rng.below(streams, i, cells.shape[1]), rng.below(streams, i, cells.shape[2])
            x, y = middle_of(column), middle_of(row)
            found = cell_at(cells, m, row, column) != 0 and not _is_spawn(m, row, column, scene)
            for other in range(k):
                found = found and not (places[i, other, X] == x and places[i, other, Y] == y)
            places[i, k, X], places[i, k, Y] = x, y


@device_function
def wants(i: int, p: int, k: int, state: LasertagState) -> bool:
    """Whether item k would give player p anything."""
    fighters, kind = state.arena.fighters, state.arena.items[i, k, KIND]
    if kind == HEALTH_PACK:
        return bool(fighters[i, p, HEALTH] < FULL_HEALTH)
    if kind == ARMOUR_PACK:
        return bool(fighters[i, p, ARMOUR] < FULL_ARMOUR)
    return True


@device_function
def _take(i: int, p: int, k: int, now: int, state: LasertagState) -> None:
    items, fighters = state.arena.items, state.arena.fighters
    kind = items[i, k, KIND]
    if kind == HEALTH_PACK:
        fighters[i, p, HEALTH] = min(fighters[i, p, HEALTH] + PACK, FULL_HEALTH)
    elif kind == ARMOUR_PACK:
        fighters[i, p, ARMOUR] = min(fighters[i, p, ARMOUR] + PACK, FULL_ARMOUR)
    else:
        ammo = fighters[i, p, AMMO + kind]
        more = max(FULL_AMMO[kind] - ammo, 1) if k < FIXED_ITEMS else items[i, k, CHARGE]
        fighters[i, p, AMMO + kind] = min(ammo + more, _MOST_AMMO)
        switch_to(i, p, kind, state)
    if k < FIXED_ITEMS:
        items[i, k, FROM] = now + _RESPAWN_MS[kind]
    else:
        items[i, k, UNTIL] = now


@device_function
def pick_up(i: int, p: int, state: LasertagState) -> None:
    """Take what player p touches and has a use for."""
    body, j, places, now = body_of(p, state), row_of_body(i, p), state.arena.item_places, now_of(i, state)
    for k in range(ITEMS):
        touched = is_there(i, k, now, state) and touches_item(body, j, places[i, k, X], places[i, k, Y])
        if touched and wants(i, p, k, state):
            _take(i, p, k, now, state)


@device_function
def switch_to(i: int, p: int, gadget: int, state: LasertagState) -> None:
    """Hold another gadget, which takes a moment."""
    fighters = state.arena.fighters
    if fighters[i, p, GADGET] != gadget:
        fighters[i, p, GADGET] = gadget
        fighters[i, p, COOLDOWN] = max(fighters[i, p, COOLDOWN], 0) + SWITCH_MS


@device_function
def drop_gadget(i: int, p: int, state: LasertagState) -> None:
    """Leave the gadget in player p's hand, if it is worth it, where the player is."""
    arena, now, k = state.arena, now_of(i, state), FIXED_ITEMS + p
    gadget = arena.fighters[i, p, GADGET]
    charge = arena.fighters[i, p, AMMO + gadget]
    if gadget > RAPID and charge > 0:
        arena.items[i, k, KIND], arena.items[i, k, CHARGE] = gadget, charge
        arena.items[i, k, FROM], arena.items[i, k, UNTIL] = now, now + DROPPED_MS
        arena.item_places[i, k, X], arena.item_places[i, k, Y] = place_of(i, p, state)


@device_function
def goal_of_item(i: int, k: int, scene: Scene, state: LasertagState) -> int:
    """Number of the cell that item k lies in."""
    places = state.arena.item_places
    return cell_number(scene.mazes.cells, int(places[i, k, Y] / CELL), int(places[i, k, X] / CELL))

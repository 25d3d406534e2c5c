"""What lies about: one gadget and two packs that come back, and gadgets that players dropped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.minilab import rng
from envs.minilab.grid import cell_at, middle_of
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
    PLAYERS,
    RAPID,
    UNTIL,
    Items,
    Players,
    X,
    Y,
)
from envs.minilab.mazes import Mazes
from envs.minilab.physics import touches_item
from envs.minilab.state import Int32Array

FULL_HEALTH = 100
FULL_ARMOUR = 200
PACK = 50  # what a pack of health or armour gives
SWITCH_MS = 450  # to lower one gadget and raise another
DROPPED_MS = 30_000  # then it is gone
RESPAWN_MS = np.array([0, 0, 5_000, 5_000, 5_000, 35_000, 25_000], np.int32)  # by kind
MOST_AMMO = 200
_FOREVER = 2**30


@device_function
def is_there(i: int, k: int, now: int, items: Items) -> bool:
    """Whether item k of environment i can be seen and taken."""
    return bool(items.facts[i, k, FROM] <= now < items.facts[i, k, UNTIL])


@device_function
def _is_spawn(m: int, row: int, column: int, spawns: npt.NDArray[np.uint8], count: int) -> bool:
    found = False
    for s in range(count):
        found = found or (spawns[m, s, 0] == row and spawns[m, s, 1] == column)
    return found


@device_function
def scatter_items(i: int, m: int, streams: rng.Streams, items: Items, mazes: Mazes) -> None:
    """One gadget and two packs on different empty cells that are no spawn points; nothing dropped yet."""
    cells, facts, places = mazes.cells, items.facts, items.places
    for k in range(ITEMS):
        facts[i, k, FROM], facts[i, k, UNTIL] = 0, 0
    for k in range(FIXED_ITEMS):
        facts[i, k, KIND] = rng.below(streams, i, 3) + ORB if k == 0 else rng.below(streams, i, 2) + HEALTH_PACK
        facts[i, k, UNTIL] = _FOREVER
        found = False
        while not found:  # a scene has more empty cells than items
            row, column = rng.below(streams, i, cells.shape[1]), rng.below(streams, i, cells.shape[2])
            x, y = middle_of(column), middle_of(row)
            found = cell_at(cells, m, row, column) != 0
            found = found and not _is_spawn(m, row, column, mazes.spawns, mazes.spawn_count[m])
            for other in range(k):
                found = found and not (places[i, other, X] == x and places[i, other, Y] == y)
            places[i, k, X], places[i, k, Y] = x, y


@device_function
def wants(j: int, kind: int, facts: Int32Array) -> bool:
    """Whether an item of a kind would give player j anything."""
    if kind == HEALTH_PACK:
        return bool(facts[j, HEALTH] < FULL_HEALTH)
    if kind == ARMOUR_PACK:
        return bool(facts[j, ARMOUR] < FULL_ARMOUR)
    return True


@device_function
def _take(i: int, j: int, k: int, now: int, facts: Int32Array, items: Items) -> None:
    kind = items.facts[i, k, KIND]
    if kind == HEALTH_PACK:
        facts[j, HEALTH] = min(facts[j, HEALTH] + PACK, FULL_HEALTH)
    elif kind == ARMOUR_PACK:
        facts[j, ARMOUR] = min(facts[j, ARMOUR] + PACK, FULL_ARMOUR)
    else:
        ammo = facts[j, AMMO + kind]
        more = max(FULL_AMMO[kind] - ammo, 1) if k < FIXED_ITEMS else items.facts[i, k, CHARGE]
        facts[j, AMMO + kind] = min(ammo + more, MOST_AMMO)
        switch_to(j, kind, facts)
    if k < FIXED_ITEMS:
        items.facts[i, k, FROM] = now + RESPAWN_MS[kind]
    else:
        items.facts[i, k, UNTIL] = now


@device_function
def pick_up(j: int, now: int, players: Players, items: Items) -> None:
    """Take what player j touches and has a use for."""
    i, facts, places = j // PLAYERS, players.facts, items.places
    for k in range(ITEMS):
        if (
            is_there(i, k, now, items)
            and touches_item(players.body, j, places[i, k, X], places[i, k, Y])
            and wants(j, items.facts[i, k, KIND], facts)
        ):
            _take(i, j, k, now, facts, items)


@device_function
def switch_to(j: int, gadget: int, facts: Int32Array) -> None:
    """Hold another gadget, which takes a moment."""
    if facts[j, GADGET] != gadget:
        facts[j, GADGET] = gadget
        facts[j, COOLDOWN] = max(facts[j, COOLDOWN], 0) + SWITCH_MS


@device_function
def drop_gadget(j: int, now: int, players: Players, items: Items) -> None:
    """Leave the gadget in player j's hand, if it is worth it, where the player is."""
    i, k = j // PLAYERS, FIXED_ITEMS + j % PLAYERS
    gadget = players.facts[j, GADGET]
    charge = players.facts[j, AMMO + gadget]
    if gadget > RAPID and charge > 0:
        items.facts[i, k, KIND], items.facts[i, k, CHARGE] = gadget, charge
        items.facts[i, k, FROM], items.facts[i, k, UNTIL] = now, now + DROPPED_MS
        items.places[i, k, X], items.places[i, k, Y] = players.body.x[j], players.body.y[j]

"""The state of a round of lasertag, and who is where. Times are engine milliseconds since the episode began.

Player 0 of an environment is the agent, players 1 to 3 are bots; all four follow the same rules. What is small is
packed into few arrays, whose columns are named here: a CUDA kernel takes only so many.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from envs.minilab import rng
from envs.minilab.jit import device_function
from envs.minilab.mazes import Mazes
from envs.minilab.physics import FRAME_MS
from envs.minilab.state import Body, Float32Array, Int32Array, new_body
from envs.minilab.textures import Atlas

PLAYERS = 4
ALIVE = -1

# Gadgets, in the order in which one that runs out is replaced by the next lower one; then the other kinds of items.
IMPULSE, RAPID, ORB, BEAM, DISC, HEALTH_PACK, ARMOUR_PACK = range(7)
GADGETS = DISC + 1
FULL_AMMO = np.array([0, 100, 10, 100, 10], np.int32)  # a gadget's

# Columns of `Arena.fighters`.
HEALTH, ARMOUR, GADGET, COOLDOWN, SHOVED, DECAY, DIED, HURT, SCORE, AMMO = range(10)
# Columns of `Arena.minds`.
TARGET, SIGHTED, SEEN, GOAL, GOAL_UNTIL, THINK, SIDE, TRIGGER, TRIGGER_UNTIL, FIRE = range(10)
# Columns of `Arena.wishes`.
AIM, HEADING, PACE = range(3)
# Columns of `Arena.items` and `Arena.item_places`: two that stay, a gadget, and what each player has dropped.
KIND, FROM, UNTIL, CHARGE = range(4)
X, Y = range(2)
FIXED_ITEMS = 3
ITEMS = FIXED_ITEMS + PLAYERS
# Columns of `Arena.orbs`, beside X and Y; at rest is not there.
VX, VY = 2, 3
ORBS_EACH = 2  # in the air at once: an orb crosses the maze in less than two periods
# Columns of `Arena.marks`, beside X and Y, where the last shot began.
SHOT_X, SHOT_Y, SHOT_UNTIL, BURST_X, BURST_Y, BURST_UNTIL, BURST_SIZE = range(2, 9)
BURST_MS = 250


class Arena(NamedTuple):
    """The level's own state."""

    maze: Int32Array  # [B] number in the pool
    hue: Int32Array  # [B] of the bots, in twelfths of a turn
    fighters: Int32Array  # [B, 4, 10 + gadgets] HEALTH ... SCORE, ammunition from AMMO on
    minds: Int32Array  # [B, 4, 10] of the bots (row 0 is not used): TARGET ... FIRE
    wishes: Float32Array  # [B, 4, 3] of the bots: AIM, HEADING (degrees), PACE (0 or 1)
    items: Int32Array  # [B, 7, 4] KIND ... CHARGE
    item_places: Float32Array  # [B, 7, 2]
    orbs: Float32Array  # [B, 8, 4] two a player
    marks: Float32Array  # [B, 4, 9] what is to be seen of a player's last shot and burst


class LasertagState(NamedTuple):
    """Everything that changes."""

    streams: rng.Streams
    body: Body  # [B] agents
    bots: Body  # [3 B]
    arena: Arena


class Scene(NamedTuple):
    """Everything that does not."""

    mazes: Mazes
    routes: npt.NDArray[np.uint8]  # [N, cells, cells] (to, from): direction of the first step (lasertag.routes)
    atlas: Atlas


def new_state(streams: rng.Streams) -> LasertagState:
    """State for as many environments as `streams` has."""
    num_envs = len(streams.episode)

    def numbers(*shape: int) -> Int32Array:
        return np.zeros((num_envs, *shape), np.int32)

    def reals(*shape: int) -> Float32Array:
        return np.zeros((num_envs, *shape), np.float32)

    arena = Arena(
        maze=numbers(),
        hue=numbers(),
        fighters=numbers(PLAYERS, AMMO + GADGETS),
        minds=numbers(PLAYERS, FIRE + 1),
        wishes=reals(PLAYERS, PACE + 1),
        items=numbers(ITEMS, CHARGE + 1),
        item_places=reals(ITEMS, Y + 1),
        orbs=reals(PLAYERS * ORBS_EACH, VY + 1),
        marks=reals(PLAYERS, BURST_SIZE + 1),
    )
    return LasertagState(streams, new_body(num_envs), new_body((PLAYERS - 1) * num_envs), arena)


@device_function
def body_of(p: int, state: LasertagState) -> Body:
    """The bodies among which player p's is."""
    return state.body if p == 0 else state.bots


@device_function
def row_of_body(i: int, p: int) -> int:
    """Where in `body_of(p, state)` that of environment i is."""
    return i if p == 0 else (PLAYERS - 1) * i + p - 1


@device_function
def place_of(i: int, p: int, state: LasertagState) -> tuple[np.float32, np.float32]:
    """Where player p is."""
    body, j = body_of(p, state), row_of_body(i, p)
    return body.x[j], body.y[j]


@device_function
def alive(i: int, p: int, state: LasertagState) -> bool:
    """Whether player p is in the game."""
    return bool(state.arena.fighters[i, p, DIED] == ALIVE)


@device_function
def now_of(i: int, state: LasertagState) -> int:
    """Engine milliseconds since the episode began."""
    return int(state.body.frame[i]) * FRAME_MS


@device_function
def mark_burst(i: int, p: int, x: np.float32, y: np.float32, size: np.float32, state: LasertagState) -> None:
    """Let a burst be seen at (x, y) for a few frames."""
    marks = state.arena.marks
    marks[i, p, BURST_X], marks[i, p, BURST_Y], marks[i, p, BURST_SIZE] = x, y, size
    marks[i, p, BURST_UNTIL] = np.float32(now_of(i, state) + BURST_MS)

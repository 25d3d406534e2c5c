"""The state of a round of lasertag. Times are engine milliseconds since the episode began.

Player 0 of an environment is the agent, players 1 to 3 are bots; all four follow the same rules. Player p of
environment i has row `PLAYERS * i + p` wherever players have rows. What is small is packed into few arrays, whose
columns are named here: a CUDA kernel takes only so many.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from envs.minilab import rng
from envs.minilab.counts import Counts, new_counts
from envs.minilab.jit import device_function
from envs.minilab.mazes import Mazes
from envs.minilab.physics import FRAME_MS, place_body
from envs.minilab.state import Body, Float32Array, Int32Array, new_body
from envs.minilab.textures import Atlas

COUNTS = ("tags", "tagged")
TAGS, TAGGED = range(2)  # places in it
PLAYERS = 4
ALIVE = -1

# Gadgets, in the order in which one that runs out is replaced by the next lower one; then the other kinds of items.
IMPULSE, RAPID, ORB, BEAM, DISC, HEALTH_PACK, ARMOUR_PACK = range(7)
GADGETS = DISC + 1
FULL_AMMO = np.array([0, 100, 10, 100, 10], np.int32)  # a gadget's

# Columns of `Players.facts`.
HEALTH, ARMOUR, GADGET, COOLDOWN, SHOVED, DECAY, DIED, HURT, SCORE, AMMO = range(10)
# Columns of `Players.marks`.
SHOT_FROM_X, SHOT_FROM_Y, SHOT_X, SHOT_Y, SHOT_UNTIL, BURST_X, BURST_Y, BURST_UNTIL, BURST_SIZE = range(9)
BURST_MS = 250
# Columns of `Minds.facts` and `Minds.wishes`.
TARGET, SIGHTED, SEEN, GOAL, GOAL_UNTIL, THINK, SIDE, TRIGGER, TRIGGER_UNTIL, FIRE = range(10)
AIM, HEADING, PACE = range(3)
# Columns of `Items.facts`; of `Items.places` and `orbs`.
KIND, FROM, UNTIL, CHARGE = range(4)
X, Y, VX, VY = range(4)
FIXED_ITEMS = 3
ITEMS = FIXED_ITEMS + PLAYERS
ORBS_EACH = 2  # in the air at once: an orb crosses the maze in less than two periods


class Players(NamedTuple):
    """What all four have."""

    body: Body  # [4 B]; that of an agent is copied from `LasertagState.body` before a step and back after it
    facts: Int32Array  # [4 B, 10 + gadgets] HEALTH ... SCORE, ammunition from AMMO on
    marks: Float32Array  # [4 B, 9] what is to be seen of the last shot and the last burst


class Minds(NamedTuple):
    """Of the bots; the agents' rows are not used."""

    facts: Int32Array  # [4 B, 10] TARGET ... FIRE
    wishes: Float32Array  # [4 B, 3] AIM, HEADING (degrees), PACE (0 or 1)


class Items(NamedTuple):
    """What lies about: three that come back, then what each player has dropped."""

    facts: Int32Array  # [B, 7, 4] KIND ... CHARGE
    places: Float32Array  # [B, 7, 2]


class LasertagState(NamedTuple):
    """Everything that changes."""

    streams: rng.Streams
    body: Body  # [B] agents
    maze: Int32Array  # [B] number in the pool
    hue: Int32Array  # [B] of the bots, in twelfths of a turn
    players: Players
    minds: Minds
    items: Items
    orbs: Float32Array  # [4 B, 2, 4] place and velocity; one at rest is not there
    counts: Counts


class Scene(NamedTuple):
    """Everything that does not."""

    mazes: Mazes
    routes: npt.NDArray[np.uint8]  # [N, cells, cells] (to, from): direction of the first step (lasertag.routes)
    atlas: Atlas


def new_state(streams: rng.Streams) -> LasertagState:
    """State for as many environments as `streams` has."""
    envs = len(streams.episode)
    players = PLAYERS * envs

    def integers(*shape: int) -> Int32Array:
        return np.zeros(shape, np.int32)

    def reals(*shape: int) -> Float32Array:
        return np.zeros(shape, np.float32)

    return LasertagState(
        streams,
        new_body(envs),
        maze=integers(envs),
        hue=integers(envs),
        players=Players(new_body(players), integers(players, AMMO + GADGETS), reals(players, BURST_SIZE + 1)),
        minds=Minds(integers(players, FIRE + 1), reals(players, PACE + 1)),
        items=Items(integers(envs, ITEMS, CHARGE + 1), reals(envs, ITEMS, Y + 1)),
        orbs=reals(players, ORBS_EACH, VY + 1),
        counts=new_counts(envs, COUNTS),
    )


@device_function
def copy_body(source: Body, i: int, target: Body, j: int) -> None:
    """Put body j of `target` where body i of `source` is."""
    place_body(target, j, source.x[i], source.y[i], source.yaw[i])
    target.vx[j], target.vy[j], target.eye[j] = source.vx[i], source.vy[i], source.eye[i]


@device_function
def is_alive(j: int, players: Players) -> bool:
    """Whether the player of row j is in the game."""
    return bool(players.facts[j, DIED] == ALIVE)


@device_function
def now_of(i: int, body: Body) -> int:
    """Engine milliseconds since environment i's episode began."""
    return int(body.frame[i]) * FRAME_MS


@device_function
def mark_burst(j: int, x: np.float32, y: np.float32, size: np.float32, now: int, marks: Float32Array) -> None:
    """Let a burst be seen at (x, y) for a few frames."""
    marks[j, BURST_X], marks[j, BURST_Y], marks[j, BURST_SIZE] = x, y, size
    marks[j, BURST_UNTIL] = np.float32(now + BURST_MS)

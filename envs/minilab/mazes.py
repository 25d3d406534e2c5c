"""Pools of mazes made ahead by `maze_generator`, decorated, and stacked for the engine.

An episode takes one maze of the pool, so that a reset costs microseconds. Training and evaluation have pools of their
own, the same in every run: mazes are numbered like the seeds of a data set.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label

from envs.config import Textures
from envs.minilab.decals import COUNT as DECALS
from envs.minilab.decals import decal
from envs.minilab.grid import Cells
from envs.minilab.jit import cached, compiled
from envs.minilab.maze_generator import FREE, OBJECT, SPAWN, Rooms, below, generate, random_states
from envs.minilab.papers import Kind
from envs.minilab.rng import EVALUATION_MIXER
from envs.minilab.state import Int32Array
from envs.minilab.textures import Image, sky, surface

UInt8Array = npt.NDArray[np.uint8]

POOL = 2048
# DeepMind Lab's MISHMASH: five styles with four walls and four floors each; corridors take the first of both.
_WALLS = ("green red", "blue yellow", "orange gray", "green red", "red yellow")
_FLOORS = ("orange blue", "blue green", "blue green", "blue orange", "blue orange")
SKY = 0  # places in the atlas: four sides of the sky, then walls, floors, decals
WALL = 4
FLOOR = WALL + 20
DECAL = FLOOR + 20
FIRST_FREE = DECAL + DECALS
SURFACES = 4 * "s" + 20 * "w" + 20 * "f"  # what the textures are, see `levels.Level`
_CONTENTS = {"*": 0, "P": SPAWN, "G": OBJECT}  # of a layout; anything else is floor
_MOST = 64  # cells to a side of a layout
PAPERS = 20  # walls, and floors
_DECORATION = 1  # tells the random numbers of papers and decals from those of mazes


class Mazes(NamedTuple):
    """N mazes; row 0 is the southernmost."""

    cells: Cells  # [N, R, C] 0 wall, 1 corridor, 2... rooms by look
    surfaces: UInt8Array  # [N, looks, 2] textures of walls and floor: corridor, rooms
    decals: UInt8Array  # [N, R, C, 4] textures on the walls round a cell (east, north, west, south), 0 for none
    spawns: UInt8Array  # [N, most, 2] (row, column) of the cells marked P, the first `spawn_count` of them
    spawn_count: Int32Array  # [N]
    objects: UInt8Array  # [N, most, 2] likewise the cells marked G
    object_count: Int32Array  # [N]


def maze_textures(textures: Textures) -> list[Image]:
    """What mazes are papered with, in the order of SKY, WALL, FLOOR and DECAL."""
    styles: tuple[tuple[Kind, tuple[str, ...]], ...] = (("wall", _WALLS), ("floor", _FLOORS))
    papers = [
        surface(textures, kind, f"style_{style:02}", f"{colour}{bright}")
        for kind, colours in styles
        for style, names in enumerate(colours, 1)
        for colour in names.split()
        for bright in ("", "_bright")
    ]
    return [*sky(textures), *papers, *(decal(index) for index in range(DECALS))]


@cache
def new_pool(rooms: Rooms, *, evaluation: bool = False, count: int = POOL) -> Mazes:
    """`count` mazes of 11 x 11 cells, always the same ones."""
    key = EVALUATION_MIXER if evaluation else 0
    contents, room = generate(rooms, count, key)
    looks = np.where(room == 0, 0, 1 + (room - 1) % rooms.variations).astype(np.uint8)
    return _stack(contents, looks, key)


def pool_of_layout(layout: str) -> Mazes:
    """The one maze of a text: `*` wall, `P` spawn, `G` object, anything else floor; its rooms look like corridors.

    Raises:
        ValueError: rows of different length, more than 64 rows or columns, an open border, no spawn point, or spawn
            points and places for objects that cannot all be reached from one another.
    """
    rows = layout.strip("\n").splitlines()
    if max(len(rows), len(rows[0])) > _MOST:
        raise ValueError(f"the layout has {len(rows)} x {len(rows[0])} cells; {_MOST} x {_MOST} is the most")
    if len({len(row) for row in rows}) != 1:
        raise ValueError(f"the rows of the layout have {sorted({len(row) for row in rows})} characters; all must agree")
    border = rows[0] + rows[-1] + "".join(row[0] + row[-1] for row in rows)
    if set(border) != {"*"}:
        raise ValueError(f"the border of the layout must be walls (*); it has {''.join(sorted(set(border) - {'*'}))!r}")
    if "P" not in layout:
        raise ValueError("the layout has no spawn point (P)")
    contents = np.array([[_CONTENTS.get(character, FREE) for character in row] for row in reversed(rows)], np.uint8)
    parts, _ = label(contents != 0)
    if len(set(parts[(contents == SPAWN) | (contents == OBJECT)].tolist())) > 1:
        raise ValueError("the places marked P and G in the layout cannot all be reached from one another")
    return _stack(contents[None], np.zeros_like(contents)[None], 0)


def _stack(contents: UInt8Array, looks: UInt8Array, key: int) -> Mazes:
    """Mazes of what their cells hold and of their rooms' looks (0 corridors), both [N, R, C]."""
    cells = np.where(contents == 0, 0, looks + 1).astype(np.uint8)
    surfaces = np.zeros((len(cells), max(1, int(cells.max())), 2), np.uint8)
    decals = np.zeros((*cells.shape, 4), np.uint8)
    _decorate(random_states(len(cells), key, _DECORATION), np.arange(DECALS, dtype=np.int32), cells, surfaces, decals)
    spawns, spawn_count = _places(contents == SPAWN)
    objects, object_count = _places(contents == OBJECT)
    return Mazes(cells, surfaces, decals, spawns, spawn_count, objects, object_count)


@compiled
def _is_face(cells: UInt8Array, i: int, row: int, column: int, side: int) -> bool:
    """Whether a floor has a wall to the east, north, west or south."""
    y, x = row + (side == 1) - (side == 3), column + (side == 0) - (side == 2)
    outside = y < 0 or x < 0 or y >= cells.shape[1] or x >= cells.shape[2]
    return cells[i, row, column] > 0 and (outside or cells[i, y, x] == 0)


@cached("mazes", __file__)
def _decorate(
    state: npt.NDArray[np.uint64], order: Int32Array, cells: UInt8Array, surfaces: UInt8Array, decals: UInt8Array
) -> None:
    """Any papers on the walls and floors of rooms, and different pictures on a tenth of all walls."""
    for i in range(len(cells)):
        surfaces[i, 0, 0], surfaces[i, 0, 1] = WALL, FLOOR
        for look in range(1, surfaces.shape[1]):
            surfaces[i, look, 0] = WALL + below(state, i, PAPERS)
            surfaces[i, look, 1] = FLOOR + below(state, i, PAPERS)
        faces, hung, seen = 0, 0, 0
        for again in range(2):  # count them; then take each with the probability that leaves all choices equally likely
            wanted = min(int(0.5 + 0.1 * faces), DECALS)
            for row in range(cells.shape[1]):
                for column in range(cells.shape[2]):
                    for side in range(4):
                        if not _is_face(cells, i, row, column, side):
                            continue
                        if again == 0:
                            faces += 1
                        elif below(state, i, faces - seen) < wanted - hung:
                            other = hung + below(state, i, DECALS - hung)
                            order[hung], order[other] = order[other], order[hung]
                            decals[i, row, column, side] = DECAL + order[hung]
                            hung += 1
                        seen += again


def _places(marked: npt.NDArray[np.bool_]) -> tuple[UInt8Array, Int32Array]:
    """(row, column) of the marked cells of each maze [N, R, C], padded with zeros to the longest list."""
    count = marked.sum((1, 2)).astype(np.int32)
    places = np.zeros((len(marked), max(int(count.max()), 1), 2), np.uint8)
    maze, row, column = np.nonzero(marked)
    number = np.arange(len(maze)) - np.repeat(np.cumsum(count) - count, count)
    places[maze, number] = np.stack([row, column], -1)
    return places, count

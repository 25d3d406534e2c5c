"""Pools of mazes made ahead by DeepMind Lab's own generator (`labmaze`), decorated, and stacked for the engine.

An episode takes one maze of the pool, so that a reset costs microseconds. Training and evaluation have pools of their
own, the same in every run: mazes are numbered like the seeds of a data set.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label

from envs.minilab.decals import COUNT as DECALS
from envs.minilab.decals import decal
from envs.minilab.grid import Cells
from envs.minilab.rng import EVALUATION_MIXER
from envs.minilab.state import Int32Array
from envs.minilab.textures import Image, lab_sky, lab_texture

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
_CORRIDOR = "."
_MOST = 64  # cells to a side of a layout
_TRIES = 1000  # how often the generator tries to place a room


class Rooms(NamedTuple):
    """What a level asks of the generator."""

    rooms: int
    extra_connections: float  # probability
    variations: int  # how many looks rooms may have
    spawns: int  # a room
    objects: int  # a room


class Mazes(NamedTuple):
    """N mazes; row 0 is the southernmost."""

    cells: Cells  # [N, R, C] 0 wall, 1 corridor, 2... rooms by look
    surfaces: UInt8Array  # [N, looks, 2] textures of walls and floor: corridor, rooms
    decals: UInt8Array  # [N, R, C, 4] textures on the walls round a cell (east, north, west, south), 0 for none
    spawns: UInt8Array  # [N, most, 2] (row, column) of the cells marked P, the first `spawn_count` of them
    spawn_count: Int32Array  # [N]
    objects: UInt8Array  # [N, most, 2] likewise the cells marked G
    object_count: Int32Array  # [N]


def maze_textures() -> list[Image]:
    """What mazes are papered with, in the order of SKY, WALL, FLOOR and DECAL."""
    papers = [
        lab_texture(surface, f"style_{style:02}", f"{colour}{bright}")
        for surface, colours in (("wall", _WALLS), ("floor", _FLOORS))
        for style, names in enumerate(colours, 1)
        for colour in names.split()
        for bright in ("", "_bright")
    ]
    return [*lab_sky("sky_03"), *papers, *(decal(index) for index in range(DECALS))]


@cache
def new_pool(rooms: Rooms, *, evaluation: bool = False, count: int = POOL) -> Mazes:
    """`count` mazes of 11 x 11 cells, always the same ones."""
    import labmaze

    texts = []
    for number in range(count):
        maze = labmaze.RandomMaze(
            max_rooms=rooms.rooms,
            retry_count=_TRIES,
            extra_connection_probability=rooms.extra_connections,
            max_variations=rooms.variations,
            spawns_per_room=rooms.spawns,
            objects_per_room=rooms.objects,
            random_seed=number ^ (EVALUATION_MIXER if evaluation else 0),
        )
        texts.append((str(maze.entity_layer), str(maze.variations_layer)))
    return _stack(texts, seed=EVALUATION_MIXER if evaluation else 0)


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
    text = "\n".join(rows)
    entities = _grid(text)
    parts, _ = label(entities != ord("*"))
    if len(set(parts[(entities == ord("P")) | (entities == ord("G"))].tolist())) > 1:
        raise ValueError("the places marked P and G in the layout cannot all be reached from one another")
    return _stack([(text, "\n".join(_CORRIDOR * len(row) for row in rows))], seed=0)


def _stack(texts: Iterable[tuple[str, str]], seed: int) -> Mazes:
    entity, look = (np.stack([_grid(text) for text in layer]) for layer in zip(*texts, strict=True))  # [N, R, C]
    room = np.where(look == ord(_CORRIDOR), 0, look.astype(np.int16) - ord("A") + 1)
    cells = np.where(entity == ord("*"), 0, room + 1).astype(np.uint8)
    generator = np.random.default_rng([seed, 1])
    spawns, spawn_count = _places(entity == ord("P"))
    objects, object_count = _places(entity == ord("G"))
    return Mazes(
        cells=cells,
        surfaces=_surfaces(len(cells), int(cells.max()), generator),
        decals=np.stack([_decals(maze, generator) for maze in cells]),
        spawns=spawns,
        spawn_count=spawn_count,
        objects=objects,
        object_count=object_count,
    )


def _grid(text: str) -> UInt8Array:
    rows = text.strip("\n").splitlines()
    return np.array([np.frombuffer(row.encode("ascii"), np.uint8) for row in reversed(rows)])


def _surfaces(count: int, looks: int, generator: np.random.Generator) -> UInt8Array:
    surfaces = generator.integers(0, 20, (count, max(looks, 1), 2))
    surfaces += np.array([WALL, FLOOR])
    surfaces[:, 0] = WALL, FLOOR
    return surfaces.astype(np.uint8)


def _decals(cells: UInt8Array, generator: np.random.Generator) -> UInt8Array:
    """Different pictures on a tenth of the walls."""
    wall = np.pad(cells == 0, 1, constant_values=True)
    beside = np.stack([wall[1:-1, 2:], wall[2:, 1:-1], wall[1:-1, :-2], wall[:-2, 1:-1]], -1)  # [R, C, 4]
    faces = np.flatnonzero(beside & (cells > 0)[..., None])
    number = min(int(0.5 + 0.1 * len(faces)), DECALS)
    decals = np.zeros(beside.size, np.uint8)
    decals[generator.choice(faces, number, replace=False)] = DECAL + generator.permutation(DECALS)[:number]
    return decals.reshape(beside.shape)


def _places(marked: npt.NDArray[np.bool_]) -> tuple[UInt8Array, Int32Array]:
    """(row, column) of the marked cells of each maze [N, R, C], padded with zeros to the longest list."""
    count = marked.sum((1, 2)).astype(np.int32)
    places = np.zeros((len(marked), max(int(count.max()), 1), 2), np.uint8)
    maze, row, column = np.nonzero(marked)
    number = np.arange(len(maze)) - np.repeat(np.cumsum(count) - count, count)
    places[maze, number] = np.stack([row, column], -1)
    return places, count

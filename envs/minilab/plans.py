"""Shapes for plans of levels, and the cells that agents can be in, for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from envs.minilab.levels import PlanShape

if TYPE_CHECKING:
    from envs.minilab.mazes import Mazes
    from envs.minilab.physics import Room

Points = list[tuple[float, float]]
_COLOURS = ((200, 130, 70), (110, 150, 190), (150, 180, 110), (190, 170, 100), (170, 130, 180))


class Cells(NamedTuple):
    """A grid over a map, for the share of it that an agent visits."""

    open: npt.NDArray[np.bool_]  # [R, C] cells that it can be in, row 0 in the south
    west: float = 0.0  # edges of the grid, in DeepMind Lab's units
    south: float = 0.0
    size: float = 100.0  # of a cell


def cells_of_room(room: Room, size: float = 100.0) -> Cells:
    """Cells whose middle the middle of a body can reach, of a grid that covers a room."""
    normals = np.stack([room.normal_x, room.normal_y], 1)  # [walls, 2]
    facing = [(normals @ axis).argmax() for axis in np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])]
    east, west, north, south = (float(room.distance[wall]) for wall in facing)
    columns, rows = math.ceil((east + west) / size), math.ceil((north + south) / size)
    left, bottom = (east - west - columns * size) / 2, (north - south - rows * size) / 2
    across, up = left + (np.arange(columns) + 0.5) * size, bottom + (np.arange(rows) + 0.5) * size
    middles = np.stack(np.meshgrid(across, up), -1)  # [R, C, 2]
    inside: npt.NDArray[np.bool_] = np.all(middles @ normals.T <= room.reach, axis=-1)  # [R, C]
    return Cells(inside, left, bottom, size)


def square(x: float, y: float, half: float) -> Points:
    """Corners of a square round (x, y)."""
    return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]


def ring(x: float, y: float, radius: float, corners: int) -> Points:
    """Corners of a regular polygon round (x, y), edges facing east."""
    angles = 2 * math.pi * (np.arange(corners) + 0.5) / corners
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def maze_plan(mazes: Mazes, m: int) -> list[PlanShape]:
    """Floor cells coloured by look, and the spawn points."""
    shapes = [
        PlanShape(square(100 * column + 50, 100 * row + 50, 49), _COLOURS[(look - 1) % len(_COLOURS)])
        for (row, column), look in np.ndenumerate(mazes.cells[m])
        if look
    ]
    spawns = mazes.spawns[m, : mazes.spawn_count[m]].tolist()
    return shapes + [PlanShape(square(100 * column + 50, 100 * row + 50, 8), (235, 240, 255)) for row, column in spawns]

"""Shapes for plans of levels, for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from envs.minilab.levels import PlanShape

if TYPE_CHECKING:
    from envs.minilab.mazes import Mazes

Points = list[tuple[float, float]]
_COLOURS = ((200, 130, 70), (110, 150, 190), (150, 180, 110), (190, 170, 100), (170, 130, 180))


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

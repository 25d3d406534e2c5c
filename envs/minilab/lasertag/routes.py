"""Shortest ways through mazes, known before the game begins: where to go from each cell to reach each other one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.minilab.grid import Cells
from envs.minilab.jit import device_function

UInt8Array = npt.NDArray[np.uint8]

ARRIVED = 4  # beside EAST, NORTH, WEST, SOUTH: also where there is no way
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))  # (row, column) of EAST, NORTH, WEST, SOUTH


def new_routes(cells: Cells) -> UInt8Array:
    """[N, K, K] (to, from): direction of the first step, for the K cells within the border (see `cell_number`)."""
    inner = cells[:, None, 1:-1, 1:-1] > 0  # [N, 1, R - 2, C - 2]
    maze_count, _, rows, columns = inner.shape
    goals = rows * columns
    routes = np.full((maze_count, goals, rows, columns), ARRIVED, np.uint8)
    frontier = np.zeros((maze_count, goals, rows, columns), np.bool_)
    goal = np.arange(goals)
    frontier[:, goal, goal // columns, goal % columns] = True
    frontier &= inner
    unknown = ~frontier & inner
    while frontier.any():
        found = np.zeros_like(frontier)
        for direction, (row, column) in enumerate(_STEPS):
            # Cells from which this step leads to the frontier.
            new = _shifted(frontier, row, column) & unknown
            np.copyto(routes, direction, where=new)
            unknown &= ~new
            found |= new
        frontier = found
    return routes.reshape(maze_count, goals, goals)


def _shifted(mask: npt.NDArray[np.bool_], row: int, column: int) -> npt.NDArray[np.bool_]:
    """At [..., r, c] what `mask` has at [..., r + row, c + column]; beyond the edge, False."""
    padded = np.pad(mask, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = mask.shape[2:]
    return padded[:, :, 1 + row : 1 + row + rows, 1 + column : 1 + column + columns]


@device_function
def cell_number(cells: Cells, row: int, column: int) -> int:
    """Number of a cell within the border, row by row from the south-west."""
    return (row - 1) * (cells.shape[2] - 2) + column - 1

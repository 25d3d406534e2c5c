"""A navigation maze from its text: where its walls, starts, apples and goals are."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from envs.minilab.grid import EAST, NORTH, SOUTH, WEST
from envs.minilab.state import Int32Array

UInt8Array = npt.NDArray[np.uint8]
Cell = tuple[int, int]  # row from the south, column

SIDES = {"E": EAST, "N": NORTH, "W": WEST, "S": SOUTH}
_STEPS = {EAST: (0, 1), NORTH: (1, 0), WEST: (0, -1), SOUTH: (-1, 0)}
_FAR = 4  # cells from the goal beyond which one may start, in mazes that draw it
_DENSITY = 0.1  # of all cells but the goal's, those with apples, in mazes that draw them


class MazeText(NamedTuple):
    """What a level's file says of its maze."""

    layout: str  # 2 R + 1 lines of 2 C + 1 characters: `*` walls; in cells P start, a apple, A both, G goal
    looks: str  # R lines of C digits: the place in `papers` of each cell
    papers: tuple[tuple[str, str], ...]  # walls and floor, of the style
    pictures: tuple[tuple[int, int, str, int, int], ...]  # row from the south, column, side, number to 79, width
    style: int
    seconds: int  # of an episode


class Places(NamedTuple):
    """Where things may be, for each of G goals; rows of lists are padded with zeros."""

    goals: UInt8Array  # [G, 2] (row, column)
    starts: UInt8Array  # [G, most, 2], the first `start_count` of them
    start_count: Int32Array  # [G]
    fruit: UInt8Array  # [G, most, 2] likewise: apples lie on some of these
    fruit_count: Int32Array  # [G]


def walls_of(layout: str) -> UInt8Array:
    """Bits of `Borders.walls`, [R, C]."""
    rows = _lines(layout)
    walls = np.zeros((len(rows) // 2, len(rows[0]) // 2), np.uint8)
    for (row, column), _ in np.ndenumerate(walls):
        for side, (up, right) in _STEPS.items():
            walls[row, column] |= (rows[2 * row + 1 + up][2 * column + 1 + right] == "*") << side
    return walls


def marked(layout: str, letters: str) -> list[Cell]:
    """Cells with one of these letters, row by row."""
    rows = _lines(layout)
    cells = [(row, column) for row in range(len(rows) // 2) for column in range(len(rows[0]) // 2)]
    return [(row, column) for row, column in cells if rows[2 * row + 1][2 * column + 1] in letters]


def steps_from(walls: UInt8Array, goal: Cell) -> dict[Cell, int]:
    """Steps to the goal from every cell that it can be reached from (breadth first)."""
    steps, queue = {goal: 0}, deque([goal])
    while queue:
        row, column = here = queue.popleft()
        for side, (up, right) in _STEPS.items():
            there = row + up, column + right
            if there not in steps and not walls[here] >> side & 1:
                steps[there] = steps[here] + 1
                queue.append(there)
    return steps


def apples_of(layout: str) -> int:
    """How many apples lie in a maze: those of its text, or a tenth of its cells where it draws everything."""
    if "G" in layout:
        return len(marked(layout, "aA"))
    return int(_DENSITY * (walls_of(layout).size - 1) + 0.5)


def places_of(layout: str) -> Places:
    """The one goal of a text with its starts and apples; of a text without a goal: any cell may be it."""
    if "G" in layout:
        goals = marked(layout, "G")
        starts, fruit = [marked(layout, "PA")], [marked(layout, "aA")]
    else:
        walls = walls_of(layout)
        goals = marked(layout, " ")
        steps = [steps_from(walls, goal) for goal in goals]
        starts = [[cell for cell in goals if far[cell] > _FAR] for far in steps]
        fruit = [[cell for cell in goals if cell != goal] for goal in goals]
    return Places(np.array(goals, np.uint8), *_padded(starts), *_padded(fruit))


def _padded(lists: list[list[Cell]]) -> tuple[UInt8Array, Int32Array]:
    count = np.array([len(cells) for cells in lists], np.int32)
    table = np.zeros((len(lists), max(1, int(count.max())), 2), np.uint8)
    for row, cells in zip(table, lists, strict=True):
        row[: len(cells)] = np.array(cells, np.uint8).reshape(-1, 2)
    return table, count


def _lines(text: str) -> list[str]:
    """From the south."""
    return text.strip("\n").splitlines()[::-1]

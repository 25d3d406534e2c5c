"""Mazes whose walls stand between cells, as in DeepMind Lab's first levels: moving in them and seeing them.

Cells are 100 units wide, row 0 in the south. A wall has a face one unit thick on either side of the border, and ends
where the border does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from envs.minilab.grid import CELL, EAST, NORTH, SOUTH, WEST, cell_of, first_border
from envs.minilab.jit import device_function
from envs.minilab.physics import CLEARANCE, FRAME_S, RADIUS, round_velocity
from envs.minilab.render import Obs, draw_cutout, draw_plane, draw_strip, row_of
from envs.minilab.state import Body
from envs.minilab.textures import Atlas
from envs.minilab.view import COSINE, EYE, SINE, View, X, Y

UInt8Array = npt.NDArray[np.uint8]

_FACE = np.float32(1)
_REACH = RADIUS + CLEARANCE  # of the body before it
_ZERO = np.float32(0)
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_TINY = np.float32(1e-3)


class Borders(NamedTuple):
    """A maze of R x C cells."""

    walls: UInt8Array  # [R, C] bit `side` is set where a wall stands to the east, north, west, south of the cell
    papers: UInt8Array  # [R, C, 2] textures of the cell's walls and floor
    pictures: UInt8Array  # [R, C, 4, 2] textures of the pictures on its walls, 0 for none, and their widths


@device_function
def is_walled(walls: UInt8Array, row: int, column: int, side: int) -> bool:
    """Whether a wall stands on that side of a cell; there is nothing but walls outside."""
    if row < 0 or column < 0 or row >= walls.shape[0] or column >= walls.shape[1]:
        return True
    return bool((walls[row, column] >> side) & 1)


@device_function
def _edge(lead: int, ahead: np.float32) -> np.float32:
    """Where a body stops that reaches `ahead` before it and may not enter the column or row `lead`."""
    return (np.float32(lead) if ahead > _ZERO else np.float32(lead) + _ONE) * CELL - ahead


@device_function
def _stop_x(walls: UInt8Array, x: np.float32, y: np.float32, sign: np.float32) -> np.float32:
    """x, or how far a body at (x, y) may go to the east (`sign` 1) or west (-1).

    It is stopped by the face of a wall across its way, and by the end of a wall that runs along it.
    """
    column, side = cell_of(x), EAST if sign > _ZERO else WEST
    ahead = sign * (_REACH + _FACE)
    low, high = cell_of(y - RADIUS), cell_of(y + RADIUS)
    if cell_of(x + ahead) != column and (is_walled(walls, low, column, side) or is_walled(walls, high, column, side)):
        return _edge(cell_of(x + ahead), ahead)
    ahead = sign * _REACH
    low, high = cell_of(y - (RADIUS + _FACE)), cell_of(y + (RADIUS + _FACE))
    lead = cell_of(x + ahead)
    if lead != column and low != high and is_walled(walls, low, lead, NORTH):
        return _edge(lead, ahead)
    return x


@device_function
def _stop_y(walls: UInt8Array, x: np.float32, y: np.float32, sign: np.float32) -> np.float32:
    """The same to the north (`sign` 1) or south (-1)."""
    row, side = cell_of(y), NORTH if sign > _ZERO else SOUTH
    ahead = sign * (_REACH + _FACE)
    low, high = cell_of(x - RADIUS), cell_of(x + RADIUS)
    if cell_of(y + ahead) != row and (is_walled(walls, row, low, side) or is_walled(walls, row, high, side)):
        return _edge(cell_of(y + ahead), ahead)
    ahead = sign * _REACH
    low, high = cell_of(x - (RADIUS + _FACE)), cell_of(x + (RADIUS + _FACE))
    lead = cell_of(y + ahead)
    if lead != row and low != high and is_walled(walls, lead, low, EAST):
        return _edge(lead, ahead)
    return y


@device_function
def slide_between_walls(body: Body, j: int, walls: UInt8Array) -> None:
    """Move for one frame; a wall stops the velocity's part that points into it."""
    x, y, vx, vy = body.x[j], body.y[j], body.vx[j], body.vy[j]
    if vx != _ZERO:
        wished = x + vx * FRAME_S
        x = _stop_x(walls, wished, y, _ONE if vx > _ZERO else -_ONE)
        vx = vx if x == wished else _ZERO
    if vy != _ZERO:
        wished = y + vy * FRAME_S
        y = _stop_y(walls, x, wished, _ONE if vy > _ZERO else -_ONE)
        vy = vy if y == wished else _ZERO
    body.x[j], body.y[j] = x, y
    body.vx[j], body.vy[j] = vx, vy
    round_velocity(body, j)


@device_function
def clear_between_walls(walls: UInt8Array, x: np.float32, y: np.float32, to_x: np.float32, to_y: np.float32) -> bool:
    """Whether no wall stands on the straight line between two points of the maze."""
    column, row = cell_of(x), cell_of(y)
    east, per_column, at_column = first_border(x, column, to_x - x)
    north, per_row, at_row = first_border(y, row, to_y - y)
    while min(at_column, at_row) < _ONE:
        sideways = bool(at_column < at_row)
        if is_walled(walls, row, column, (EAST if east else WEST) if sideways else (NORTH if north else SOUTH)):
            return False
        if sideways:
            column += 1 if east else -1
            at_column += per_column
        else:
            row += 1 if north else -1
            at_row += per_row
    return True


@device_function
def draw_bordered_column(
    obs: Obs, i: int, column: int, screen: np.float32, view: View, maze: Borders, height: np.float32, atlas: Atlas
) -> np.float32:
    """Walls of that height and floors up to the first wall, whose depth is returned; what is above it is left."""
    camera, walls, papers = view.camera, maze.walls, maze.papers
    x, y, eye, cosine, sine = camera[i, X], camera[i, Y], camera[i, EYE], camera[i, COSINE], camera[i, SINE]
    ray_x, ray_y = cosine + screen * sine, sine - screen * cosine
    # Who is put outside looks from the nearest cell.
    col = min(max(cell_of(x), 0), walls.shape[1] - 1)
    row = min(max(cell_of(y), 0), walls.shape[0] - 1)
    east, per_column, at_column = first_border(x, col, ray_x)
    north, per_row, at_row = first_border(y, row, ray_y)
    here, last, depth, sideways, side = papers[row, col, 1], obs.shape[1], _ZERO, False, EAST
    while True:
        sideways = bool(at_column < at_row)
        depth = at_column if sideways else at_row
        side = (EAST if east else WEST) if sideways else (NORTH if north else SOUTH)
        next_col = col + ((1 if east else -1) if sideways else 0)
        next_row = row + (0 if sideways else (1 if north else -1))
        walled = is_walled(walls, row, col, side)
        if walled or papers[next_row, next_col, 1] != here:  # the floor so far, in one piece
            first = row_of(obs, eye, max(depth, _TINY))
            draw_plane(obs, i, column, first, last, eye, x, y, ray_x, ray_y, atlas, here, CELL)
            last = first
        if walled:
            break
        here, col, row = papers[next_row, next_col, 1], next_col, next_row
        if sideways:
            at_column += per_column
        else:
            at_row += per_row
    # Across a face from left to right, as it is seen from inside.
    if sideways:
        hit = y + depth * ray_y
        across = (np.float32(row + 1) * CELL - hit) if east else (hit - np.float32(row) * CELL)
    else:
        hit = x + depth * ray_x
        across = (hit - np.float32(col) * CELL) if north else (np.float32(col + 1) * CELL - hit)
    depth = max(depth, _ONE)
    draw_strip(obs, i, column, eye, depth, height, _ZERO, atlas, papers[row, col, 0], across / CELL, CELL)
    width, from_middle = np.float32(maze.pictures[row, col, side, 1]), across - CELL * _HALF
    if abs(from_middle) < width * _HALF:
        top, bottom, u = (CELL + width) * _HALF, (CELL - width) * _HALF, from_middle / width + _HALF
        draw_cutout(obs, i, column, eye, depth, top, bottom, atlas, maze.pictures[row, col, side, 0], u)
    return depth

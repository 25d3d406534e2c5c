"""Worlds of cells 100 units wide, as DeepMind Lab builds them from text: moving in them and seeing them.

`cells` is uint8 [N, R, C], row 0 in the south: 0 is a wall, 1 + r the floor of region r. The functions take the number
m of the world in the pool of N. Each wall has a face one unit thick on every side that is open.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from envs.minilab.jit import device_function
from envs.minilab.physics import CLEARANCE, FRAME_S, RADIUS, round_velocity
from envs.minilab.render import Obs, draw_plane, draw_strip, row_of
from envs.minilab.state import Body
from envs.minilab.textures import Atlas
from envs.minilab.view import COSINE, EYE, SINE, View, X, Y

Cells = npt.NDArray[np.uint8]

CELL = np.float32(100)
EAST, NORTH, WEST, SOUTH = range(4)
DECAL_SIZE = np.float32(60)
_FACE = np.float32(1)
_REACH = RADIUS + CLEARANCE  # of the body before it
_ZERO = np.float32(0)
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_FAR = np.float32(1e9)
_TINY = np.float32(1e-3)


@device_function
def cell_of(position: np.float32) -> int:
    """Column or row of a coordinate."""
    return int(math.floor(position / CELL))  # noqa: RUF046 # numba-cuda's floor returns a float


@device_function
def middle_of(cell: int) -> np.float32:
    """Coordinate of a cell's middle."""
    return (np.float32(cell) + _HALF) * CELL


@device_function
def cell_at(cells: Cells, m: int, row: int, column: int) -> int:
    """What is there; beyond the edge, wall."""
    if row < 0 or column < 0 or row >= cells.shape[1] or column >= cells.shape[2]:
        return 0
    return int(cells[m, row, column])


@device_function
def _stop_x(cells: Cells, m: int, x: np.float32, y: np.float32, ahead: np.float32, aside: np.float32) -> np.float32:
    """x, or how far east or west a body at (x, y) may go that reaches `ahead` before and `aside` beside it."""
    column = cell_of(x + ahead)
    if cell_at(cells, m, cell_of(y - aside), column) == 0 or cell_at(cells, m, cell_of(y + aside), column) == 0:
        return (np.float32(column) if ahead > _ZERO else np.float32(column) + _ONE) * CELL - ahead
    return x


@device_function
def _stop_y(cells: Cells, m: int, x: np.float32, y: np.float32, ahead: np.float32, aside: np.float32) -> np.float32:
    """The same to the north or south."""
    row = cell_of(y + ahead)
    if cell_at(cells, m, row, cell_of(x - aside)) == 0 or cell_at(cells, m, row, cell_of(x + aside)) == 0:
        return (np.float32(row) if ahead > _ZERO else np.float32(row) + _ONE) * CELL - ahead
    return y


@device_function
def slide_in_grid(body: Body, j: int, cells: Cells, m: int) -> None:
    """Move for one frame; a wall stops the velocity's part that points into it.

    A wall is met by its face, or at a corner by the end of the face round it: between the two a notch stays free.
    """
    x, y, vx, vy = body.x[j], body.y[j], body.vx[j], body.vy[j]
    if vx != _ZERO:
        sign = _ONE if vx > _ZERO else -_ONE
        wished = x + vx * FRAME_S
        x = _stop_x(cells, m, wished, y, sign * (_REACH + _FACE), RADIUS)
        x = _stop_x(cells, m, x, y, sign * _REACH, RADIUS + _FACE)
        vx = vx if x == wished else _ZERO
    if vy != _ZERO:
        sign = _ONE if vy > _ZERO else -_ONE
        wished = y + vy * FRAME_S
        y = _stop_y(cells, m, x, wished, sign * (_REACH + _FACE), RADIUS)
        y = _stop_y(cells, m, x, y, sign * _REACH, RADIUS + _FACE)
        vy = vy if y == wished else _ZERO
    body.x[j], body.y[j] = x, y
    body.vx[j], body.vy[j] = vx, vy
    round_velocity(body, j)


@device_function
def clear_line(cells: Cells, m: int, x: np.float32, y: np.float32, to_x: np.float32, to_y: np.float32) -> bool:
    """Whether nothing but floor lies on the straight line between two points."""
    dx, dy = to_x - x, to_y - y
    return bool(cast_in_grid(cells, m, x, y, dx, dy) >= _ONE)


@device_function
def first_border(position: np.float32, cell: int, ray: np.float32) -> tuple[bool, np.float32, np.float32]:
    """Of a ray's walk along one axis: whether it goes up, and the t from border to border and at the first one."""
    up = bool(ray > _ZERO)
    period = CELL / abs(ray) if ray != _ZERO else _FAR
    return up, period, abs(np.float32(cell + up) * CELL - position) / CELL * period


@device_function
def cast_in_grid(
    cells: Cells, m: int, x: np.float32, y: np.float32, ray_x: np.float32, ray_y: np.float32
) -> np.float32:
    """The t at which (x, y) + t ray meets a wall."""
    column, row = cell_of(x), cell_of(y)
    east, per_column, at_column = first_border(x, column, ray_x)
    north, per_row, at_row = first_border(y, row, ray_y)
    t = _ZERO
    while cell_at(cells, m, row, column) != 0:
        if at_column < at_row:
            t = at_column
            column += 1 if east else -1
            at_column += per_column
        else:
            t = at_row
            row += 1 if north else -1
            at_row += per_row
    return t


@device_function
def draw_maze_column(
    obs: Obs,
    i: int,
    column: int,
    screen: np.float32,
    view: View,
    cells: Cells,
    surfaces: npt.NDArray[np.uint8],
    decals: npt.NDArray[np.uint8],
    m: int,
    atlas: Atlas,
) -> np.float32:
    """Walls and floors of a maze up to the first wall, whose depth is returned; what is above it is left.

    Args:
        obs: pictures.
        i: environment.
        column: of the picture.
        screen: the column's tangent.
        view: has the camera.
        cells: [N, R, C].
        surfaces: [N, regions, 2] textures of each region's walls and floor.
        decals: [N, R, C, 4] textures of the pictures on the walls round a cell, to the east, north, ...; 0 is none.
        m: maze.
        atlas: textures.
    """
    camera = view.camera
    x, y, eye, cosine, sine = camera[i, X], camera[i, Y], camera[i, EYE], camera[i, COSINE], camera[i, SINE]
    ray_x, ray_y = cosine + screen * sine, sine - screen * cosine
    col, row = cell_of(x), cell_of(y)
    east, per_column, at_column = first_border(x, col, ray_x)
    north, per_row, at_row = first_border(y, row, ray_y)
    here = max(cell_at(cells, m, row, col), 1)
    depth, last, sideways = _ZERO, obs.shape[1], False
    while True:
        sideways = bool(at_column < at_row)
        depth = at_column if sideways else at_row
        next_col = col + ((1 if east else -1) if sideways else 0)
        next_row = row + (0 if sideways else (1 if north else -1))
        there = cell_at(cells, m, next_row, next_col)
        if there != here:  # the floor so far, in one piece
            first = row_of(obs, eye, max(depth, _TINY))
            draw_plane(obs, i, column, first, last, eye, x, y, ray_x, ray_y, atlas, surfaces[m, here - 1, 1], CELL)
            last = first
        if there == 0:
            break
        here, col, row = there, next_col, next_row
        if sideways:
            at_column += per_column
        else:
            at_row += per_row
    # Across a face from left to right, as it is seen from inside.
    if sideways:
        hit = y + depth * ray_y
        across = (np.float32(row + 1) * CELL - hit) if east else (hit - np.float32(row) * CELL)
        side = EAST if east else WEST
    else:
        hit = x + depth * ray_x
        across = (hit - np.float32(col) * CELL) if north else (np.float32(col + 1) * CELL - hit)
        side = NORTH if north else SOUTH
    depth = max(depth, _ONE)
    wall = surfaces[m, here - 1, 0]
    draw_strip(obs, i, column, eye, depth, CELL, _ZERO, atlas, wall, across / CELL, CELL)
    decal = decals[m, min(max(row, 0), decals.shape[1] - 1), min(max(col, 0), decals.shape[2] - 1), side]
    from_middle = across - CELL * _HALF
    if decal > 0 and abs(from_middle) < DECAL_SIZE * _HALF:
        top, bottom = (CELL + DECAL_SIZE) * _HALF, (CELL - DECAL_SIZE) * _HALF
        draw_strip(obs, i, column, eye, depth, top, bottom, atlas, decal, from_middle / DECAL_SIZE + _HALF, DECAL_SIZE)
    return depth


@device_function
def draw_floor_column(
    obs: Obs, i: int, column: int, screen: np.float32, view: View, cells: Cells, m: int, atlas: Atlas, texture: int
) -> None:
    """The floor of a world whose walls cannot be seen, as far as it goes; what is between is left."""
    camera = view.camera
    x, y, eye, cosine, sine = camera[i, X], camera[i, Y], camera[i, EYE], camera[i, COSINE], camera[i, SINE]
    ray_x, ray_y = cosine + screen * sine, sine - screen * cosine
    col, row = cell_of(x), cell_of(y)
    east, per_column, at_column = first_border(x, col, ray_x)
    north, per_row, at_row = first_border(y, row, ray_y)
    is_floor, last = cell_at(cells, m, row, col) != 0, obs.shape[1]
    while 0 <= row < cells.shape[1] and 0 <= col < cells.shape[2]:
        if at_column < at_row:
            depth = at_column
            col += 1 if east else -1
            at_column += per_column
        else:
            depth = at_row
            row += 1 if north else -1
            at_row += per_row
        if (cell_at(cells, m, row, col) != 0) != is_floor:
            first = row_of(obs, eye, max(depth, _TINY))
            if is_floor:  # so far, in one piece
                draw_plane(obs, i, column, first, last, eye, x, y, ray_x, ray_y, atlas, texture, CELL)
            is_floor, last = not is_floor, first

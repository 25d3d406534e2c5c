"""The picture, one column at a time, from three primitives: fill, upright strip, level plane.

A column's ray runs along `(cos, sin) + screen * (sin, -cos)`: its parameter is then the depth along the view, not the
distance, so that straight walls stay straight (no fish-eye). The field of view is 90 degrees across; the height
follows from the aspect. Rows are sampled at their centres; textures by the nearest texel of the fitting mip level.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.minilab.jit import device_function
from envs.minilab.physics import Room
from envs.minilab.textures import LEVELS, OFFSETS, ROW, SIZE, Atlas

Obs = npt.NDArray[np.uint8]

_BYTE = np.uint32(255)
_ZERO = np.float32(0)
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_TWO = np.float32(2)
_SIZE = np.float32(SIZE)
_MAX_STEP = np.float32(1.4)  # texels a pixel beyond which the next mip level is taken
_FIXED = np.float32(65536)
_OPAQUE = np.uint32(1 << 24)  # textures.pack sets a bit above the colour where it is opaque


@device_function
def set_pixel(obs: Obs, i: int, row: int, column: int, colour: np.uint32) -> None:
    """Write a packed colour. Unsigned indices spare numba's test for negative ones."""
    row_index, column_index = np.uint64(row), np.uint64(column)
    obs[i, row_index, column_index, 0] = colour & _BYTE
    obs[i, row_index, column_index, 1] = (colour >> np.uint32(8)) & _BYTE
    obs[i, row_index, column_index, 2] = (colour >> np.uint32(16)) & _BYTE


@device_function
def row_of_texels(atlas: Atlas, i: int, texture: int) -> int:
    """Where the texels are that environment i shows as a texture."""
    return int(atlas.palettes[i, texture, ROW]) if atlas.palettes.shape[0] > 0 else int(texture)


@device_function
def get_texel(atlas: Atlas, i: int, texture: int, texels: int, index: int) -> np.uint32:
    """Packed colour at a place in a texture's row of the atlas, as environment i shows it."""
    texel = np.uint32(atlas.texels[np.uint64(texels), np.uint64(index)])
    if atlas.palettes.shape[0] > 0:
        return np.uint32(atlas.palettes[np.uint64(i), np.uint64(texture), np.uint64(texel)])
    return texel


@device_function
def backdrop(atlas: Atlas, i: int, colour: np.uint32) -> np.uint32:
    """A plain sky's packed colour, as environment i shows it."""
    palettes = atlas.palettes
    return np.uint32(palettes[i, palettes.shape[1] - 1, 0]) if palettes.shape[0] > 0 else colour


@device_function
def row_of(obs: Obs, drop: np.float32, depth: np.float32) -> int:
    """First row whose centre lies below the point `drop` units under the eye at `depth`, within the picture."""
    height, half_width = obs.shape[1], np.float32(obs.shape[2]) * _HALF
    row = np.float32(height) * _HALF + drop / depth * half_width
    return int(min(max(row, _ZERO), np.float32(height)) + _HALF)


@device_function
def wrap(position: np.float32, size: int) -> int:
    """Texel at `position` (in texels) of a texture that repeats every `size`, a power of two."""
    return (int(position * _FIXED) >> 16) & (size - 1)  # the shift rounds down, which a plain int() would not


@device_function
def screen_of(obs: Obs, column: int) -> np.float32:
    """Horizontal tangent of a column's centre, to the right, within (-1, 1)."""
    return (np.float32(column) + _HALF) * _TWO / np.float32(obs.shape[2]) - _ONE


@device_function
def fitting_level(step: np.float32) -> tuple[int, np.float32]:
    """Mip level for an upright surface with `step` texels a row, and the step in that level."""
    level = 0
    while step > _MAX_STEP and level < LEVELS - 1:
        step *= _HALF
        level += 1
    return level, step


@device_function
def fill(obs: Obs, i: int, column: int, first: int, last: int, colour: np.uint32) -> None:
    """Rows [first, last) in one colour."""
    for row in range(first, last):
        set_pixel(obs, i, row, column, colour)


@device_function
def draw_strip(
    obs: Obs,
    i: int,
    column: int,
    eye: np.float32,
    depth: np.float32,
    top: np.float32,
    bottom: np.float32,
    atlas: Atlas,
    texture: int,
    u: np.float32,
    tile: np.float32,
) -> None:
    """An upright surface from height `top` to `bottom`; `u` in tiles of `tile` units across, v from the top down."""
    first, last = row_of(obs, eye - top, depth), row_of(obs, eye - bottom, depth)
    half_width = np.float32(obs.shape[2]) * _HALF
    level, step = fitting_level(depth / half_width / tile * _SIZE)
    size = SIZE >> level
    start = OFFSETS[level] + wrap(u * np.float32(size), size) * size
    centre = np.float32(first) + _HALF - np.float32(obs.shape[1]) * _HALF
    v = (top - eye) / tile * np.float32(size) + centre * step
    texels = row_of_texels(atlas, i, texture)
    for row in range(first, last):
        set_pixel(obs, i, row, column, get_texel(atlas, i, texture, texels, start + (int(v) & (size - 1))))
        v += step


@device_function
def draw_plane(
    obs: Obs,
    i: int,
    column: int,
    first: int,
    last: int,
    below: np.float32,
    x: np.float32,
    y: np.float32,
    ray_x: np.float32,
    ray_y: np.float32,
    atlas: Atlas,
    texture: int,
    tile: np.float32,
) -> None:
    """Rows [first, last) of a level surface `below` units under the eye at (x, y)."""
    half_width = np.float32(obs.shape[2]) * _HALF
    scale = _SIZE / tile
    # A pixel covers t / w units across and t^2 / (below w) along, t = below / slope: the mip level is taken from
    # their product, which lies between blur and shimmer.
    area = scale * scale * below * below / (half_width * half_width)
    level = LEVELS - 1
    shrink = np.float32(4.0 ** -(LEVELS - 1))
    texels = row_of_texels(atlas, i, texture)
    for row in range(first, last):
        slope = (np.float32(row) + _HALF - np.float32(obs.shape[1]) * _HALF) / half_width
        t = below / slope
        while level > 0 and area * shrink < slope * slope * slope * _HALF:
            level -= 1
            shrink *= np.float32(4)
        size = SIZE >> level
        fine = scale * np.float32(size) / _SIZE
        texel_x = wrap((x + t * ray_x) * fine, size)
        texel_y = wrap((y + t * ray_y) * fine, size)
        index = OFFSETS[level] + texel_x * size + texel_y
        set_pixel(obs, i, row, column, get_texel(atlas, i, texture, texels, index))


@device_function
def draw_cutout(
    obs: Obs,
    i: int,
    column: int,
    eye: np.float32,
    depth: np.float32,
    top: np.float32,
    bottom: np.float32,
    atlas: Atlas,
    texture: int,
    u: np.float32,
) -> None:
    """An upright surface whose picture, as high as it is, has transparent parts; `u` in [0, 1) across."""
    first, last = row_of(obs, eye - top, depth), row_of(obs, eye - bottom, depth)
    half_width = np.float32(obs.shape[2]) * _HALF
    level, step = fitting_level(depth / half_width / (top - bottom) * _SIZE)
    size = SIZE >> level
    start = OFFSETS[level] + min(int(u * np.float32(size)), size - 1) * size
    centre = np.float32(first) + _HALF - np.float32(obs.shape[1]) * _HALF
    v = (top - eye) / (top - bottom) * np.float32(size) + centre * step
    texels = row_of_texels(atlas, i, texture)
    for row in range(first, last):
        colour = get_texel(atlas, i, texture, texels, start + min(max(int(v), 0), size - 1))
        if colour >= _OPAQUE:
            set_pixel(obs, i, row, column, colour)
        v += step


@device_function
def draw_sky(
    obs: Obs,
    i: int,
    column: int,
    last: int,
    ray_x: np.float32,
    ray_y: np.float32,
    atlas: Atlas,
    texture: int,
) -> None:
    """Rows [0, last) of a box of four pictures infinitely far away: `texture` east, then north, west, south."""
    if abs(ray_x) > abs(ray_y):
        face, reach, along = (0, ray_x, -ray_y) if ray_x > _ZERO else (2, -ray_x, ray_y)
    else:
        face, reach, along = (1, ray_y, ray_x) if ray_y > _ZERO else (3, -ray_y, -ray_x)
    half_width = np.float32(obs.shape[2]) * _HALF
    level, step = fitting_level(_SIZE * _HALF / (half_width * reach))  # two wide, met at depth 1 / reach
    size = SIZE >> level
    middle = np.float32(size) * _HALF
    start = OFFSETS[level] + min(max(int(middle + along / reach * middle), 0), size - 1) * size
    v = middle + (_HALF - np.float32(obs.shape[1]) * _HALF) * step
    texels = row_of_texels(atlas, i, texture + face)
    for row in range(last):
        texel = min(max(int(v), 0), size - 1)  # a picture higher than wide looks over the box's edge
        set_pixel(obs, i, row, column, get_texel(atlas, i, texture + face, texels, start + texel))
        v += step


@device_function
def nearness(room: Room, k: int, x: np.float32, y: np.float32, ray_x: np.float32, ray_y: np.float32) -> np.float32:
    """One over the depth at which a ray meets wall k's plane; negative when it moves away from it."""
    gap = room.distance[k] - (room.normal_x[k] * x + room.normal_y[k] * y)
    return (room.normal_x[k] * ray_x + room.normal_y[k] * ray_y) / gap


@device_function
def cast_in_room(
    room: Room, x: np.float32, y: np.float32, ray_x: np.float32, ray_y: np.float32, guess: int
) -> tuple[np.float32, int]:
    """Depth and index of the wall that a ray from inside a convex room meets; the result does not hang on `guess`.

    The wall is the one of greatest nearness, and nearness, a linear function over the corners of the room's dual
    polygon, has a single peak round the ring of walls: climbing from any guess ends there.
    """
    walls = room.distance.shape[0]
    wall, best = guess, nearness(room, guess, x, y, ray_x, ray_y)
    for direction in (1, walls - 1):
        candidate = (wall + direction) % walls
        near = nearness(room, candidate, x, y, ray_x, ray_y)
        while near > best:
            wall, best = candidate, near
            candidate = (wall + direction) % walls
            near = nearness(room, candidate, x, y, ray_x, ray_y)
    return _ONE / best, wall

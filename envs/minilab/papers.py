"""Walls, floors and skies drawn by formula, in whole numbers only, so that every machine draws the same bytes.

Five styles of walls and of floors, each in its colours: corridors and rooms are told apart by hue first and by pattern
second, for from across a room a texture is its mean colour. A bright paper is the same in a paler colour.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

SIZE = 128  # texels to a side of a texture

Image = npt.NDArray[np.uint8]  # [SIZE, SIZE, 3], or 4 with transparency
Grid = npt.NDArray[np.int64]
Kind = Literal["wall", "floor"]
Pattern = Callable[[Grid, Grid], Grid]  # of column and row: how bright, 256 being the colour itself

_COLOURS = {
    "green": (58, 150, 62),
    "red": (178, 52, 44),
    "blue": (52, 92, 186),
    "yellow": (206, 176, 48),
    "orange": (214, 120, 40),
    "gray": (128, 130, 136),
}
_SLATE = (54, 88, 112)  # a floor's blue: beside blue walls it must be another colour
_PALER = 90  # of 256, how far a bright paper is on the way to white
_MASK = 0xFFFFFFFF


def _hash(x: Grid, y: Grid, salt: int) -> Grid:
    """A random number in [0, 256) for each pair of whole numbers."""
    mixed = (x * 0x1B873593 + y * 0x2C1B3C6D + salt * 0x297A2D39) & _MASK
    for _ in range(2):
        mixed = ((mixed ^ (mixed >> 15)) * 0x2C1B3C6D) & _MASK
    return (mixed >> 12) & 255


def value_noise(x: Grid, y: Grid, cell: int, period: int, salt: int) -> Grid:
    """Smooth noise in [0, 256): random at the corners of cells, linear between; repeats every `period` columns."""
    column, row = x // cell, y // cell
    across, down = x % cell, y % cell
    columns = period // cell
    corners = [[_hash((column + i) % columns, row + j, salt) for i in (0, 1)] for j in (0, 1)]
    upper, lower = (left * (cell - across) + right * across for left, right in corners)
    return np.asarray((upper * (cell - down) + lower * down) // (cell * cell), np.int64)


def _grain(x: Grid, y: Grid, salt: int, strength: int = 24) -> Grid:
    """Noise around 0 of coarse and fine cells."""
    mixed = (
        2 * value_noise(x, y, 16, SIZE, salt)
        + value_noise(x, y, 4, SIZE, salt + 1)
        + value_noise(x, y, 2, SIZE, salt + 2)
    )
    return (mixed - 512) * strength // 256


def _blocks(x: Grid, y: Grid, width: int, height: int, shift: int, joint: int, salt: int) -> Grid:
    """Courses of blocks, each of its own brightness, every other one shifted; dark joints, a lit upper edge."""
    course = y // height
    moved = (x + shift * (course % 2)) % SIZE
    inside = (moved % width >= joint) & (y % height >= joint)
    lit = np.where(y % height < joint + 2, 28, 0) - np.where(moved % width >= width - 2, 20, 0)
    tone = _hash(moved // width, course, salt) // 5 - 26
    return np.where(inside, 250 + tone + lit + _grain(x, y, salt), 130 + _grain(x, y, salt, 12))


def _brick(x: Grid, y: Grid) -> Grid:
    return _blocks(x, y, 32, 16, 16, 2, 1)


def _stone(x: Grid, y: Grid) -> Grid:
    return _blocks(x, y, 64, 32, 32, 3, 5)


def _planks(x: Grid, y: Grid) -> Grid:
    """Upright boards with a grain along them."""
    board = x // 16
    tone = _hash(board, board * 0, 9) // 4 - 32
    grain = value_noise(x, y // 8, 2, SIZE, 11) // 6 - 20
    return np.where(x % 16 == 0, 120, 250 + tone + grain - np.where(x % 16 == 15, 40, 0))


def _panels(x: Grid, y: Grid) -> Grid:
    """Framed panels, lit from above and from the left."""
    u, v = x % 64, y % 64
    edge = np.minimum(np.minimum(u, 63 - u), np.minimum(v, 63 - v))
    lit = np.where((edge >= 6) & (edge < 10), np.where(np.minimum(u, v) == edge, -60, 50), 0)
    return np.where(edge < 2, 150, 245 + lit) + _grain(x, y, 15, 14)


def _stripes(x: Grid, y: Grid) -> Grid:
    """Broad slanting stripes."""
    return np.where((x + y) % 64 < 32, 275, 190) + _grain(x, y, 19, 16)


def _tiles(x: Grid, y: Grid) -> Grid:
    return _blocks(x, y, 32, 32, 0, 2, 23)


def _checks(x: Grid, y: Grid) -> Grid:
    return np.where((x // 32 + y // 32) % 2 == 0, 280, 185) + _grain(x, y, 27, 18)


def _diamonds(x: Grid, y: Grid) -> Grid:
    """Squares on their corners with dark joints."""
    u, v = (x + y) % 64, (x - y) % 64
    tone = _hash((x + y) // 64 % 2, (x - y) // 64 % 2, 31) // 5 - 26
    return np.where((u < 3) | (v < 3), 150, 250 + tone) + _grain(x, y, 33, 18)


def _weave(x: Grid, y: Grid) -> Grid:
    """Strips over and under one another."""
    over = (x // 16 + y // 16) % 2 == 0
    along = np.where(over, x % 16, y % 16)
    return 200 + 10 * np.minimum(along, 15 - along) + _grain(x, y, 37, 12)


def _gravel(x: Grid, y: Grid) -> Grid:
    return 240 + _grain(x, y, 41, 70) + (_hash(x // 2, y // 2, 43) - 128) // 6


_PATTERNS: dict[Kind, tuple[Pattern, ...]] = {
    "wall": (_brick, _planks, _stone, _panels, _stripes),
    "floor": (_tiles, _checks, _diamonds, _weave, _gravel),
}


@cache
def surface(kind: Kind, style: str, colour: str) -> Image:
    """A paper for walls or floors: `style_01` to `style_05`, and a colour such as `green` or `green_bright`."""
    y, x = np.indices((SIZE, SIZE))
    shade = _PATTERNS[kind][int(style.removeprefix("style_")) - 1](x, y)
    name, _, bright = colour.partition("_")
    base = np.array(_SLATE if (kind, name) == ("floor", "blue") else _COLOURS[name], np.int64)
    if bright:
        base += (255 - base) * _PALER // 256
    return np.clip(base * shade[..., None] // 256, 0, 255).astype(np.uint8)


@cache
def sky() -> tuple[Image, ...]:
    """Four sides of one panorama, east, north, west and south, each as seen from inside; the sun is in the east.

    Mountains of other heights stand in each direction: they tell the heading. Nothing but the sun is as light as the
    white doors and keys of a puzzle, which are seen before it.
    """
    y, x = np.indices((SIZE, 4 * SIZE))  # from left to right east, south, west, north: clockwise
    up = np.maximum(SIZE // 2 - y, 0)  # above the horizon, 0 to 64
    ground, zenith, horizon = np.array([[96, 120, 88], [60, 110, 200], [140, 182, 228]], np.int64)
    image = horizon + (zenith - horizon) * up[..., None] // (SIZE // 2)
    clouds = 2 * value_noise(x, 2 * y, 64, 4 * SIZE, 51) + value_noise(x, 2 * y, 16, 4 * SIZE, 52) - 420
    cover = np.clip(clouds, 0, 140)[..., None]
    image += (225 - image) * cover // 256
    from_sun = (x - SIZE // 2) ** 2 + (y - SIZE // 4) ** 2
    image = np.where((from_sun < 81)[..., None], np.array([255, 244, 190]), image)
    image += np.clip(60 - from_sun // 16, 0, 60)[..., None] * np.array([3, 2, 1]) // 3
    height = value_noise(x, 0 * y, 32, 4 * SIZE, 55) // 16 + value_noise(x, 0 * y, 8, 4 * SIZE, 56) // 40
    height += np.array([2, 10, 20, 5])[x // SIZE] * np.minimum(x % SIZE, SIZE - 1 - x % SIZE) // (SIZE // 2)
    slope = np.array([92, 104, 124]) + value_noise(x, y, 8, 4 * SIZE, 57)[..., None] // 8
    image = np.where((up < height)[..., None], slope, image)
    image = np.where((y >= SIZE // 2)[..., None], ground + value_noise(x, y, 8, 4 * SIZE, 58)[..., None] // 10, image)
    panorama = np.clip(image, 0, 255).astype(np.uint8)
    east, south, west, north = (panorama[:, i * SIZE : (i + 1) * SIZE] for i in range(4))
    return east, north, west, south

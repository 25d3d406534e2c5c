"""Pictures on the walls of a maze, to know places by: twenty shapes, each in four pairs of colours.

A picture across the room covers a few pixels, so no two share their pair of colours (shape first, then ground).
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from envs.minilab.pictures import PICTURES, Grid, Mask, Shape
from envs.minilab.textures import SIZE, Image

_FRAME_WIDTH = 0.08  # of the half side
_FRAME_COLOUR = (30, 30, 30)
_ZOOM = 0.88  # of the coordinates: shapes fill the frame
_CONTRAST = 125  # least distance in RGB between a shape and its ground


def _heart(x: Grid, y: Grid) -> Mask:
    x, y = x / 0.66, y / 0.66 + 0.12
    return np.asarray((x**2 + y**2 - 1) ** 3 < x**2 * y**3)


def _tree(x: Grid, y: Grid) -> Mask:
    tiers = [(np.abs(x) < (top - y) * 0.9) & (y > top - 0.65) & (y < top) for top in (0.82, 0.35)]
    return np.any([*tiers, (np.abs(x) < 0.15) & (np.abs(y + 0.5) < 0.3)], axis=0)


def _house(x: Grid, y: Grid) -> Mask:
    walls = (np.abs(x) < 0.55) & (np.abs(y + 0.37) < 0.4) & ~((np.abs(x) < 0.17) & (y < -0.25))
    return walls | ((y > 0) & (y + np.abs(x) < 0.8))


def _arrow(x: Grid, y: Grid) -> Mask:
    return ((np.abs(y) < 0.22) & (np.abs(x + 0.35) < 0.45)) | ((x > 0) & (x + np.abs(y) < 0.8))


def _crescent(x: Grid, y: Grid) -> Mask:
    return (np.hypot(x, y) < 0.78) & (np.hypot(x - 0.38, y) > 0.58)


_SHAPES: tuple[Shape, ...] = (
    *(PICTURES[name][0] for name in ("arch", "circle", "clover", "triangle", "diamond", "star")),
    _heart,
    _tree,
    _house,
    _arrow,
    _crescent,
    lambda x, y: np.abs(np.hypot(x, y) - 0.62) < 0.2,  # ring
    lambda x, y: np.minimum(np.abs(x), np.abs(y)) < 0.25,  # cross
    lambda x, y: np.abs(np.abs(x) - np.abs(y)) < 0.32,  # saltire
    lambda x, y: np.abs(x) < np.abs(y),  # hourglass
    lambda x, y: np.abs(y - 0.5 + np.abs(x)) < 0.35,  # chevron
    lambda x, y: np.cos(3 * np.pi * y) < 0,  # bars
    lambda x, y: np.cos(3 * np.pi * x) < 0,  # pales
    lambda x, y: x * y > 0,  # quarters
    lambda x, y: x > y,  # halves
)
_COLOURS = (
    (230, 25, 25),
    (255, 130, 0),
    (255, 235, 0),
    (20, 170, 50),
    (0, 225, 225),
    (30, 60, 230),
    (140, 30, 190),
    (255, 110, 190),
    (255, 255, 255),
    (10, 10, 10),
)
COUNT = 80  # as many as DeepMind Lab has
_SCHEMES = [pair for pair in itertools.permutations(_COLOURS, 2) if math.dist(*pair) > _CONTRAST][:COUNT]


def decal(index: int) -> Image:
    """The picture of this number, 0 to COUNT - 1, in a thin dark frame, [SIZE, SIZE, 3]."""
    strong, ground = _SCHEMES[index]
    axis = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = np.meshgrid(axis, -axis)
    inside = _SHAPES[index % len(_SHAPES)](x * _ZOOM, y * _ZOOM)
    image = np.where(inside[..., None], strong, ground)
    image[np.maximum(np.abs(x), np.abs(y)) > 1 - _FRAME_WIDTH] = _FRAME_COLOUR
    return image.astype(np.uint8)

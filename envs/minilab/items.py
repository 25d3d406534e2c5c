"""Solid things that stand in a room, drawn over it column by column."""

from __future__ import annotations

import numpy as np

from envs.minilab.jit import device_function
from envs.minilab.render import Obs, draw_plane, draw_strip, row_of
from envs.minilab.textures import Atlas

_ZERO = np.float32(0)
_TINY = np.float32(1e-6)
_NEAR = np.float32(1)
_FAR = np.float32(1e9)
_DIAGONAL = np.float32(0.5**0.5)


@device_function
def clip_to_slab(
    enter: np.float32, leave: np.float32, position: np.float32, direction: np.float32, half_width: np.float32
) -> tuple[np.float32, np.float32]:
    """The part of the interval (enter, leave) in which |position + t direction| <= half_width."""
    slope = direction if abs(direction) > _TINY else _TINY
    one, other = (-half_width - position) / slope, (half_width - position) / slope
    return max(enter, min(one, other)), min(leave, max(one, other))


@device_function
def cast_at_octagon(
    x: np.float32, y: np.float32, ray_x: np.float32, ray_y: np.float32, apothem: np.float32
) -> tuple[np.float32, np.float32]:
    """Depths where a ray from (x, y), relative to the centre, enters and leaves; entry >= exit is a miss."""
    enter, leave = clip_to_slab(_ZERO, _FAR, x, ray_x, apothem)
    enter, leave = clip_to_slab(enter, leave, y, ray_y, apothem)
    enter, leave = clip_to_slab(enter, leave, (x + y) * _DIAGONAL, (ray_x + ray_y) * _DIAGONAL, apothem)
    return clip_to_slab(enter, leave, (x - y) * _DIAGONAL, (ray_x - ray_y) * _DIAGONAL, apothem)


@device_function
def draw_octagon(
    obs: Obs,
    i: int,
    column: int,
    eye: np.float32,
    x: np.float32,
    y: np.float32,
    ray_x: np.float32,
    ray_y: np.float32,
    apothem: np.float32,
    top: np.float32,
    bottom: np.float32,
    atlas: Atlas,
    texture: int,
    tile: np.float32,
) -> None:
    """A standing octagonal prism, seen from (x, y) relative to its centre, from outside or from above it."""
    enter, leave = cast_at_octagon(x, y, ray_x, ray_y, apothem)
    if enter >= leave:
        return
    if enter > _ZERO:
        depth = max(enter, _NEAR)
        along = (x + enter * ray_x) - (y + enter * ray_y)
        draw_strip(obs, i, column, eye, depth, top, bottom, atlas, texture, along / tile, tile)
    if eye > top:
        first = row_of(obs, eye - top, leave)
        last = row_of(obs, eye - top, enter) if enter > _ZERO else obs.shape[1]
        draw_plane(obs, i, column, first, last, eye - top, x, y, ray_x, ray_y, atlas, texture, tile)

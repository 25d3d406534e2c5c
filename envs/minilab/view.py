"""What is to be drawn of one environment: the camera, and upright panels sorted from far to near.

A level arranges its view once a picture; the columns are then drawn from it independently of one another. Everything
that is not floor, wall or sky is a panel: an item is one that faces the camera, a door one that stands in its place.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from envs.minilab.jit import device_function
from envs.minilab.render import Obs, draw_cutout, screen_of
from envs.minilab.state import Body, Float32Array, Int32Array
from envs.minilab.textures import Atlas

# Columns of `View.camera`.
X, Y, EYE, COSINE, SINE, WIDER, LARGER, FRAME, SHOWN, LIGHT_X, LIGHT_Y, LIGHT_UP = range(12)
DEPTH_0, SIDE_0, DEPTH_1, SIDE_1, LEFT, RIGHT, TOP, BOTTOM, ORDER = range(9)  # last axis of `View.panels`

_ZERO = np.float32(0)
_ONE = np.float32(1)
_HALF = np.float32(0.5)
_EDGE = np.float32(1.05)  # of the widest picture
_NEAR = np.float32(4)  # panels closer than this are not drawn
_TINY = np.float32(1e-6)
_RADIANS = np.float32(math.pi / 180)


class View(NamedTuple):
    """Scratch for one picture; nothing in it outlives the picture but what the look is made of."""

    camera: Float32Array  # [B, 12] x, y, height of the eye, cosine and sine of the yaw; what `randomise.py` adds to the
    # width of the picture and to the size of items, as parts of them; engine frames since the episode began; number of
    # the display; how much lighter it is to the east, to the north and above, as parts of the light
    used: Int32Array  # [B] panels to draw
    panels: Float32Array  # [B, P, 9] far to near: ends (depth, side), screen range, heights, depth to sort by
    texture: Int32Array  # [B, P]
    measures: Float32Array  # [M] numbers of the level's own in which looks differ


def new_view(num_envs: int, panels: int, measures: Float32Array | None = None) -> View:
    """Room for `panels` panels an environment, and the numbers of the level's look."""
    return View(
        camera=np.zeros((num_envs, 12), np.float32),
        used=np.zeros(num_envs, np.int32),
        panels=np.zeros((num_envs, max(panels, 1), 9), np.float32),
        texture=np.zeros((num_envs, max(panels, 1)), np.int32),
        measures=np.zeros(1, np.float32) if measures is None else measures,
    )


@device_function
def look(view: View, i: int, body: Body, j: int) -> None:
    """Begin environment i's picture, seen by body j."""
    camera, angle = view.camera, body.yaw[j] * _RADIANS
    camera[i, X], camera[i, Y], camera[i, EYE] = body.x[j], body.y[j], body.eye[j]
    camera[i, COSINE], camera[i, SINE] = math.cos(angle), math.sin(angle)
    camera[i, FRAME] = body.frame[j]
    view.used[i] = 0


@device_function
def screen_at(view: View, obs: Obs, i: int, column: int) -> np.float32:
    """Horizontal tangent of a column's centre, to the right."""
    screen = screen_of(obs, column)
    return screen + screen * view.camera[i, WIDER]


@device_function
def to_camera(view: View, i: int, x: np.float32, y: np.float32) -> tuple[np.float32, np.float32]:
    """Depth along the view and distance to its right of the point (x, y)."""
    camera = view.camera
    dx, dy = x - camera[i, X], y - camera[i, Y]
    cosine, sine = camera[i, COSINE], camera[i, SINE]
    return dx * cosine + dy * sine, dx * sine - dy * cosine


@device_function
def _insert(
    view: View,
    i: int,
    depth_0: np.float32,
    side_0: np.float32,
    depth_1: np.float32,
    side_1: np.float32,
    top: np.float32,
    bottom: np.float32,
    texture: int,
) -> None:
    """Sort a panel in, if any of it lies before the camera and within the picture."""
    order = (depth_0 + depth_1) * _HALF
    left, right = -_EDGE, _EDGE
    if depth_0 > _NEAR and depth_1 > _NEAR:
        screen_0, screen_1 = side_0 / depth_0, side_1 / depth_1
        left, right = min(screen_0, screen_1), max(screen_0, screen_1)
    place, panels = view.used[i], view.panels
    if max(depth_0, depth_1) <= _NEAR or left >= _EDGE or right <= -_EDGE or place >= panels.shape[1]:
        return
    view.used[i] = place + 1
    while place > 0 and panels[i, place - 1, ORDER] < order:
        for field in range(panels.shape[2]):
            panels[i, place, field] = panels[i, place - 1, field]
        view.texture[i, place] = view.texture[i, place - 1]
        place -= 1
    panels[i, place, DEPTH_0], panels[i, place, SIDE_0] = depth_0, side_0
    panels[i, place, DEPTH_1], panels[i, place, SIDE_1] = depth_1, side_1
    panels[i, place, LEFT], panels[i, place, RIGHT] = left, right
    panels[i, place, TOP], panels[i, place, BOTTOM] = top, bottom
    panels[i, place, ORDER] = order
    view.texture[i, place] = texture


@device_function
def add_item(
    view: View,
    i: int,
    x: np.float32,
    y: np.float32,
    width: np.float32,
    top: np.float32,
    bottom: np.float32,
    texture: int,
) -> None:
    """A picture of something at (x, y) that always faces the camera."""
    depth, side = to_camera(view, i, x, y)
    larger = view.camera[i, LARGER]
    half = (width + width * larger) * _HALF
    top += (top - bottom) * larger
    _insert(view, i, depth, side - half, depth, side + half, top, bottom, texture)


@device_function
def add_panel(
    view: View,
    i: int,
    x_0: np.float32,
    y_0: np.float32,
    x_1: np.float32,
    y_1: np.float32,
    top: np.float32,
    bottom: np.float32,
    texture: int,
) -> None:
    """An upright rectangle from (x_0, y_0), where its picture's left edge is, to (x_1, y_1)."""
    depth_0, side_0 = to_camera(view, i, x_0, y_0)
    depth_1, side_1 = to_camera(view, i, x_1, y_1)
    _insert(view, i, depth_0, side_0, depth_1, side_1, top, bottom, texture)


@device_function
def draw_panels(obs: Obs, i: int, column: int, screen: np.float32, limit: np.float32, view: View, atlas: Atlas) -> None:
    """The panels that a column's ray meets before the depth `limit`."""
    panels = view.panels
    for k in range(view.used[i]):
        if screen < panels[i, k, LEFT] or screen > panels[i, k, RIGHT]:
            continue
        depth_0, side_0 = panels[i, k, DEPTH_0], panels[i, k, SIDE_0]
        along_depth, along_side = panels[i, k, DEPTH_1] - depth_0, panels[i, k, SIDE_1] - side_0
        slope = along_side - screen * along_depth
        if abs(slope) < _TINY:
            continue
        u = (screen * depth_0 - side_0) / slope
        depth = depth_0 + u * along_depth
        if _ZERO <= u < _ONE and _NEAR < depth < limit:
            eye, top, bottom = view.camera[i, EYE], panels[i, k, TOP], panels[i, k, BOTTOM]
            draw_cutout(obs, i, column, eye, depth, top, bottom, atlas, view.texture[i, k], u)

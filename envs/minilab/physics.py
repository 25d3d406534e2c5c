"""How the body moves: Quake III's walking, one engine frame (16 ms) at a time (docs/minilab.md, "Body").

Friction, acceleration and the rounding of the velocity to whole units are those of the engine under DeepMind Lab;
the tests hold them against positions recorded from it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from envs.minilab.jit import device_function
from envs.minilab.state import Body, Float32Array, Int32Array

ACTION_REPEAT = 4  # engine frames in an agent step
FRAME_MS = 16  # engine milliseconds in a frame: engine time runs at 0.96 of real time, 60 frames a second

# The nine actions of IMPALA (Espeholt et al. 2018): (strafe to the right, forward, turn to the left, fire).
ACTIONS = np.array(
    [
        [0, 1, 0, 0],  # forward
        [0, -1, 0, 0],  # backward
        [-1, 0, 0, 0],  # strafe left
        [1, 0, 0, 0],  # strafe right
        [0, 0, 1, 0],  # look left
        [0, 0, -1, 0],  # look right
        [0, 1, 1, 0],  # look left and forward
        [0, 1, -1, 0],  # look right and forward
        [0, 0, 0, 1],  # fire
    ],
    np.float32,
)
ACTION_NAMES = (
    "forward",
    "backward",
    "strafe_left",
    "strafe_right",
    "look_left",
    "look_right",
    "look_left_forward",
    "look_right_forward",
    "fire",
)

FRAME_S = np.float32(FRAME_MS / 1000)
TURN = np.float32(0.0066 * FRAME_MS * 20)  # degrees a frame: 0.0066 per engine millisecond and pixel, 20 pixels
RUN_SPEED = np.float32(320)
ACCELERATION = np.float32(10)
FRICTION = np.float32(6)
STOP_SPEED = np.float32(100)  # below it friction acts as if at this speed, so that the body comes to rest
RADIUS = np.float32(15)  # half the side of the player's axis-aligned box
CLEARANCE = np.float32(0.125)  # the engine stops a move this far before a surface
OVERCLIP = np.float32(1.001)  # a clipped velocity points slightly away from the wall
EYE_HEIGHT = np.float32(50.12)  # above the ground: origin 24.12, eye 26 above it
# A body touches an item when its origin lies within this box round the item's.
_ITEM_WEST = np.float32(-50)
_ITEM_EAST = np.float32(44)
_ITEM_NORTH = np.float32(36)
_TOUCHING = np.float32(0.01)  # what float32 may lose of a distance between two boxes side by side

_ZERO = np.float32(0)
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_RADIANS = np.float32(math.pi / 180)
_HALF_TURN = np.float32(180)
_FULL_TURN = np.float32(360)


class Room(NamedTuple):
    """A convex room without acute corners: the points with normal . point <= distance for every wall."""

    normal_x: Float32Array  # [walls] outward unit normals
    normal_y: Float32Array  # [walls]
    distance: Float32Array  # [walls] of the wall's face from the origin
    reach: Float32Array  # [walls] how far the centre of the player's box may go in the normal's direction
    picture: Int32Array  # [walls] texture of the picture in the middle of the wall, -1 for none


def new_room(angles: Float32Array, distance: Float32Array, picture: Int32Array) -> Room:
    """A convex room from the direction (degrees), distance and picture of each wall."""
    radians = np.radians(angles.astype(np.float64))
    normal_x, normal_y = np.cos(radians), np.sin(radians)
    reach = distance - float(RADIUS) * (np.abs(normal_x) + np.abs(normal_y)) - float(CLEARANCE)
    return Room(normal_x.astype(np.float32), normal_y.astype(np.float32), distance, reach.astype(np.float32), picture)


@device_function
def turn(body: Body, i: int, left: np.float32) -> None:
    """Turn for one frame; `left` is 1, 0 or -1. There is no inertia."""
    yaw = body.yaw[i] + left * TURN
    if yaw >= _HALF_TURN:
        yaw -= _FULL_TURN
    elif yaw < -_HALF_TURN:
        yaw += _FULL_TURN
    body.yaw[i] = yaw


@device_function
def accelerate(body: Body, i: int, right: np.float32, forward: np.float32) -> None:
    """Friction, then acceleration towards the wished direction: (right, forward) is a unit vector or zero."""
    vx, vy = body.vx[i], body.vy[i]
    speed = np.float32(math.sqrt(vx * vx + vy * vy))
    if speed < _ONE:
        vx, vy = _ZERO, _ZERO
    else:
        kept = max(speed - max(speed, STOP_SPEED) * FRICTION * FRAME_S, _ZERO) / speed
        vx *= kept
        vy *= kept
    body.vx[i], body.vy[i] = vx, vy
    push(body, i, right, forward, ACCELERATION)


@device_function
def push(body: Body, i: int, right: np.float32, forward: np.float32, acceleration: np.float32) -> None:
    """Acceleration alone, as in the air."""
    if right == _ZERO and forward == _ZERO:
        return
    angle = body.yaw[i] * _RADIANS
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    wish_x = forward * cosine + right * sine
    wish_y = forward * sine - right * cosine
    missing = RUN_SPEED - (body.vx[i] * wish_x + body.vy[i] * wish_y)
    gain = min(max(missing, _ZERO), acceleration * FRAME_S * RUN_SPEED)
    body.vx[i] += gain * wish_x
    body.vy[i] += gain * wish_y


@device_function
def round_velocity(body: Body, i: int) -> None:
    """The engine sends velocities as whole numbers and goes on with what it sent."""
    body.vx[i] = np.float32(math.floor(body.vx[i] + _HALF))
    body.vy[i] = np.float32(math.floor(body.vy[i] + _HALF))


@device_function
def slide_in_room(body: Body, i: int, room: Room) -> None:
    """Move for one frame; walls stop the velocity's part that points into them."""
    vx, vy = body.vx[i], body.vy[i]
    x = body.x[i] + vx * FRAME_S
    y = body.y[i] + vy * FRAME_S
    for k in range(room.reach.shape[0]):
        normal_x, normal_y = room.normal_x[k], room.normal_y[k]
        inside = normal_x * x + normal_y * y - room.reach[k]
        if inside > _ZERO:  # corners are right or obtuse: leaving one wall never enters another
            x -= inside * normal_x
            y -= inside * normal_y
            into = max(vx * normal_x + vy * normal_y, _ZERO) * OVERCLIP
            vx -= into * normal_x
            vy -= into * normal_y
    body.x[i], body.y[i] = x, y
    body.vx[i], body.vy[i] = vx, vy
    round_velocity(body, i)


@device_function
def block(
    body: Body,
    i: int,
    before_x: np.float32,
    before_y: np.float32,
    x: np.float32,
    y: np.float32,
    half_x: np.float32,
    half_y: np.float32,
) -> None:
    """Keep a body that moved from (before_x, before_y) out of a solid box round (x, y)."""
    reach_x, reach_y = half_x + RADIUS + CLEARANCE, half_y + RADIUS + CLEARANCE
    if abs(body.x[i] - x) >= reach_x or abs(body.y[i] - y) >= reach_y:
        return
    if abs(before_x - x) >= reach_x - _TOUCHING:
        body.x[i] = x + reach_x if before_x > x else x - reach_x
        body.vx[i] = _ZERO
    elif abs(before_y - y) >= reach_y - _TOUCHING:
        body.y[i] = y + reach_y if before_y > y else y - reach_y
        body.vy[i] = _ZERO
    # Else it was inside before (put there, or the box came to it): it may walk out.


@device_function
def place_body(body: Body, i: int, x: np.float32, y: np.float32, yaw: np.float32) -> None:
    """Put a body at rest; `yaw` in [-180, 180)."""
    body.x[i], body.y[i], body.yaw[i] = x, y, yaw
    body.vx[i], body.vy[i] = _ZERO, _ZERO


@device_function
def touches_item(body: Body, j: int, x: np.float32, y: np.float32) -> bool:
    """Whether the body picks up an item at (x, y): Quake III's box, which is not quite symmetric."""
    dx, dy = body.x[j] - x, body.y[j] - y
    return bool(_ITEM_WEST <= dx <= _ITEM_EAST and abs(dy) <= _ITEM_NORTH)

"""What of a round of lasertag is to be seen: players, items, orbs, shots and bursts, and the numbers below."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from envs.config import Textures
from envs.minilab.hud import draw_cross_hair, draw_two_numbers
from envs.minilab.jit import device_function
from envs.minilab.lasertag.arena import (
    AMMO,
    BURST_SIZE,
    BURST_UNTIL,
    BURST_X,
    BURST_Y,
    GADGET,
    HEALTH,
    ITEMS,
    KIND,
    ORB,
    ORBS_EACH,
    PLAYERS,
    SHOT_FROM_X,
    SHOT_FROM_Y,
    SHOT_UNTIL,
    SHOT_X,
    SHOT_Y,
    Items,
    Players,
    X,
    Y,
    is_alive,
)
from envs.minilab.lasertag.items import is_there
from envs.minilab.lasertag.weapons import flies
from envs.minilab.mazes import FIRST_FREE, maze_textures
from envs.minilab.render import Obs
from envs.minilab.sprites import armour, beam_gadget, disc_gadget, flash, health, orb, orb_gadget, robot
from envs.minilab.state import Float32Array, Int32Array
from envs.minilab.textures import SIZE, Atlas, build_atlas, pack
from envs.minilab.view import COSINE, SINE, View, add_item, add_panel

HUES = 12
PANELS = PLAYERS - 1 + ITEMS + PLAYERS * (ORBS_EACH + 2) + PLAYERS - 1  # players, items, orbs and marks, tracers
_ITEM = FIRST_FREE - ORB  # an item's texture follows its kind
_ORB = FIRST_FREE + 5
_FLASH = _ORB + 1
_TRACER = _FLASH + 1
_ROBOT = _TRACER + 1  # front, side and back of each hue
_TRACER_COLOUR = (255, 240, 120)
_PLAYER_SIZE = np.float32(56)
_ITEM_SIZE, _ITEM_BOTTOM = np.float32(36), np.float32(6)
_ORB_SIZE, _SPOT_SIZE = np.float32(24), np.float32(10)
_LINE_OF_FIRE = np.float32(50)  # height of orbs and hits
_TRACER_TOP, _TRACER_BOTTOM = np.float32(44), np.float32(40)
_AT_THE_EYE = np.float32(40)  # hits on the agent itself are not drawn: they would hide who shoots
_BURST_MIDDLE = np.float32(40)
_FACING = np.float32(math.cos(math.pi / 4))  # within 45 degrees a player shows its front, or its back
_RADIANS = np.float32(math.pi / 180)
_HALF = np.float32(0.5)
_ZERO = np.float32(0)
_GREEN, _RED, _WHITE = np.uint32(0x60FF60), np.uint32(0x3030FF), np.uint32(0xFFFFFF)
_LOW_HEALTH = 25
_GADGET_COLOURS = pack(
    np.array([[160, 160, 160], [255, 255, 255], [255, 140, 40], [80, 230, 255], [220, 120, 255]], np.uint8)
)


@cache
def new_atlas(textures: Textures) -> Atlas:
    """The textures of a maze and of all that moves in it."""
    gadgets = [orb_gadget(), beam_gadget(), disc_gadget()]
    tracer = np.broadcast_to(np.array(_TRACER_COLOUR, np.uint8), (SIZE, SIZE, 3))
    robots = [robot(360 * hue / HUES, view) for hue in range(HUES) for view in ("front", "side", "back")]
    return build_atlas([*maze_textures(textures), *gadgets, health(), armour(), orb(), flash(), tracer, *robots])


@device_function
def arrange_players(i: int, hue: int, players: Players, view: View) -> None:
    """The living bots, from the side that faces the camera."""
    body, camera, first = players.body, view.camera, _ROBOT + 3 * hue
    for p in range(1, PLAYERS):
        j = PLAYERS * i + p
        if not is_alive(j, players):
            continue
        x, y, angle = body.x[j], body.y[j], body.yaw[j] * _RADIANS
        ahead_x, ahead_y = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        to_x, to_y = camera[i, X] - x, camera[i, Y] - y
        towards = (ahead_x * to_x + ahead_y * to_y) / max(np.float32(math.sqrt(to_x * to_x + to_y * to_y)), _FACING)
        to_right = ahead_x * camera[i, SINE] - ahead_y * camera[i, COSINE]
        side = 0 if towards > _FACING else (2 if towards < -_FACING else 1)
        # From the side it looks to the right; a negative width mirrors it.
        width = -_PLAYER_SIZE if side == 1 and to_right < _ZERO else _PLAYER_SIZE
        add_item(view, i, x, y, width, _PLAYER_SIZE, _ZERO, first + side)


@device_function
def arrange_items(i: int, now: int, items: Items, view: View) -> None:
    """What lies about."""
    for k in range(ITEMS):
        if is_there(i, k, now, items):
            x, y, texture = items.places[i, k, X], items.places[i, k, Y], _ITEM + items.facts[i, k, KIND]
            add_item(view, i, x, y, _ITEM_SIZE, _ITEM_BOTTOM + _ITEM_SIZE, _ITEM_BOTTOM, texture)


@device_function
def arrange_shots(i: int, now: int, marks: Float32Array, orbs: Float32Array, view: View) -> None:
    """Each player's orbs in flight, its last burst, and where its last shot went."""
    for p in range(PLAYERS):
        j = PLAYERS * i + p
        for slot in range(ORBS_EACH):
            if flies(j, slot, orbs):
                _add_at(view, i, orbs[j, slot, X], orbs[j, slot, Y], _ORB_SIZE, _LINE_OF_FIRE, _ORB)
        if np.float32(now) < marks[j, BURST_UNTIL]:
            _add_at(view, i, marks[j, BURST_X], marks[j, BURST_Y], marks[j, BURST_SIZE], _BURST_MIDDLE, _FLASH)
        if np.float32(now) < marks[j, SHOT_UNTIL]:
            x, y = marks[j, SHOT_X], marks[j, SHOT_Y]
            if abs(x - view.camera[i, X]) + abs(y - view.camera[i, Y]) > _AT_THE_EYE:
                _add_at(view, i, x, y, _SPOT_SIZE, _LINE_OF_FIRE, _FLASH)
            if p > 0:  # one's own are seen end on
                from_x, from_y = marks[j, SHOT_FROM_X], marks[j, SHOT_FROM_Y]
                add_panel(view, i, from_x, from_y, x, y, _TRACER_TOP, _TRACER_BOTTOM, _TRACER)


@device_function
def _add_at(
    view: View, i: int, x: np.float32, y: np.float32, size: np.float32, height: np.float32, texture: int
) -> None:
    """A square picture whose middle is at `height`."""
    add_item(view, i, x, y, size, height + size * _HALF, height - size * _HALF, texture)


@device_function
def draw_numbers(i: int, column: int, facts: Int32Array, obs: Obs) -> None:
    """The agent's health and, in the gadget's colour, its ammunition; a cross-hair while it lives."""
    j = PLAYERS * i
    health_left, gadget = facts[j, HEALTH], facts[j, GADGET]
    colour = _GREEN if health_left > _LOW_HEALTH else _RED
    ammo_colour = np.uint32(_GADGET_COLOURS[gadget])
    draw_two_numbers(obs, i, column, health_left, colour, facts[j, AMMO + gadget], ammo_colour)
    if health_left > 0:
        draw_cross_hair(obs, i, column, _WHITE)

"""The head-up display: numbers at the lower edge and a cross-hair, one column of the picture at a time.

Ink is whole pixels, so that digits stay sharp in any picture from 24 pixels on; it grows with the height.
"""

from __future__ import annotations

import numpy as np

from envs.minilab.jit import device_function
from envs.minilab.render import Obs, fill, set_pixel
from envs.minilab.sprites import digits

_GLYPHS = np.ascontiguousarray(digits())  # [11, 5, 3]
_ROWS, _COLUMNS = _GLYPHS.shape[1:]
CROSS = 10
DIGITS = 3
_PITCH = _COLUMNS + 1
NUMBER_WIDTH = DIGITS * _PITCH - 1  # in dots
_DARK = np.uint32(0x202020)
_LINE = 50  # rows of the picture for each pixel of a dot's side


@device_function
def dot_size(obs: Obs) -> int:
    """Pixels to the side of a dot."""
    return max((obs.shape[1] + _LINE // 2) // _LINE, 1)


@device_function
def _draw_dots(obs: Obs, i: int, column: int, top: int, glyph: int, dot_column: int, colour: np.uint32) -> None:
    size = dot_size(obs)
    for row in range(_ROWS * size):
        if _GLYPHS[glyph, row // size, dot_column]:
            set_pixel(obs, i, top + row, column, colour)


@device_function
def _draw_number(obs: Obs, i: int, column: int, left: int, value: int, colour: np.uint32) -> None:
    """What a column shows of a number of up to three digits, aligned to the right, from column `left` on."""
    size = dot_size(obs)
    dot = (column - left) // size
    place, dot_column = dot // _PITCH, dot % _PITCH
    power = 100 if place == 0 else (10 if place == 1 else 1)
    if 0 <= dot < NUMBER_WIDTH and dot_column < _COLUMNS and (value >= power or power == 1):
        top = obs.shape[1] - (_ROWS + 1) * size
        _draw_dots(obs, i, column, top, value // power % 10, dot_column, colour)


@device_function
def draw_cross_hair(obs: Obs, i: int, column: int, colour: np.uint32) -> None:
    """What a column shows of a small cross in the middle of the picture."""
    size = dot_size(obs)
    left = (obs.shape[2] - _COLUMNS * size) // 2
    if left <= column < left + _COLUMNS * size:
        _draw_dots(obs, i, column, (obs.shape[1] - _ROWS * size) // 2, CROSS, (column - left) // size, colour)


@device_function
def draw_two_numbers(
    obs: Obs, i: int, column: int, left: int, left_colour: np.uint32, right: int, right_colour: np.uint32
) -> None:
    """What a column shows of the numbers (0 to 999) in the lower corners, each on a dark plate."""
    size, height, width = dot_size(obs), obs.shape[1], obs.shape[2]
    plate = (NUMBER_WIDTH + 1) * size
    if column < plate or column >= width - plate:
        fill(obs, i, column, height - (_ROWS + 2) * size, height, _DARK)
        _draw_number(obs, i, column, size, left, left_colour)
        _draw_number(obs, i, column, width - plate, right, right_colour)

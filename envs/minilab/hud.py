"""The head-up display: numbers at the lower edge and a cross-hair, one column of the picture at a time.

Ink is whole pixels, so that digits stay sharp in any picture from 24 pixels on; it grows with the height.
"""

from __future__ import annotations

import numpy as np

from envs.minilab.jit import device_function
from envs.minilab.render import Obs, set_pixel
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
def draw_number(obs: Obs, i: int, column: int, left: int, value: int, colour: np.uint32) -> None:
    """What a column shows of a number of up to three digits, right-aligned on a dark plate from column `left` on."""
    size = dot_size(obs)
    top = obs.shape[1] - (_ROWS + 1) * size
    if not left - size <= column < left + (NUMBER_WIDTH + 1) * size:
        return
    for row in range(max(top - size, 0), obs.shape[1]):
        set_pixel(obs, i, row, column, _DARK)
    dot = (column - left) // size
    place, dot_column = dot // _PITCH, dot % _PITCH
    if not 0 <= dot < NUMBER_WIDTH or dot_column == _COLUMNS:
        return
    power = 100 if place == 0 else (10 if place == 1 else 1)
    if value >= power or power == 1:
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
    """A number in each lower corner."""
    size = dot_size(obs)
    draw_number(obs, i, column, size, left, left_colour)
    draw_number(obs, i, column, obs.shape[2] - (NUMBER_WIDTH + 1) * size, right, right_colour)

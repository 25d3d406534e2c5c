"""What lies over the finished picture: light that is not the same everywhere, and the head-up display.

Both are laid over the bytes of a picture's rows, [H, 3 W], after all columns are drawn, and only where a look has them.
Places, colours and opacities of the display were measured on frames of the real engine at 96x72, where its text is a
few pixels: the layout is in those pixels and is stretched to other sizes, as the engine does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from envs.minilab.jit import device_function
from envs.minilab.sprites import digits
from envs.minilab.state import Float32Array, Int32Array
from envs.minilab.view import COSINE, FRAME, LIGHT_UP, LIGHT_X, LIGHT_Y, SHOWN, SINE

Rows = npt.NDArray[np.uint8]  # [B, H, 3 W] the bytes of pictures
Layout = npt.NDArray[np.float64]  # [72, 96, 4] colour, and opacity from 0 to 1

_WIDTH, _HEIGHT = 96, 72
_FRAMES_PER_SECOND = 60
_GLYPHS = np.ascontiguousarray(digits()[:10, ::2, ::2])  # [10, 3, 2] digits as small as the engine's are
_CLOCK = 87  # first column of the countdown's three digits, two columns each
_CLOCK_END = _CLOCK + 6
_CLOCK_ROWS = 3
# Thin strokes, a part of a pixel wide: what they leave of 256 parts, and what they add.
_CLOCK_INK = np.array([[175, 32 * 81, 20 * 81, 10 * 81]], np.uint16)
_CLOCK_REST = np.uint32(175)
_EIGHT = np.uint32(8)
_BRIGHT = np.uint16(255)
_BITS = np.uint16(7)  # of a gain behind the point
_UNIT, _ROUND = np.float32(128), np.uint16(64)
_ZERO, _ONE, _TWO, _HALF_PIXEL = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)
_HALF_LIGHT = np.float32(0.5)  # the column's part and the row's of a gain of one: neither is ever negative

_Box = tuple[int, int, int, int, tuple[int, int, int], float]  # first row, last, first column, last, colour, opacity
_WHITE = (255, 255, 255)
_PLATES: tuple[_Box, ...] = ((65, 71, 2, 14, (125, 86, 0), 0.4), (65, 71, 29, 41, (110, 110, 110), 0.4))
_NUMBERS: tuple[_Box, ...] = (
    (67, 69, 3, 3, (197, 136, 0), 0.6),
    (67, 69, 5, 5, (190, 130, 0), 0.4),
    (67, 69, 9, 10, (190, 130, 0), 0.4),
    (67, 69, 14, 14, (190, 130, 0), 0.4),
    (67, 69, 30, 31, (190, 190, 190), 0.6),
    (67, 69, 34, 35, (150, 150, 150), 0.3),
    (67, 69, 40, 40, (195, 195, 195), 0.55),
)
_ALWAYS: tuple[_Box, ...] = (
    (65, 68, 16, 20, (100, 255, 255), 1),
    (66, 66, 17, 17, (60, 110, 200), 1),
    (67, 67, 18, 18, (60, 110, 200), 1),
    (64, 70, 45, 47, _WHITE, 1),
    (65, 69, 44, 48, _WHITE, 1),
    (66, 68, 43, 49, _WHITE, 1),
    (57, 57, 43, 45, _WHITE, 0.2),
    (58, 58, 43, 45, _WHITE, 0.45),
    (59, 60, 43, 45, _WHITE, 0.65),
    (61, 61, 43, 45, _WHITE, 0.4),
    (58, 60, 42, 42, _WHITE, 0.12),
    (58, 60, 46, 46, _WHITE, 0.12),
    (56, 61, 47, 52, (215, 180, 60), 0.2),
    (61, 63, 90, 95, (30, 50, 245), 0.5),
    (61, 62, 94, 94, _WHITE, 0.8),
    (1, 1, 94, 94, _WHITE, 0.9),
)
# Displays of other content: mirrored or not, the colours' channels moved on by so many, and what the numbers say.
_CONTENTS = ((False, 1, 73), (False, 2, 5), (True, 0, 94), (True, 1, 38), (True, 2, 60))
CONTENTS = len(_CONTENTS)
OWN, OFF, ENGINE, FIRST_CONTENT = range(4)  # numbers of displays
_PLACES = (4, 33)  # first columns of two digits on the plates


class Overlay(NamedTuple):
    """What lies over pictures of one size; [0] of `frames` or of `gains`: no display, or no light of its own."""

    places: npt.NDArray[np.uint32]  # [P, 2] row and first byte of each pixel of all displays
    inks: npt.NDArray[np.uint16]  # [P, 4] how much of 256 is left of the picture there, and what is added to its bytes
    start: Int32Array  # [N, W + 1] first pixel of each column of a display
    frames: Int32Array  # [N] length of an episode, which the countdown shows; 0: no countdown
    gains: npt.NDArray[np.uint16]  # [B, 3 W] scratch: each byte's gain in its row, as parts of 128


def new_overlay(
    height: int, width: int, num_envs: int, frames: int, *, engine: bool, numbers: bool, choice: bool, light: bool
) -> Overlay:
    """Displays and light of a look.

    Args:
        height: H.
        width: W.
        num_envs: B.
        frames: length of an episode.
        engine: the look has the engine's display.
        numbers: show health and ammunition; a level that has them of its own shows these itself.
        choice: episodes choose among the look's own display, none, the engine's and some of other content.
        light: the light differs within a picture.
    """
    empty, usual = np.zeros((_HEIGHT, _WIDTH, 4)), _layout(numbers)
    own = (usual, frames) if engine else (empty, 0)
    shown = [own] if engine or choice else []
    if choice:
        shown += [(empty, 0), (usual, frames)]
        shown += [(_changed(numbers, *content), frames * (k + 1) // 2) for k, content in enumerate(_CONTENTS)]
    rows, columns = np.arange(height) * _HEIGHT // height, np.arange(width) * _WIDTH // width
    stretched = np.array([layout[rows][:, columns] for layout, _ in shown]).reshape(-1, height, width, 4)
    display, column, row = np.nonzero(stretched[..., 3].swapaxes(1, 2))  # column by column
    colours = stretched[display, row, column]  # [P, 4]
    opacities = np.rint(256 * colours[:, 3:])
    first = np.searchsorted(display * width + column, np.arange(len(shown) * width + 1))
    return Overlay(
        places=np.stack([row, 3 * column], -1).astype(np.uint32),
        inks=np.concatenate([256 - opacities, np.floor(colours[:, :3] * opacities)], 1).astype(np.uint16),
        start=np.array([first[width * n : width * (n + 1) + 1] for n in range(len(shown))], np.int32).reshape(
            -1, width + 1
        ),
        frames=np.array([length for _, length in shown], np.int32),
        gains=np.zeros((num_envs, 3 * width) if light else (0, 0), np.uint16),
    )


def _layout(numbers: bool) -> Layout:
    return _painted((*(_PLATES + _NUMBERS if numbers else ()), *_ALWAYS))


def _changed(numbers: bool, mirrored: bool, turn: int, value: int) -> Layout:
    """A display of other content: whether it is mirrored, how far its channels are moved on, what its plates say."""
    digit = [
        (67 + row, 67 + row, left + 3 * place + column, left + 3 * place + column, (235, 235, 235), 0.6)
        for left in _PLACES
        for place, number in enumerate(divmod(value, 10))
        for row, column in np.argwhere(_GLYPHS[number]).tolist()
    ]
    layout = _painted((*(_PLATES + tuple(digit) if numbers else ()), *_ALWAYS))
    layout[..., :3] = np.roll(layout[..., :3], turn, -1)
    return layout[:, ::-1] if mirrored else layout


def _painted(boxes: tuple[_Box, ...]) -> Layout:
    """Boxes laid over one another in their order."""
    layout = np.zeros((_HEIGHT, _WIDTH, 4))
    for top, bottom, left, right, colour, opacity in boxes:
        part = layout[top : bottom + 1, left : right + 1]
        covered = opacity + part[..., 3:] * (1 - opacity)
        part[..., :3] = (np.array(colour) * opacity + part[..., :3] * part[..., 3:] * (1 - opacity)) / covered
        part[..., 3:] = covered
    return layout


@device_function
def shade(rows: Rows, i: int, first: int, last: int, camera: Float32Array, overlay: Overlay) -> None:
    """Light columns [first, last) of environment i's picture.

    The light comes from one side of the world and from above or below: its gain is linear in the picture.
    """
    if overlay.gains.shape[0] == 0 or (camera[i, LIGHT_X] == _ZERO and camera[i, LIGHT_UP] == _ZERO):
        return
    gains, height, width = overlay.gains, rows.shape[1], rows.shape[2] // 3
    ahead = _HALF_LIGHT + camera[i, COSINE] * camera[i, LIGHT_X] + camera[i, SINE] * camera[i, LIGHT_Y]
    aside = camera[i, SINE] * camera[i, LIGHT_X] - camera[i, COSINE] * camera[i, LIGHT_Y]
    up = camera[i, LIGHT_UP]
    across, down = _TWO / np.float32(width), _TWO / np.float32(height)
    for column in range(first, last):
        screen = (np.float32(column) + _HALF_PIXEL) * across - _ONE
        gain = np.uint16(int((ahead + aside * screen) * _UNIT))
        for channel in range(3):
            gains[np.uint64(i), np.uint64(3 * column + channel)] = gain
    for row in range(height):
        vertical = _ONE - (np.float32(row) + _HALF_PIXEL) * down
        more = np.uint16(int((_HALF_LIGHT + up * vertical) * _UNIT))
        for k in range(3 * (last - first)):
            at_row, byte = np.uint64(row), np.uint64(3 * first + k)
            # A gain is below two: the product fits 16 bits, of which a processor multiplies 16 or 32 at once.
            gain = np.uint16(gains[np.uint64(i), byte] + more)
            lit = np.uint16(np.uint16(np.uint16(rows[np.uint64(i), at_row, byte]) * gain + _ROUND) >> _BITS)
            rows[np.uint64(i), at_row, byte] = min(lit, _BRIGHT)


@device_function
def _mix(rows: Rows, i: int, row: int, byte: int, rest: np.uint32, k: int, inks: npt.NDArray[np.uint16]) -> None:
    """Lay ink k over a pixel of which `rest` of 256 parts stay."""
    for channel in range(3):
        at_row, at_byte = np.uint64(row), np.uint64(byte + channel)
        rows[np.uint64(i), at_row, at_byte] = (
            np.uint32(rows[np.uint64(i), at_row, at_byte]) * rest
            + np.uint32(inks[np.uint64(k), np.uint64(channel + 1)])
        ) >> _EIGHT


@device_function
def draw_display(rows: Rows, i: int, first: int, last: int, camera: Float32Array, overlay: Overlay) -> None:
    """What columns [first, last) show of environment i's display."""
    if overlay.frames.shape[0] == 0:
        return
    shown, places, inks = int(camera[i, SHOWN]), overlay.places, overlay.inks
    for k in range(overlay.start[shown, first], overlay.start[shown, last]):
        _mix(rows, i, places[k, 0], places[k, 1], np.uint32(inks[k, 0]), k, inks)
    if overlay.frames[shown] > 0:
        height, width = rows.shape[1], rows.shape[2] // 3
        left = max(overlay.frames[shown] - int(camera[i, FRAME]), 0) // _FRAMES_PER_SECOND
        for column in range(max(first, _CLOCK * width // _WIDTH), min(last, _CLOCK_END * width // _WIDTH + 1)):
            dot = column * _WIDTH // width - _CLOCK
            number = dot // 2
            digit = left // 60 % 10 if number == 0 else (left % 60 // 10 if number == 1 else left % 10)
            if 0 <= dot < _CLOCK_END - _CLOCK and (number > 0 or digit > 0):
                row = 0
                while row * _HEIGHT < _CLOCK_ROWS * height:
                    if _GLYPHS[digit, row * _HEIGHT // height, dot % 2]:
                        _mix(rows, i, row, 3 * column, _CLOCK_REST, 0, _CLOCK_INK)
                    row += 1

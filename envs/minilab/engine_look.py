"""minilab as the real DeepMind Lab shows it: its head-up display, and surfaces as light as there.

Places, colours and opacities were measured on frames of the real engine at 96x72, where the display's text is a few
pixels: the layout below is in those pixels and is stretched to other sizes, as the engine does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from envs.minilab.jit import device_function
from envs.minilab.render import Obs, set_pixel
from envs.minilab.sprites import digits
from envs.minilab.state import Float32Array, Int32Array
from envs.minilab.textures import OFFSETS, Atlas, Image, build_atlas

_WIDTH, _HEIGHT = 96, 72
_FRAMES_PER_SECOND = 60
_BYTE, _WHOLE, _HALF = np.uint32(255), np.uint32(255), np.uint32(127)
_GLYPHS = np.ascontiguousarray(digits()[:10, ::2, ::2])  # [10, 3, 2] digits as small as the engine's are
_CLOCK = 87  # first column of the countdown's three digits, two columns each
_CLOCK_END = _CLOCK + 6
_CLOCK_ROWS = 3
_INK = np.uint32(0x500A1420)  # thin strokes, a part of a pixel wide

_Box = tuple[int, int, int, int, tuple[int, int, int], float]  # first row, last, first column, last, colour, opacity
_WHITE = (255, 255, 255)
_HEALTH: tuple[_Box, ...] = (
    (65, 71, 2, 14, (125, 86, 0), 0.4),
    (67, 69, 3, 3, (197, 136, 0), 0.6),
    (67, 69, 5, 5, (190, 130, 0), 0.4),
    (67, 69, 9, 10, (190, 130, 0), 0.4),
    (67, 69, 14, 14, (190, 130, 0), 0.4),
)
_AMMUNITION: tuple[_Box, ...] = (
    (65, 71, 29, 41, (110, 110, 110), 0.4),
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


class Hud(NamedTuple):
    """The head-up display of one level and picture size."""

    pixels: npt.NDArray[np.uint32]  # [H, W] colour, and opacity in the highest byte; [0, 0]: no display
    rows: Int32Array  # [W, 2] first of a column's pixels and behind its last
    frames: Int32Array  # [1] length of an episode, which the countdown shows


def no_hud() -> Hud:
    """What switches it off."""
    return Hud(np.zeros((0, 0), np.uint32), np.zeros((0, 2), np.int32), np.zeros(1, np.int32))


def new_hud(height: int, width: int, frames: int, numbers: bool) -> Hud:
    """The display for pictures of that size.

    Args:
        height: H.
        width: W.
        frames: length of an episode.
        numbers: show health and ammunition; a level that has them of its own shows these itself.
    """
    layout = np.zeros((_HEIGHT, _WIDTH, 4))
    for top, bottom, left, right, colour, opacity in (*(_HEALTH + _AMMUNITION if numbers else ()), *_ALWAYS):
        part = layout[top : bottom + 1, left : right + 1]
        covered = opacity + part[..., 3:] * (1 - opacity)
        part[..., :3] = (np.array(colour) * opacity + part[..., :3] * part[..., 3:] * (1 - opacity)) / covered
        part[..., 3:] = covered
    packed = (layout * (1, 1, 1, 255) + 0.5).astype(np.uint32) @ np.array([1, 1 << 8, 1 << 16, 1 << 24], np.uint32)
    pixels = packed[np.arange(height) * _HEIGHT // height][:, np.arange(width) * _WIDTH // width]  # [H, W]
    there = pixels > 0
    first, last = there.argmax(0), height - there[::-1].argmax(0)
    rows = np.stack([first, np.where(there.any(0), last, 0)], -1).astype(np.int32)
    return Hud(np.ascontiguousarray(pixels), rows, np.array([frames], np.int32))


@device_function
def _lay_over(obs: Obs, i: int, row: int, column: int, ink: np.uint32) -> None:
    """Mix a colour into a pixel by the opacity in its highest byte."""
    opacity = ink >> np.uint32(24)
    if opacity == _WHOLE:
        set_pixel(obs, i, row, column, ink)
        return
    rest, at_row, at_column = _WHOLE - opacity, np.uint64(row), np.uint64(column)
    for channel in range(3):
        mixed = np.uint32(obs[i, at_row, at_column, channel]) * rest
        mixed += ((ink >> np.uint32(8 * channel)) & _BYTE) * opacity
        obs[i, at_row, at_column, channel] = (mixed + _HALF) // _WHOLE


@device_function
def draw_hud(obs: Obs, i: int, column: int, frame: np.float32, hud: Hud) -> None:
    """What a column shows of the display, `frame` engine frames into the episode."""
    if hud.pixels.shape[0] == 0:
        return
    for row in range(hud.rows[column, 0], hud.rows[column, 1]):
        ink = hud.pixels[np.uint64(row), np.uint64(column)]
        if ink > np.uint32(0):
            _lay_over(obs, i, row, column, ink)
    place = column * _WIDTH // obs.shape[2]
    if _CLOCK <= place < _CLOCK_END:
        left = max(hud.frames[0] - int(frame), 0) // _FRAMES_PER_SECOND
        number = (place - _CLOCK) // 2
        digit = left // 60 % 10 if number == 0 else (left % 60 // 10 if number == 1 else left % 10)
        if number == 0 and digit == 0:
            return
        row = 0
        while row * _HEIGHT < _CLOCK_ROWS * obs.shape[1]:
            if _GLYPHS[digit, row * _HEIGHT // obs.shape[1], (place - _CLOCK) % 2]:
                _lay_over(obs, i, row, column, _INK)
            row += 1


def engine_scene(scene: Any, level: Any) -> Any:
    """A level's scene with its textures as the engine shows them.

    `level.ENGINE_COLOURS` has the mean colour by texture, `level.engine_images()` whole images, where it has them.
    """
    colours: dict[int, tuple[int, int, int]] = getattr(level, "ENGINE_COLOURS", {})
    images: dict[int, Image] = getattr(level, "engine_images", dict)()
    if not colours and not images:
        return scene
    texels = scene.atlas.texels.copy()
    for texture, colour in colours.items():
        texels[texture] = relit(texels[texture], colour)
    for texture, image in images.items():
        texels[texture] = _row(image)
    return scene._replace(atlas=Atlas(texels, scene.atlas.palettes))


def relit(texels: npt.NDArray[np.uint32], colour: tuple[int, int, int]) -> npt.NDArray[np.uint32]:
    """A texture's row of texels, scaled so that its mean, the last of its mip levels, is `colour`."""
    mean, lit = texels[OFFSETS[-2]], texels & np.uint32(0xFF000000)
    for channel, wanted in enumerate(colour):
        shift = np.uint32(8 * channel)
        gain = wanted / max(int(mean >> shift & _BYTE), 1)
        lit |= np.minimum((texels >> shift & _BYTE) * gain + 0.5, 255).astype(np.uint32) << shift
    return lit


def _row(image: Image) -> npt.NDArray[np.uint32]:
    return build_atlas([image]).texels[0]


def measures(level: Any, engine: bool) -> Float32Array:
    """The numbers in which a level's picture differs between looks; a level without any has one that it never reads."""
    return np.array(getattr(level, "ENGINE_MEASURES" if engine else "MEASURES", (0.0,)), np.float32)

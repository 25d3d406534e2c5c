"""Pictures of things with transparency, and the digits of the head-up display.

A thing 40 units wide covers six pixels at 300 units: bold shapes in strong colours, outlined so that they stand out
from orange floors, green walls and blue sky alike. Everything is painted here from discs, boxes and polygons.
"""

from __future__ import annotations

import colorsys
import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage
from PIL import ImageDraw
from scipy import ndimage

from envs.minilab.textures import SIZE

Sprite = npt.NDArray[np.uint8]  # [SIZE, SIZE, 4], alpha 0 or 255
Colour = tuple[int, int, int]
Point = tuple[float, float]
View = Literal["front", "side", "back"]

# Keys and doors of rooms_keys_doors_puzzle, in its order.
COLOURS: dict[str, Colour] = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}

_WHITE = (255, 255, 255)
_DARK = (35, 35, 40)
_STEEL = (95, 100, 110)
_OUTLINE = 3  # hundredths of the side
_SAMPLES = 2  # a texel and direction
_FINE = SIZE * _SAMPLES
_UNIT = _FINE / 100


class _Brush:
    """Paints on a transparent square of 100 x 100 units, x to the right, y down."""

    def __init__(self) -> None:
        self._image = PilImage.new("RGBA", (_FINE, _FINE))
        self._pen = ImageDraw.Draw(self._image)

    def polygon(self, colour: Colour, *points: Point) -> None:
        """Fill the polygon through `points`."""
        self._pen.polygon([(x * _UNIT, y * _UNIT) for x, y in points], fill=colour)

    def box(self, colour: Colour, left: float, top: float, right: float, bottom: float, corner: float = 0) -> None:
        """Fill a box whose corners are rounded with radius `corner`."""
        edges = left * _UNIT, top * _UNIT, right * _UNIT - 1, bottom * _UNIT - 1
        self._pen.rounded_rectangle(edges, corner * _UNIT, fill=colour)

    def disc(self, colour: Colour | None, x: float, y: float, width: float, height: float | None = None) -> None:
        """Fill an ellipse of half axes `width` and `height` (default: a circle); without a colour, cut a hole."""
        tall = width if height is None else height
        edges = (x - width) * _UNIT, (y - tall) * _UNIT, (x + width) * _UNIT, (y + tall) * _UNIT
        self._pen.ellipse(edges, fill=colour or (0, 0, 0, 0))

    def finish(self, outline: Colour | None = None, shade: float = 0.0) -> Sprite:
        """Shade away from the upper left (the far corner `shade` darker), outline it all, reduce to SIZE.

        The colour of transparent texels does not matter: mip levels weight colours by alpha.
        """
        fine = np.array(self._image)
        y, x = np.mgrid[:_FINE, :_FINE] / _FINE
        light = 1 - shade * np.clip(np.hypot(x - 0.3, y - 0.25) / 0.75, 0, 1) ** 2
        fine[..., :3] = fine[..., :3] * light[..., None] + 0.5
        if outline is not None:
            outside = ndimage.distance_transform_edt(fine[..., 3] == 0)
            fine[(outside > 0) & (outside < _OUTLINE * _UNIT)] = (*outline, 255)
        sprite = np.array(PilImage.fromarray(fine).resize((SIZE, SIZE), PilImage.Resampling.BOX))
        sprite[..., 3] = np.where(sprite[..., 3] >= 128, 255, 0)
        return sprite


def _star(x: float, y: float, tips: int, outer: float, inner: float) -> list[Point]:
    """Corners of a star with its first tip upwards."""
    corners = []
    for i in range(2 * tips):
        radius, angle = (inner if i % 2 else outer), math.pi * i / tips
        corners.append((x + radius * math.sin(angle), y - radius * math.cos(angle)))
    return corners


def apple() -> Sprite:
    """Red apple with a green leaf: +1 in seekavoid_arena_01."""
    brush = _Brush()
    brush.box((90, 55, 20), 47, 5, 54, 34)
    brush.polygon((60, 190, 30), (53, 22), (60, 8), (76, 3), (88, 7), (82, 20), (68, 26))
    for x in (35, 65):
        brush.disc((235, 15, 25), x, 57, 31, 34)
    brush.disc((235, 15, 25), 50, 76, 26, 20)
    brush.disc((255, 165, 160), 28, 46, 9, 12)
    return brush.finish((80, 0, 0), 0.45)


def lemon() -> Sprite:
    """Yellow lemon lying on its side, a tip at either end: -1 in seekavoid_arena_01."""
    brush = _Brush()
    for side in (-1, 1):
        brush.polygon((255, 245, 30), *((50 + side * x, 56 + y) for x, y in ((25, -26), (44, -8), (44, 8), (25, 26))))
    brush.disc((255, 245, 30), 50, 56, 38, 29)
    brush.disc((255, 255, 210), 36, 45, 14, 8)
    return brush.finish((150, 125, 0), 0.12)


def _coloured(colour: str) -> tuple[Colour, Colour]:
    """A colour of `COLOURS` and the outline that shows it on any ground."""
    main = COLOURS[colour]
    return main, (170, 170, 170) if colour == "black" else (main[0] // 3, main[1] // 3, main[2] // 3)


def key(colour: str) -> Sprite:
    """Key, bow up, in a colour of `COLOURS`."""
    main, outline = _coloured(colour)
    brush = _Brush()
    brush.box(main, 39, 40, 61, 97)
    brush.box(main, 50, 66, 88, 78)
    brush.box(main, 50, 85, 88, 97)
    brush.disc(main, 50, 32, 44, 29)
    brush.disc(None, 50, 32, 17, 10)
    return brush.finish(outline)


def fence(colour: str) -> Sprite:
    """See-through door in a colour of `COLOURS`: four posts between two rails, as wide and high as the square.

    The posts are just wide enough to be kept when the square shrinks to six pixels.
    """
    main, edge = _coloured(colour)
    brush = _Brush()
    for left in (0, 29, 57, 86):
        brush.box(main, left, 0, left + 14, 100)
        brush.box(edge, left + 11, 14, left + 14, 86)
    for top in (0, 86):
        brush.box(main, 0, top, 100, top + 14)
        brush.box(edge, 0, top + 12, 100, top + 14)
    return brush.finish()


def ice_lolly() -> Sprite:
    """Orange ice lolly on its stick: the goal of rooms_keys_doors_puzzle."""
    brush = _Brush()
    brush.box((225, 185, 125), 42, 66, 58, 97, 5)
    brush.box((255, 88, 0), 21, 27, 79, 73, 8)
    brush.disc((255, 88, 0), 50, 32, 29, 29)
    brush.box((255, 190, 140), 30, 24, 39, 60, 4)
    brush.box((200, 50, 0), 58, 22, 66, 63, 4)
    return brush.finish((90, 20, 0), 0.15)


def goal() -> Sprite:
    """Green and golden beacon: the goal of explore_goal_locations_small."""
    brush = _Brush()
    brush.polygon((255, 200, 0), *_star(50, 50, 8, 47, 36))
    brush.disc((0, 130, 50), 50, 50, 30)
    brush.disc((0, 220, 80), 50, 50, 27)
    brush.polygon((255, 255, 150), *_star(50, 51, 5, 23, 10))
    return brush.finish((90, 50, 0), 0.2)


def _hue(degrees: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(degrees % 360 / 360, 0.9, 1)
    return round(255 * red), round(255 * green), round(255 * blue)


def robot(hue: float, view: View) -> Sprite:
    """Player of lasertag: head, chest and legs in three hues 120 degrees apart, from `hue` (degrees) on.

    As tall as the square, which is 56 units wide. The side view looks to the right.
    """
    head, chest, legs = (_hue(hue + turn) for turn in (0, 120, 240))
    brush = _Brush()
    if view == "side":
        brush.box(_DARK, 20, 34, 38, 62, 4)
        brush.box(legs, 38, 58, 62, 90)
        brush.box(_STEEL, 38, 88, 68, 97)
        brush.box(chest, 35, 33, 64, 64, 6)
        brush.box(head, 34, 4, 66, 32, 8)
        brush.box(_DARK, 50, 9, 70, 24)
        brush.box(_WHITE, 53, 11, 70, 22)
        brush.box(_STEEL, 46, 44, 84, 53, 3)
        return brush.finish(_DARK, 0.15)
    for side in (-1, 1):
        x = 50 + 14 * side
        brush.box(legs, x - 10, 58, x + 10, 90)
        brush.box(_STEEL, x - 12, 88, x + 12, 97)
        x = 50 + 29 * side
        brush.box(chest, x - 7, 35, x + 7, 58, 5)
        brush.disc(_STEEL, x, 61, 7)
    brush.box(chest, 26, 33, 74, 64, 6)
    brush.box(head, 31, 4, 69, 32, 8)
    if view == "front":
        brush.box(_DARK, 33, 9, 67, 26, 3)
        brush.box(_WHITE, 35, 11, 65, 24, 3)
        for x in (43, 57):
            brush.disc(_DARK, x, 17, 2.5)
        brush.disc(_WHITE, 50, 48, 10)
    else:
        brush.box(_DARK, 30, 32, 70, 62, 5)
        for x in (40, 60):
            brush.box(_STEEL, x - 5, 37, x + 5, 57, 5)
    return brush.finish(_DARK, 0.15)


def orb_gadget() -> Sprite:
    """Gadget that fires orbs: a fat tube with a fiery ball at its muzzle."""
    brush = _Brush()
    brush.box(_DARK, 16, 60, 34, 94, 4)
    brush.box(_STEEL, 4, 34, 60, 66, 6)
    brush.box((150, 155, 165), 8, 38, 50, 46, 3)
    brush.disc((255, 70, 0), 66, 50, 30)
    brush.disc((255, 200, 120), 58, 40, 9)
    return brush.finish((70, 10, 0), 0.3)


def beam_gadget() -> Sprite:
    """Gadget that fires a lasting beam: a flash of cyan lightning on a handle."""
    brush = _Brush()
    brush.polygon(_STEEL, (3, 80), (20, 97), (42, 76), (24, 58))
    bolt = ((97, 3), (34, 22), (47, 37), (14, 50), (50, 86), (88, 58), (72, 46))
    brush.polygon((0, 235, 255), *bolt)
    brush.polygon(_WHITE, (82, 17), (48, 29), (60, 41), (31, 55), (46, 70), (71, 56), (58, 44))
    return brush.finish((0, 40, 90))


def disc_gadget() -> Sprite:
    """Gadget that fires discs: a violet ring on a handle."""
    brush = _Brush()
    brush.box(_STEEL, 41, 60, 59, 97, 4)
    brush.disc((205, 40, 255), 50, 38, 44, 34)
    brush.disc((240, 180, 255), 50, 38, 29, 21)
    brush.disc(None, 50, 38, 21, 14)
    return brush.finish((50, 0, 80), 0.2)


def health() -> Sprite:
    """White box with a red cross."""
    brush = _Brush()
    brush.box((245, 245, 245), 4, 14, 96, 94, 10)
    brush.box((150, 155, 165), 34, 4, 66, 14, 3)
    brush.box((235, 0, 0), 40, 24, 60, 84)
    brush.box((235, 0, 0), 20, 44, 80, 64)
    return brush.finish(_DARK, 0.1)


def armour() -> Sprite:
    """Yellow shield with a green field."""
    brush = _Brush()
    brush.polygon((255, 225, 0), (6, 8), (50, 3), (94, 8), (92, 48), (76, 78), (50, 97), (24, 78), (8, 48))
    brush.polygon((0, 150, 50), (27, 28), (50, 25), (73, 28), (70, 50), (62, 63), (50, 72), (38, 63), (30, 50))
    brush.box((255, 225, 0), 43, 20, 57, 80)
    return brush.finish((80, 60, 0), 0.15)


def orb() -> Sprite:
    """Glowing ball in flight."""
    brush = _Brush()
    for colour, radius in (((255, 60, 0), 46), ((255, 170, 0), 36), ((255, 245, 120), 26), (_WHITE, 14)):
        brush.disc(colour, 50, 50, radius)
    return brush.finish()


def flash() -> Sprite:
    """Burst of a hit, an explosion or a teleport."""
    brush = _Brush()
    for colour, outer, inner in (((90, 200, 255), 50, 24), ((200, 240, 255), 38, 17), (_WHITE, 26, 14)):
        brush.polygon(colour, *_star(50, 50, 8, outer, inner))
    return brush.finish()


_FONT = """
### .#. ### ### #.# ### ### ### ### ### ...
#.# ##. ..# ..# #.# #.. #.. ..# #.# #.# .#.
#.# .#. ### ### ### ### ### ..# ### ### ###
#.# .#. #.. ..# ..# ..# #.# ..# #.# ..# .#.
### ### ### ### ..# ### ### ..# ### ### ...
"""


def digits() -> npt.NDArray[np.uint8]:
    """Glyphs of 0 to 9 and a cross, [11, 5 rows, 3 columns], 1 where there is ink."""
    rows = [[[pixel == "#" for pixel in glyph] for glyph in line.split()] for line in _FONT.split("\n")[1:-1]]
    return np.array(rows, np.uint8).swapaxes(0, 1)

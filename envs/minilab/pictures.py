"""The eight framed pictures of rooms_watermaze, drawn by formula: a shape in its own strong colour.

From across the room a picture covers four pixels, so its mean colour alone must tell it apart; the ground is
therefore a darker shade of the same hue.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from envs.minilab.textures import SIZE, Image

Grid = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Shape = Callable[[Grid, Grid], Mask]

FRAME_WIDTH = 0.1  # of the half side
_FRAME_COLOUR = (70, 45, 25)


def _polygon(corners: int, radius: float, first_corner: float) -> Shape:
    """Regular polygon: inside every edge. `first_corner` in degrees, counter-clockwise from the right."""

    def shape(x: Grid, y: Grid) -> Mask:
        inner = radius * np.cos(np.pi / corners)
        edges = np.radians(first_corner) + np.pi / corners * (2 * np.arange(corners) + 1)
        return np.all([x * np.cos(a) + y * np.sin(a) <= inner for a in edges], axis=0)

    return shape


def _circle(x: Grid, y: Grid) -> Mask:
    return np.hypot(x, y) < 0.68


def _arch(x: Grid, y: Grid) -> Mask:
    outer = np.where(y > 0, np.hypot(x, y) < 0.7, (np.abs(x) < 0.7) & (y > -0.7))
    inner = np.where(y > 0, np.hypot(x, y) < 0.35, (np.abs(x) < 0.35) & (y > -0.7))
    return outer & ~inner


def _clover(x: Grid, y: Grid) -> Mask:
    leaves = [np.hypot(x - cx, y - cy) < 0.33 for cx, cy in ((0.0, 0.38), (-0.36, -0.1), (0.36, -0.1))]
    stem = (np.abs(x) < 0.08 + 0.25 * np.maximum(-y - 0.25, 0)) & (y < 0.1) & (y > -0.72)
    return np.any([*leaves, stem], axis=0)


def _star(x: Grid, y: Grid) -> Mask:
    """Five-pointed star: the radius falls linearly (in the polar sense) from each tip to the notch beside it."""
    angle = np.abs((np.arctan2(x, y) + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
    tip, notch = 0.76, 0.76 * 0.42
    # The edge is the line from (tip, 0) to the notch at pi / 5, in coordinates along and across the tip.
    notch_x, notch_y = notch * np.cos(np.pi / 5), notch * np.sin(np.pi / 5)
    radius = np.hypot(x, y)
    along, across = radius * np.cos(angle), radius * np.sin(angle)
    return (tip - along) * notch_y >= across * (tip - notch_x)


# name: (shape, colour of the shape)
PICTURES: dict[str, tuple[Shape, tuple[int, int, int]]] = {
    "arch": (_arch, (255, 130, 0)),
    "circle": (_circle, (235, 20, 20)),
    "clover": (_clover, (0, 190, 40)),
    "square": (_polygon(4, 0.9, 45), (255, 230, 0)),
    "hexagon": (_polygon(6, 0.74, 0), (120, 0, 190)),
    "triangle": (_polygon(3, 0.8, 90), (255, 255, 255)),
    "diamond": (_polygon(4, 0.78, 0), (25, 25, 25)),
    "star": (_star, (255, 95, 190)),
}


def draw_picture(name: str) -> Image:
    """The named picture in its frame, [SIZE, SIZE, 3]."""
    shape, colour = PICTURES[name]
    strong = np.array(colour, np.float64)
    return _framed(shape, strong, strong + 40 if name == "diamond" else strong * 0.6, _FRAME_COLOUR)


def draw_pale_picture(name: str, ground: tuple[int, int, int]) -> Image:
    """The named shape, pale, on a ground of that colour in a frame of a darker one, [SIZE, SIZE, 3]."""
    colour = np.array(ground, np.float64)
    return _framed(PICTURES[name][0], colour + (235 - colour) * 0.6, colour, tuple(colour * 0.4))


def _framed(
    shape: Shape, strong: npt.NDArray[np.float64], ground: npt.NDArray[np.float64], frame: tuple[float, ...]
) -> Image:
    axis = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = np.meshgrid(axis, -axis)
    image = np.where(shape(x, y)[..., None], strong, ground)
    image[np.maximum(np.abs(x), np.abs(y)) > 1 - FRAME_WIDTH] = frame
    return image.astype(np.uint8)

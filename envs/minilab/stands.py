"""A stadium's stands, one side of the box round an arena: dark blue tiers behind grey rails, the sky above them.

Heights are rows above the horizon at the middle of a side, measured on frames of the real engine.
"""

from __future__ import annotations

import numpy as np

from envs.minilab.papers import SIZE, Image, value_noise

_BLUE, _RAIL, _SHADE, _SKY = (20, 70, 105), (117, 125, 131), (22, 40, 54), (124, 202, 255)
_RAILS = (21, 36, 47)  # rows of the rails above the horizon
_TOP = 50


def stands() -> Image:
    """One side, as seen from inside, [SIZE, SIZE, 3]."""
    y, x = np.indices((SIZE, SIZE))
    # A side's middle is nearer than its ends: on a flat picture what is level lies lower there, as it does in the box.
    up = (SIZE // 2 - y) * SIZE // (SIZE + np.abs(x - SIZE // 2) // 2)
    image = np.empty((SIZE, SIZE, 3), np.int64)
    image[...] = _BLUE
    for rail in _RAILS:
        image[(up >= rail - 4) & (up < rail)] = _SHADE
        image[(up >= rail) & (up < rail + 2)] = _RAIL
    image[up >= _TOP] = _SKY
    return np.clip(image + (value_noise(x, y, 4, SIZE, 61)[..., None] - 128) // 16, 0, 255).astype(np.uint8)

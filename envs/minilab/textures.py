"""Textures: square, 128 texels a side, with their mip chain, packed as one uint32 a texel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

LEVELS = 8  # 128, 64, ..., 1
SIZE = 1 << (LEVELS - 1)
# Where each level begins in a texture's row of the atlas.
OFFSETS = np.cumsum([0] + [(SIZE >> level) ** 2 for level in range(LEVELS)]).astype(np.int64)

Image = npt.NDArray[np.uint8]  # [SIZE, SIZE, 3]
Atlas = npt.NDArray[np.uint32]  # [textures, OFFSETS[-1]]


def pack(colour: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Colours [..., 3] as red + 256 green + 65536 blue."""
    wide = colour.astype(np.uint32)
    return np.asarray(wide[..., 0] | wide[..., 1] << 8 | wide[..., 2] << 16, np.uint32)


def build_atlas(images: Sequence[Image]) -> Atlas:
    """One row a texture: its mip levels one after another, each column by column (a wall is drawn by columns)."""
    atlas = np.zeros((len(images), int(OFFSETS[-1])), np.uint32)
    for row, image in zip(atlas, images, strict=True):
        level_image = image.astype(np.float64)
        for level in range(LEVELS):
            texels = pack((level_image + 0.5).astype(np.uint8))
            row[OFFSETS[level] : OFFSETS[level + 1]] = texels.T.ravel()
            half = level_image.shape[0] // 2
            if half:
                level_image = level_image.reshape(half, 2, half, 2, 3).mean((1, 3))
    return atlas


@cache
def lab_texture(surface: str, style: str, name: str) -> Image:
    """A texture of DeepMind Lab from the `labmaze` package (Apache-2.0), reduced; `surface` is "wall" or "floor"."""
    from labmaze import assets
    from PIL import Image as PilImage

    paths = assets.get_wall_texture_paths(style) if surface == "wall" else assets.get_floor_texture_paths(style)
    with PilImage.open(paths[name]) as image:
        reduced = image.convert("RGBA").convert("RGB").resize((SIZE, SIZE), PilImage.Resampling.BOX)
    return np.asarray(reduced, np.uint8)

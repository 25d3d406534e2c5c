"""Textures: square, 128 texels a side, with their mip chain, packed as one uint32 a texel.

Walls, floors and skies come in two looks: `drawn` by us (`papers.py`), and DeepMind Lab's own, from `labmaze`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from envs.config import Textures
from envs.minilab import papers

LEVELS = 8  # 128, 64, ..., 1
SIZE = papers.SIZE
assert SIZE == 1 << (LEVELS - 1)
# Where each level begins in a texture's row of the atlas.
OFFSETS = np.cumsum([0] + [(SIZE >> level) ** 2 for level in range(LEVELS)]).astype(np.int64)
_COVERED = 80  # alpha from which a texel is drawn: below a half, so that thin things do not vanish far away

PALETTE = 256  # colours of a texture at most, where they are randomised
ROW = PALETTE  # column of `Atlas.palettes` behind the colours: which row of texels is shown

Image = papers.Image


class Atlas(NamedTuple):
    """What is painted on surfaces."""

    texels: npt.NDArray[np.uint32]  # [textures, OFFSETS[-1]] packed colours; numbers of colours where randomised
    palettes: npt.NDArray[np.uint32]  # [B, textures, PALETTE + 5] see `randomise.py`; [0, ...] where it is off


def pack(colour: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Colours [..., 3] or [..., 4] as red + 256 green + 65536 blue, + 2**24 where opaque."""
    wide = colour.astype(np.uint32)
    opaque = wide[..., 3] >= _COVERED if colour.shape[-1] == 4 else np.ones(wide.shape[:-1], np.bool_)
    return np.asarray(wide[..., 0] | wide[..., 1] << 8 | wide[..., 2] << 16 | opaque.astype(np.uint32) << 24, np.uint32)


def _halve(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The next mip level; colours are weighted by their alpha, so that what is transparent leaves no halo."""
    half = image.shape[0] // 2
    alpha = image[..., 3:] + 1e-9
    weighted = np.concatenate([image[..., :3] * alpha, alpha], -1)
    smaller = weighted.reshape(half, 2, half, 2, 4).mean((1, 3))
    return np.concatenate([smaller[..., :3] / smaller[..., 3:], smaller[..., 3:]], -1)


def build_atlas(images: Sequence[Image]) -> Atlas:
    """One row a texture: its mip levels one after another, each column by column (a wall is drawn by columns)."""
    texels = np.zeros((len(images), int(OFFSETS[-1])), np.uint32)
    for row, image in zip(texels, images, strict=True):
        level_image = np.full((SIZE, SIZE, 4), 255.0)
        level_image[..., : image.shape[-1]] = image
        for level in range(LEVELS):
            packed = pack((level_image + 0.5).astype(np.uint8))
            row[OFFSETS[level] : OFFSETS[level + 1]] = packed.T.ravel()
            if level < LEVELS - 1:
                level_image = _halve(level_image)
    return Atlas(texels, np.zeros((0, 1, 1), np.uint32))


def _load(path: str) -> Image:
    from PIL import Image as PilImage

    with PilImage.open(path) as image:
        reduced = image.convert("RGBA").convert("RGB").resize((SIZE, SIZE), PilImage.Resampling.BOX)
    return np.asarray(reduced, np.uint8)


def surface(textures: Textures, kind: papers.Kind, style: str, colour: str) -> Image:
    """A wall or a floor of `style_01` to `style_05`; the colours of each are those of DeepMind Lab's.

    Raises:
        ValueError: `labmaze` is asked for and not installed.
    """
    return papers.surface(kind, style, colour) if textures == "drawn" else _lab_surface(kind, style, colour)


def sky(textures: Textures) -> tuple[Image, ...]:
    """The four sides of the sky: east, north, west, south, each as seen from inside. Raises as `surface`."""
    return papers.sky() if textures == "drawn" else _lab_sky("sky_03")


@cache
def _lab_surface(kind: papers.Kind, style: str, name: str) -> Image:
    """A texture of DeepMind Lab from the `labmaze` package (Apache-2.0), reduced."""
    assets = _lab_assets()
    paths = assets.get_wall_texture_paths(style) if kind == "wall" else assets.get_floor_texture_paths(style)
    return _load(paths[name])


@cache
def _lab_sky(style: str) -> tuple[Image, ...]:
    box = _lab_assets().get_sky_texture_paths(style)
    return tuple(_load(path) for path in (box.right, box.front, box.left, box.back))


def _lab_assets() -> Any:
    try:
        from labmaze import assets
    except ImportError as error:
        raise ValueError(
            f"textures is 'labmaze', which is not installed ({error}): pip install 'cpc-rl[labmaze]' (Python 3.12 and "
            "older), or --textures drawn, which is another look"
        ) from None
    return assets

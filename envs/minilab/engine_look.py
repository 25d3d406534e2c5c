"""minilab as the real DeepMind Lab shows it: surfaces as light as there (`overlay.py` has its head-up display)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.minilab.state import Float32Array
from envs.minilab.textures import OFFSETS, Atlas, Image, build_atlas

_BYTE = np.uint32(255)


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

"""Where the things of a drawn picture are: what a detector should find."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from cpc_repr.vision.data.render import draw_picture, outline
from cpc_repr.vision.data.scenes import PAIRS, PARTS, Scene, Thing, draw_scene, labels_of
from cpc_repr.vision.data.synthetic import SyntheticPicturesConfig
from cpc_repr.vision.data.voc import Boxes

HIDDEN = 0.25  # a thing of which less is to be seen is difficult


def mask(thing: Thing, size: int) -> np.ndarray:
    """The pixels of a thing as if it stood alone, bool [size, size]."""
    at = (np.arange(size) + 0.5) / size  # centres of pixels, in picture heights
    x, y = np.meshgrid(at, at)
    half = thing.height / 4
    covered = np.zeros((size, size), bool)
    for part, middle in ((thing.below, thing.y - half), (thing.top, thing.y - 3 * half)):
        covered |= outline(PARTS[part], (x - thing.x) / half, (y - middle) / half) <= 0
    return covered


def boxes_of(scene: Scene, size: int) -> Boxes:
    """The smallest boxes of whole pixels around all things within the picture, also where another hides one.

    Args:
        scene: What is drawn; its things stand from the back to the front.
        size: Pixels of a side.

    Returns:
        The index of the class in `CLASSES` is the label. Difficult is what others hide but for a quarter.
    """
    masks = [mask(thing, size) for thing in scene.things]
    corners, labels, difficult = [], [], []
    for i, (thing, pixels) in enumerate(zip(scene.things, masks, strict=True)):
        rows, columns = (np.flatnonzero(pixels.any(axis)) for axis in (1, 0))
        corners.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        labels.append(PAIRS.index((thing.below, thing.top)))
        in_front = np.logical_or.reduce([*masks[i + 1 :], np.zeros_like(pixels)])
        difficult.append(bool((pixels & ~in_front).sum() < HIDDEN * pixels.sum()))
    return Boxes(torch.tensor(np.array(corners, np.float32)), torch.tensor(labels), torch.tensor(difficult))


def with_boxes(config: SyntheticPicturesConfig, split: str) -> Iterator[tuple[Tensor, Boxes]]:
    """The pictures of `make_pictures`, uint8 [3, size, size], in their order, with their boxes."""
    for i, label in enumerate(labels_of(config, split, getattr(config, split)).tolist()):
        picture = torch.from_numpy(draw_picture(config, split, i, label))
        yield picture, boxes_of(draw_scene(config, split, i, label), config.size)

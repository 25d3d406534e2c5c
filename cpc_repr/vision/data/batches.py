"""Batches of pictures, each a function of the seed and its number alone.

The last number of a `generator` says what it draws for: views 0, order 1, patches 2, negatives or
permutations 3, probes 4 and 5, dropout 6,
the set of permutations 7, order of probes 8.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from configs import RunFailure, UsageError
from cpc_repr.objective import generator
from cpc_repr.vision.data.augment import AugmentConfig, augment
from cpc_repr.vision.data.grid import ViewConfig, crops, cut, normalised
from cpc_repr.vision.data.pictures import Split


class PictureBatch(NamedTuple):
    """B pictures."""

    images: Tensor  # uint8 [B, 3, S, S]
    labels: Tensor  # int64 [B]


class PictureBatches:
    """Draws random views of pictures: every picture once in an epoch, in an order of that epoch's own."""

    def __init__(
        self,
        split: Split,
        view: ViewConfig,
        batch_size: int,
        seed: int,
        chosen: Tensor | None = None,
        views: int = 1,
    ) -> None:
        """Draw from `split`.

        Args:
            split: Pictures.
            view: Of them.
            batch_size: Pictures of a batch.
            seed: Of everything drawn.
            chosen: int64, which pictures; None: all.
            views: Of each picture, one after another: a batch has that many times `batch_size` images.

        Raises:
            UsageError: There are none.
        """
        self.split, self.view, self.batch_size, self.seed, self.views = split, view, batch_size, seed, views
        self.chosen = torch.arange(len(split)) if chosen is None else chosen
        if not len(self.chosen):
            raise UsageError("there are no pictures to train on")
        self._order: tuple[int, Tensor] = (-1, self.chosen)  # of the epoch last asked for

    def __call__(self, number: int) -> PictureBatch:
        """Batch `number`: 0, 1, ... Raises RunFailure for a damaged file."""
        count = len(self.chosen)
        places = range(number * self.batch_size, (number + 1) * self.batch_size)
        indices = torch.stack([self._epoch(place // count)[place % count] for place in places])
        try:
            pictures = self.split.pictures(indices)
        except ValueError as error:
            raise RunFailure(str(error)) from error
        repeated = [picture for picture in pictures for _ in range(self.views)]
        images = crops(repeated, self.view, generator(self.seed, number, 0))
        return PictureBatch(images, self.split.labels[indices].repeat_interleave(self.views))

    def _epoch(self, epoch: int) -> Tensor:
        known, order = self._order
        if known != epoch:
            order = self.chosen[torch.randperm(len(self.chosen), generator=generator(self.seed, epoch, 1))]
            self._order = (epoch, order)  # one assignment: threads may read ahead
        return order


def augmented(images: Tensor, config: AugmentConfig, draws: torch.Generator) -> Tensor:
    """`augment` each picture or patch by itself, uint8 [..., 3, s, s]; all off draws nothing."""
    if config == AugmentConfig():
        return images
    return augment(images.flatten(0, -4), config, draws).view_as(images)


def patches(images: Tensor, view: ViewConfig, config: AugmentConfig, draws: torch.Generator) -> Tensor:
    """Patches to train on: jittered and augmented, float [B, H, W, 3, p, p] of images uint8 [B, 3, S, S]."""
    return normalised(augmented(cut(images, view, draws), config, draws), view.patch)


def plain_patches(images: Tensor, view: ViewConfig) -> Tensor:
    """Patches to evaluate on: the middle of each, as it is."""
    return normalised(cut(images, view), view.patch)

"""Pictures with boxes as a detector is trained and judged on: brought to one size, drawn into batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from configs import RunFailure
from cpc_repr.objective import generator
from cpc_repr.vision.data.boxes import with_boxes
from cpc_repr.vision.data.grid import resized, to_grey
from cpc_repr.vision.data.scenes import CLASSES
from cpc_repr.vision.data.synthetic import SyntheticPicturesConfig
from cpc_repr.vision.data.voc import Boxes

KEPT = 2**30  # bytes of pictures that stay in memory; others are decoded whenever they are asked for
Tick = Callable[[int, int], None]


class BoxedSplit(Protocol):
    """Pictures with the boxes of their objects."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their labels."""
        ...

    @property
    def boxes(self) -> Sequence[Boxes]:
        """Of each picture."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...

    def picture(self, i: int) -> Tensor:
        """uint8 [3, H, W]. Raises ValueError if it cannot be read or does not fit its boxes."""
        ...


class DrawnSplit:
    """A split of the embedded pictures, in memory."""

    classes = CLASSES

    def __init__(self, config: SyntheticPicturesConfig, split: str, tick: Tick = lambda done, total: None) -> None:
        """Draw it."""
        self._pictures: list[Tensor] = []
        self.boxes: list[Boxes] = []
        for picture, boxes in with_boxes(config, split):
            self._pictures.append(picture)
            self.boxes.append(boxes)
            tick(len(self.boxes), getattr(config, split))

    def __len__(self) -> int:
        return len(self.boxes)

    def picture(self, i: int) -> Tensor:
        """uint8 [3, size, size]."""
        return self._pictures[i]


class BoxedPicture(NamedTuple):
    """One picture and its objects."""

    image: Tensor  # uint8 [3, H, W]
    boxes: Boxes


class SizedPictures:
    """The pictures of a split whose shorter side is `side`, and their boxes likewise."""

    def __init__(
        self,
        split: BoxedSplit,
        side: int,
        grey: bool = False,
        tick: Tick = lambda done, total: None,
        kept: int = KEPT,
    ) -> None:
        """Look at every picture once, so that a damaged one is found before anything is trained.

        Args:
            split: Pictures of any sizes.
            side: Pixels.
            grey: Whether they lose their colours.
            tick: Told after each picture how many of how many are read.
            kept: Bytes of pictures that stay in memory.

        Raises:
            ValueError: A picture cannot be read, has a box outside, or none has an object that counts.
        """
        self.classes = split.classes
        self._split, self._side, self._grey = split, side, grey
        self._kept: dict[int, BoxedPicture] = {}
        if not any(bool((~boxes.difficult).any()) for boxes in split.boxes):
            raise ValueError("no picture has an object that is not marked as difficult")
        for i in range(len(split)):
            sample = self._read(i)
            kept -= sample.image.numel()
            if kept >= 0:
                self._kept[i] = sample
            tick(i + 1, len(split))

    @property
    def in_memory(self) -> bool:
        """Whether no file is read any more."""
        return len(self._kept) == len(self)

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, i: int) -> BoxedPicture:
        """Picture `i`. Raises ValueError if its file cannot be read any more."""
        return self._kept[i] if i in self._kept else self._read(i)

    def _read(self, i: int) -> BoxedPicture:
        picture, boxes = self._split.picture(i), self._split.boxes[i]
        height, width = picture.shape[1:]
        size = [max(self._side, round(n * self._side / min(height, width))) for n in (height, width)]
        if size != [height, width]:
            picture = resized(picture, size)
        scale = torch.tensor([size[1] / width, size[0] / height] * 2)
        return BoxedPicture(to_grey(picture) if self._grey else picture, boxes._replace(corners=boxes.corners * scale))


def mirrored(sample: BoxedPicture) -> BoxedPicture:
    """The picture's mirror image, left for right."""
    left, top, right, bottom = sample.boxes.corners.unbind(1)
    width = sample.image.shape[2]
    corners = torch.stack([width - right, top, width - left, bottom], 1)
    return BoxedPicture(sample.image.flip(-1), sample.boxes._replace(corners=corners))


def without_difficult(boxes: Boxes) -> Boxes:
    """The objects that a detector is trained to find."""
    return Boxes(*(x[~boxes.difficult] for x in boxes))


class BoxedBatches:
    """Batches, each a function of the seed and its number alone: every picture once in an epoch.

    Difficult objects are left out, as is usual.
    """

    def __init__(self, pictures: SizedPictures, batch_size: int, flip: float, seed: int) -> None:
        """`flip` is the probability of a mirror image."""
        self.pictures, self.batch_size, self.flip, self.seed = pictures, batch_size, flip, seed

    def __call__(self, number: int) -> list[BoxedPicture]:
        """Batch `number`: 0, 1, ... Raises RunFailure for a file that cannot be read any more."""
        count = len(self.pictures)
        turned = torch.rand(self.batch_size, generator=generator(self.seed, number, 0)) < self.flip
        samples = []
        for place, flip in enumerate(turned.tolist(), start=number * self.batch_size):
            order = torch.randperm(count, generator=generator(self.seed, place // count, 1))
            try:
                sample = self.pictures[int(order[place % count])]
            except ValueError as error:
                raise RunFailure(str(error)) from error
            sample = mirrored(sample) if flip else sample
            samples.append(sample._replace(boxes=without_difficult(sample.boxes)))
        return samples

"""Toy pictures: the class is the brightness of a square, which anything can learn."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from cpc_repr.vision.data.pictures import ArraySplit, Pictures
from cpc_repr.vision.data.voc import Boxes, write_voc

SIDE = 24


def toy_split(count: int, seed: int, classes: int = 3) -> ArraySplit:
    draws = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    pictures = torch.randint(0, 40, (count, 3, SIDE, SIDE), generator=draws)
    pictures += (200 * labels / (classes - 1)).long()[:, None, None, None]
    return ArraySplit(pictures.to(torch.uint8).numpy(), labels.numpy())


def toy_pictures(train: int = 30, test: int = 15, unlabeled: int = 0) -> Pictures:
    more = toy_split(unlabeled, 2) if unlabeled else None
    return Pictures("toy", ("dark", "grey", "bright"), toy_split(train, 0), toy_split(test, 1), more, ())


def write_toy(root: Path) -> Path:
    """The toy as folders of classes."""
    for name, split in (("train", toy_split(24, 0)), ("test", toy_split(12, 1))):
        for i in range(len(split)):
            path = root / name / f"class{split.labels[i]}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(split.picture(i).permute(1, 2, 0).numpy()).save(path)
    return root


class ToyBoxes:
    """Dark pictures with one bright or one red square each."""

    classes = ("bright", "red")

    def __init__(self, count: int, size: tuple[int, int] = (32, 32), seed: int = 0) -> None:
        draws = torch.Generator().manual_seed(seed)
        self.reads, self.broken = 0, False
        self._pictures, self.boxes = [], []
        for i in range(count):
            picture = torch.randint(0, 40, (3, *size), generator=draws, dtype=torch.uint8)
            side = int(torch.randint(10, 17, (), generator=draws))
            top, left = (int(torch.randint(0, n - side, (), generator=draws)) for n in size)
            picture[: 1 + 2 * (i % 2 == 0), top : top + side, left : left + side] = 250
            corners = torch.tensor([[left, top, left + side, top + side]], dtype=torch.float32)
            self._pictures.append(picture)
            self.boxes.append(Boxes(corners, torch.tensor([i % 2]), torch.tensor([False])))

    def __len__(self) -> int:
        return len(self.boxes)

    def picture(self, i: int) -> torch.Tensor:
        self.reads += 1
        if self.broken:
            raise ValueError(f"picture {i} is damaged")
        return self._pictures[i]


def write_toy_voc(root: Path, train: int = 6, test: int = 4) -> Path:
    """The toy with squares as a VOC folder."""
    for name, count, seed in (("train", train, 0), ("test", test, 1)):
        split = ToyBoxes(count, seed=seed)
        write_voc(root, name, split.classes, ((split.picture(i), split.boxes[i]) for i in range(count)))
    return root

"""Toy pictures: the class is the brightness of a square, which anything can learn."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from cpc_repr.vision.data.pictures import ArraySplit, Pictures

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

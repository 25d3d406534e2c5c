"""Tiny ImageNet's own layout: train/<class>/images/, and val/images/ with the classes in val/val_annotations.txt.

Its test/ has no labels, so val/ is what learners are judged by.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

ANNOTATIONS = "val/val_annotations.txt"


def annotated(file: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    """Pictures of val/images/ and their classes, in the order of the file.

    Args:
        file: Lines of a picture's name, its class and a box, separated by tabs.
        classes: The folders of train/; the index is the label.

    Raises:
        ValueError: A line has another form, its class has no folder, its picture is missing or named twice.
    """
    label = {name: i for i, name in enumerate(classes)}
    samples: dict[Path, int] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        picture, _, rest = line.partition("\t")
        name = rest.partition("\t")[0]
        path = file.parent / "images" / picture
        if not picture or not name:
            raise ValueError(f"{file}, line {number}: {line!r} is not a picture, a tab and its class")
        if name not in label:
            raise ValueError(f"{file}, line {number}: class {name!r} has no folder in {file.parents[1] / 'train'}")
        if path in samples or not path.is_file():
            raise ValueError(f"{file}, line {number}: {path} {'is named twice' if path in samples else 'is missing'}")
        samples[path] = label[name]
    if not samples:
        raise ValueError(f"{file} names no picture")
    return list(samples.items())

"""Pictures with boxes, as Pascal VOC lays them out (Everingham et al. 2010): read and written.

DIR/JPEGImages/000001.jpg          the pictures
DIR/Annotations/000001.xml         the boxes of each
DIR/ImageSets/Main/test.txt        which pictures are in a split, a name a line
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import torch
from PIL import Image
from torch import Tensor

from cpc_repr.vision.data.pictures import SUFFIXES, decode

LISTS, XML, PICTURES = "ImageSets/Main", "Annotations", "JPEGImages"
SIDES = ("xmin", "ymin", "xmax", "ymax")
QUALITY = 95  # of the JPEG files we write


class Boxes(NamedTuple):
    """The objects of one picture."""

    corners: Tensor  # float32 [N, 4]: left, top, right, bottom in pixels; (0, 0, W, H) is the whole picture
    labels: Tensor  # int64 [N]: the classes
    difficult: Tensor  # bool [N]: neither a miss nor a find counts


class VocSplit:
    """The pictures of one split, decoded whenever they are asked for, and their boxes."""

    def __init__(self, classes: tuple[str, ...], paths: Sequence[Path], boxes: Sequence[Boxes]) -> None:
        self.classes, self.paths, self.boxes = classes, tuple(paths), tuple(boxes)

    def __len__(self) -> int:
        return len(self.paths)

    def picture(self, i: int) -> Tensor:
        """uint8 [3, H, W].

        Raises:
            ValueError: The file cannot be read, or a box reaches out of the picture.
        """
        picture = decode(self.paths[i])
        height, width = picture.shape[1:]
        right, bottom = self.boxes[i].corners[:, 2:].amax(0).tolist() if len(self.boxes[i].labels) else (0, 0)
        if right > width or bottom > height:
            raise ValueError(
                f"{self.paths[i]} has {width} x {height} pixels; a box in its annotation ends at {right:g}, {bottom:g}"
            )
        return picture


def read_voc(
    root: Path,
    split: str,
    classes: Sequence[str] | None = None,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> VocSplit:
    """Read the annotations of a split.

    Args:
        root: The folder of Annotations, ImageSets and JPEGImages.
        split: A file of ImageSets/Main, without its `.txt`.
        classes: Names of the classes, in the order of their labels; by default those of the split, sorted.
        tick: Told how many of how many annotations are read.

    Raises:
        ValueError: A file is missing or makes no sense; the message names it.
    """
    names = _names(root, split)
    paths = [_picture(root, name) for name in names]
    objects = []
    for name in names:
        objects.append(_objects(root / XML / f"{name}.xml"))
        tick(len(objects), len(names))
    seen = sorted({one.name for some in objects for one in some})
    known = tuple(seen if classes is None else classes)
    if not seen:
        raise ValueError(f"{root}: no picture of {split} has an object")
    for name, some in zip(names, objects, strict=True):
        if strange := [one.name for one in some if one.name not in known]:
            raise ValueError(f"{root / XML / name}.xml: {strange[0]!r} is none of the classes {', '.join(known)}")
    return VocSplit(known, paths, [_boxes(some, known) for some in objects])


def write_voc(
    root: Path,
    split: str,
    classes: Sequence[str],
    samples: Iterable[tuple[Tensor, Boxes]],
    tick: Callable[[int], None] = lambda written: None,
) -> None:
    """Write a split, in files `SPLIT_00000` and so on. Its list comes last: where there is one, the split is whole.

    Args:
        root: Made if need be.
        split: Its name.
        classes: Names of the classes.
        samples: Pictures, uint8 [3, H, W], and their boxes. Corners are rounded to whole pixels, as in all VOC files.
        tick: Told after each picture how many are written.
    """
    for folder in (LISTS, XML, PICTURES):
        (root / folder).mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    for picture, boxes in samples:
        name = f"{split}_{len(names):05d}"
        image = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())  # [H, W, 3]
        image.save(root / PICTURES / f"{name}.jpg", quality=QUALITY, subsampling=0)
        _annotation(image, f"{name}.jpg", boxes, classes).write(root / XML / f"{name}.xml", encoding="utf-8")
        names.append(name)
        tick(len(names))
    (root / LISTS / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


class _Object(NamedTuple):
    name: str
    corners: tuple[float, ...]
    difficult: bool


def _names(root: Path, split: str) -> list[str]:
    """The pictures of a split."""
    file = root / LISTS / f"{split}.txt"
    if not file.is_file():
        there = sorted(path.stem for path in file.parent.glob("*.txt"))
        raise ValueError(f"no file {file}" + (f": there are {', '.join(there[:8])}" if there else ""))
    lines = [line.split() for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{file} names no picture")
    if wrong := next((line for line in lines if len(line) > 1), None):
        raise ValueError(f"{file} should hold a name a line, not {' '.join(wrong)!r}: lists of one class are no splits")
    names = [line[0] for line in lines]
    if len(set(names)) < len(names):
        raise ValueError(f"{file} names {max(names, key=names.count)} twice")
    return names


def _picture(root: Path, name: str) -> Path:
    """The file of a picture."""
    paths = [root / PICTURES / f"{name}{suffix}" for suffix in (".jpg", *SUFFIXES)]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise ValueError(f"no picture {paths[0]}")
    return found


def _objects(file: Path) -> list[_Object]:
    """What an annotation says."""
    try:
        tree = ElementTree.parse(file)
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    return [_object(file, number, element) for number, element in enumerate(tree.iter("object"), 1)]


def _object(file: Path, number: int, element: ElementTree.Element) -> _Object:
    name = (element.findtext("name") or "").strip()
    texts = [(element.findtext(f"bndbox/{side}") or "").strip() for side in SIDES]
    try:
        left, top, right, bottom = (float(text) for text in texts)
    except ValueError:
        raise ValueError(f"{file}: object {number} needs numbers {', '.join(SIDES)} in a bndbox, not {texts}") from None
    if not name:
        raise ValueError(f"{file}: object {number} has no name")
    # Pixels are counted from 1, and the last one belongs to the box; some tools count from 0.
    corners = (max(left - 1, 0), max(top - 1, 0), right, bottom)
    if not (left >= 0 and top >= 0 and corners[0] < right < 1e6 and corners[1] < bottom < 1e6):
        raise ValueError(f"{file}: object {number} is no box: {dict(zip(SIDES, texts, strict=True))}")
    return _Object(name, corners, (element.findtext("difficult") or "").strip() == "1")


def _boxes(objects: Sequence[_Object], classes: Sequence[str]) -> Boxes:
    corners = torch.tensor([one.corners for one in objects], dtype=torch.float32).reshape(-1, 4)  # [N, 4]
    labels = torch.tensor([classes.index(one.name) for one in objects], dtype=torch.int64)
    return Boxes(corners, labels, torch.tensor([one.difficult for one in objects], dtype=torch.bool))


def _annotation(
    image: Image.Image, filename: str, boxes: Boxes, classes: Sequence[str]
) -> ElementTree.ElementTree[ElementTree.Element]:
    """The XML of one picture."""
    root = ElementTree.Element("annotation")
    _add(root, "folder", PICTURES)
    _add(root, "filename", filename)
    size = _add(root, "size")
    for name, value in zip(("width", "height", "depth"), (*image.size, 3), strict=True):
        _add(size, name, value)
    for corners, label, difficult in zip(boxes.corners, boxes.labels, boxes.difficult, strict=True):
        one = _add(root, "object")
        _add(one, "name", classes[int(label)])
        _add(one, "difficult", int(difficult))
        box = _add(one, "bndbox")
        left, top, right, bottom = (round(value) for value in corners.tolist())
        for side, value in zip(SIDES, (left + 1, top + 1, right, bottom), strict=True):
            _add(box, side, value)
    ElementTree.indent(root)
    return ElementTree.ElementTree(root)


def _add(parent: ElementTree.Element, name: str, text: object = "") -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name)
    element.text = str(text)
    return element

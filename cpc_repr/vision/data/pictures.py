"""Pictures on disk: folders of classes, and STL-10 and CIFAR-10 by torchvision; nothing is ever downloaded."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from cpc_repr.files import digest, visible_files
from cpc_repr.packages import optional_module
from cpc_repr.vision.data.tiny_imagenet import ANNOTATIONS, annotated

Kind = Literal["folder", "stl10", "cifar10"]
Tick = Callable[[int, int], None]
THREADS = 8  # decode at once; Pillow lets go of the interpreter meanwhile
UNLABELED = -1
BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what Pillow raises for damaged files
ENDINGS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}  # the last bytes of a file that was not cut short
SIXTEEN = ("PNG", "PPM")  # formats whose mode I is of 16 bits: older Pillow says so of PNG
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
FILES = {
    "stl10": "DIR/stl10_binary/{train,test}_{X,y}.bin and unlabeled_X.bin",
    "cifar10": "DIR/cifar-10-batches-py/{data_batch_1 to 5, test_batch, batches.meta}",
}


class Split(Protocol):
    """N pictures, of one size or of many."""

    @property
    def labels(self) -> Tensor:
        """Classes, int64 [N]; -1 where there is none."""
        ...

    def __len__(self) -> int:
        """N."""
        ...

    def files(self) -> list[tuple[str, int]]:
        """Name and size of each picture's file; empty where pictures have none of their own."""
        ...

    def picture(self, i: int) -> Tensor:
        """uint8 [3, H, W]. Raises ValueError if its file cannot be read."""
        ...

    def pictures(self, indices: Sequence[int] | Tensor) -> list[Tensor]:
        """Many at once: each uint8 [3, H, W]. Raises ValueError if a file cannot be read."""
        ...


@dataclass(frozen=True)
class Pictures:
    """A data set.

    Attributes:
        name: what tables call it.
        classes: their names; the index is the label.
        train: labelled pictures to learn from.
        test: labelled pictures to be judged by.
        unlabeled: more pictures to learn from, without labels; None where there are none.
        skipped: broken files, relative to the root; no split has them.
        reads_files: whether pictures are decoded from files of their own or read from large ones.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    unlabeled: Split | None
    skipped: tuple[str, ...]
    reads_files: bool = True

    @property
    def digest(self) -> str:
        """Of classes, labels, and names and sizes of files."""
        splits = [split for split in (self.train, self.test, self.unlabeled) if split is not None]
        told = [self.classes, *((len(split), split.files()) for split in splits)]
        return digest(told, *(split.labels.numpy() for split in splits))

    def describe(self) -> str:
        """How many pictures there are, on one line."""
        more = f" + {len(self.unlabeled)} without labels" if self.unlabeled else ""
        skipped = f"; {len(self.skipped)} broken files left out, {self.skipped[0]} first" if self.skipped else ""
        return (
            f"pictures: {self.name}, {len(self.classes)} classes, "
            f"{len(self.train)} + {len(self.test)} (training + test){more}{skipped}"
        )


class ArraySplit:
    """Pictures of one size in one array, which may be memory-mapped."""

    def __init__(self, array: np.ndarray, labels: np.ndarray | None = None) -> None:
        """Show an array.

        Args:
            array: uint8 [N, 3, H, W].
            labels: Integers [N]; None if there are none.

        Raises:
            ValueError: They do not fit together.
        """
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] != 3:
            raise ValueError(f"pictures must be uint8 [N, 3, H, W], not {array.dtype} {list(array.shape)}")
        if labels is not None and len(labels) != len(array):
            raise ValueError(f"{len(array)} pictures have {len(labels)} labels")
        self._array = array
        known = np.full(len(array), UNLABELED) if labels is None else labels
        self.labels = torch.from_numpy(known.astype(np.int64))

    def __len__(self) -> int:
        return len(self._array)

    def files(self) -> list[tuple[str, int]]:
        """None."""
        return []

    def picture(self, i: int) -> Tensor:
        """uint8 [3, H, W]."""
        return torch.from_numpy(np.array(self._array[i], order="C"))

    def pictures(self, indices: Sequence[int] | Tensor) -> list[Tensor]:
        """Each uint8 [3, H, W]."""
        return list(torch.from_numpy(np.ascontiguousarray(self._array[np.asarray(indices, dtype=np.int64)])))


class FileSplit:
    """Pictures in files of their own, decoded whenever they are asked for."""

    def __init__(self, paths: Sequence[Path], labels: Sequence[int]) -> None:
        self._paths = tuple(paths)
        self.labels = torch.tensor(labels, dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._paths)

    def files(self) -> list[tuple[str, int]]:
        """Name and size of each."""
        return [(path.name, path.stat().st_size) for path in self._paths]

    def picture(self, i: int) -> Tensor:
        """uint8 [3, H, W]. Raises ValueError if its file cannot be read."""
        return decode(self._paths[i])

    def pictures(self, indices: Sequence[int] | Tensor) -> list[Tensor]:
        """Each uint8 [3, H, W], decoded side by side. Raises ValueError if a file cannot be read."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self.picture, map(int, indices)))


def open_pictures(kind: Kind, root: Path, tick: Tick = lambda done, total: None) -> Pictures:
    """Open a data set that is on disk.

    Args:
        kind: `folder` is train/<class>/x.png and test/<class>/y.png (or val/), with unlabeled/ if there is one, or
            Tiny ImageNet as published, whose val/val_annotations.txt says the classes of val/images/;
            `stl10` and `cifar10` are the files of their authors, whose checksums are compared.
        root: The folder that holds train/, stl10_binary/ or cifar-10-batches-py/.
        tick: Told how many of how many files of a folder are looked at; may raise to stop.

    Raises:
        ValueError: Something is missing or does not fit; the message names it.
    """
    if kind not in ("folder", *FILES):
        raise ValueError(f"pictures of kind {kind!r}: known are folder, {', '.join(FILES)}")
    if not root.is_dir():
        raise ValueError(f"no folder {root}")
    if kind == "folder":
        return _open_folder(root, tick)
    datasets = optional_module("torchvision.datasets", "vision")
    try:
        return _open_stl10(datasets, root) if kind == "stl10" else _open_cifar10(datasets, root)
    except (RuntimeError, OSError) as error:
        needed = FILES[kind].replace("DIR", str(root))
        raise ValueError(f"{root} has no whole {kind}: needed are {needed}, with their checksums") from error


def decode(path: Path) -> Tensor:
    """A picture, uint8 [3, H, W]: grey becomes three equal channels, transparency is dropped.

    Raises:
        ValueError: It cannot be read, or its numbers have no range to scale them by.
    """
    try:
        with Image.open(path) as image:
            return torch.from_numpy(_pixels(image, path)).permute(2, 0, 1).contiguous()
    except BROKEN as error:
        raise error if isinstance(error, DepthError) else ValueError(f"{path} cannot be read: {error}") from error


class DepthError(ValueError):
    """A picture's numbers cannot become bytes without a guess."""


def _pixels(image: Image.Image, path: Path) -> np.ndarray:
    """uint8 [H, W, 3]; more than 8 bits are scaled by the range of their format. Raises DepthError."""
    if image.mode == "F" or (image.mode == "I" and image.format not in SIXTEEN):
        kind = "floating-point numbers" if image.mode == "F" else "32-bit numbers"
        raise DepthError(f"{path} holds {kind}, which have no range to scale by: save it with 8 or 16 bits")
    layout = str(getattr(image, "tile", ""))  # names the bits of each number
    _turn_upright(image)
    if image.mode.startswith("I"):  # grey, which Pillow would cut off at 255
        grey = np.asarray(image)
        shift = 4 if ";12" in layout else 8
        pixels = np.repeat((grey >> shift).astype(np.uint8)[..., None], 3, -1)  # [H, W, 3]
        brightest = int(grey.max()) << (8 - shift)
    else:
        pixels = np.array(image.convert("RGB"))  # [H, W, 3]
        brightest = 256 * int(pixels.max()) + 255 if ";16" in layout and pixels.any() else 0
    if 0 < brightest < 2**12:
        raise DepthError(f"{path} fills at most 12 of its 16 bits: scale its values to 0 to 65,535, or save 8 bits")
    return pixels


def _turn_upright(image: Image.Image) -> None:
    """Turn a photograph as its camera says, in the EXIF tag for orientation; a tag that cannot be read says nothing."""
    image.load()  # what is damaged in the picture itself is named by whoever asked for it
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return


def _open_folder(root: Path, tick: Tick) -> Pictures:
    train = root / "train"
    if (root / ANNOTATIONS).is_file():
        return _open_tiny_imagenet(root, tick)
    tests = [root / name for name in ("test", "val")]
    test = next((folder for folder in tests if _classes(folder)), None)
    if not _classes(train):
        raise ValueError(f"{train} should hold a folder for each class, with its pictures")
    if test is None:
        raise ValueError(f"{tests[0]} or {tests[1]} should hold a folder for each class, with its pictures")
    if differing := sorted(set(_classes(train)) ^ set(_classes(test))):
        raise ValueError(f"{train} and {test} should hold the same classes; only one has {_some(differing)}")
    skipped: list[str] = []
    splits = [_open_classes(root, folder, skipped, tick) for folder in (train, test)]
    unlabeled = _open_unlabeled(root, skipped, tick)
    return Pictures(root.name, tuple(_classes(train)), splits[0], splits[1], unlabeled, tuple(skipped))


def _open_tiny_imagenet(root: Path, tick: Tick) -> Pictures:
    """Tiny ImageNet as published: the test pictures lie in one folder, and a file says their classes."""
    names = _classes(root / "train")
    skipped: list[str] = []
    train = _open_classes(root, root / "train", skipped, tick)
    samples = annotated(root / ANNOTATIONS, names)
    whole = _whole(root, [path for path, _ in samples], skipped, tick)
    kept = [sample for sample, good in zip(samples, whole, strict=True) if good]
    if not kept:
        raise ValueError(f"every picture that {root / ANNOTATIONS} names is broken")
    test = FileSplit([path for path, _ in kept], [label for _, label in kept])
    return Pictures(root.name, tuple(names), train, test, _open_unlabeled(root, skipped, tick), tuple(skipped))


def _classes(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _open_classes(root: Path, folder: Path, skipped: list[str], tick: Tick) -> FileSplit:
    """The pictures below `folder`; broken ones are added to `skipped`."""
    names = _classes(folder)
    samples = [(path, label) for label, name in enumerate(names) for path in visible_files(folder / name, SUFFIXES)]
    if without := sorted(set(range(len(names))) - {label for _, label in samples}):
        raise ValueError(f"{folder}: no picture ({', '.join(SUFFIXES)}) of {_some(names[label] for label in without)}")
    whole = _whole(root, [path for path, _ in samples], skipped, tick)
    kept = [sample for sample, good in zip(samples, whole, strict=True) if good]
    if empty := sorted(set(range(len(names))) - {label for _, label in kept}):
        raise ValueError(f"{folder}: every picture is broken of {_some(names[label] for label in empty)}")
    return FileSplit([path for path, _ in kept], [label for _, label in kept])


def _open_unlabeled(root: Path, skipped: list[str], tick: Tick) -> FileSplit | None:
    """The pictures in unlabeled/, however deep; None if there is no such folder."""
    folder = root / "unlabeled"
    if not folder.is_dir():
        return None
    paths = sorted(visible_files(folder, SUFFIXES))
    kept = [path for path, good in zip(paths, _whole(root, paths, skipped, tick), strict=True) if good]
    if not kept:
        raise ValueError(f"{folder} should hold pictures")
    return FileSplit(kept, [UNLABELED] * len(kept))


def _whole(root: Path, paths: Sequence[Path], skipped: list[str], tick: Tick) -> list[bool]:
    """Which files are whole; the others are added to `skipped`."""
    with ThreadPoolExecutor(THREADS) as pool:
        whole = []
        for good in pool.map(_is_whole, paths):
            whole.append(good)
            tick(len(whole), len(paths))
    skipped += [str(path.relative_to(root)) for path, good in zip(paths, whole, strict=True) if not good]
    return whole


def _is_whole(path: Path) -> bool:
    """Whether a file is a picture to its end. What is damaged in its middle is left for `decode` to find.

    Raises DepthError for numbers that cannot become bytes.
    """
    try:
        with Image.open(path) as image, path.open("rb") as file:
            if image.mode[0] in "IF" or ";16" in str(getattr(image, "tile", "")):
                _pixels(image, path)
            ending = ENDINGS.get(image.format or "")
            if ending is not None:
                file.seek(-len(ending), 2)
                if file.read() == ending:
                    return True
            image.load()  # another format, or bytes after the end: decoding tells
    except BROKEN as error:
        if isinstance(error, DepthError):
            raise
        return False
    return True


def _open_stl10(datasets: Any, root: Path) -> Pictures:
    train = datasets.STL10(root, "train")  # compares the checksums of all files, which need not be done thrice

    class Checked(datasets.STL10):  # type: ignore[misc]
        def _check_integrity(self) -> bool:
            return True

    test = Checked(root, "test")
    file = root / train.base_folder / train.train_list[2][0]
    unlabeled = np.memmap(file, np.uint8, "r").reshape(-1, 3, 96, 96).swapaxes(2, 3)  # 2.8 GB: left on disk
    classes = tuple(getattr(train, "classes", [str(n) for n in range(10)]))
    splits = [ArraySplit(part.data, part.labels) for part in (train, test)]
    return Pictures("STL-10", classes, splits[0], splits[1], ArraySplit(unlabeled), ())


def _open_cifar10(datasets: Any, root: Path) -> Pictures:
    train, test = (datasets.CIFAR10(root, train=train) for train in (True, False))
    splits = [ArraySplit(part.data.transpose(0, 3, 1, 2), np.array(part.targets)) for part in (train, test)]
    return Pictures("CIFAR-10", tuple(train.classes), splits[0], splits[1], None, ())


def _some(names: Iterable[str]) -> str:
    """The first few of `names`, and how many there are."""
    known = list(names)
    return ", ".join(known[:3]) + (f" and {len(known) - 3} more" if len(known) > 3 else "")

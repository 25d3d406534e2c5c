"""Pictures on disk: folders of classes, STL-10 and CIFAR-10, read by torchvision; nothing is ever downloaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cpc_repr.packages import optional_module

Kind = Literal["folder", "stl10", "cifar10"]
THREADS = 8  # decode at once; Pillow lets go of the interpreter meanwhile
UNLABELED = -1
BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what Pillow raises for damaged files
ENDINGS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}  # the last bytes of a file that was not cut short
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

    def picture(self, i: int) -> Tensor:
        """uint8 [3, H, W]. Raises ValueError if its file cannot be read."""
        return decode(self._paths[i])

    def pictures(self, indices: Sequence[int] | Tensor) -> list[Tensor]:
        """Each uint8 [3, H, W], decoded side by side. Raises ValueError if a file cannot be read."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self.picture, map(int, indices)))


def open_pictures(kind: Kind, root: Path) -> Pictures:
    """Open a data set that is on disk.

    Args:
        kind: `folder` is train/<class>/x.png and test/<class>/y.png (or val/), with unlabeled/ if there is one;
            `stl10` and `cifar10` are the files of their authors, whose checksums are compared.
        root: The folder that holds train/, stl10_binary/ or cifar-10-batches-py/.

    Raises:
        ValueError: Something is missing or does not fit; the message names it.
    """
    if kind not in ("folder", *FILES):
        raise ValueError(f"pictures of kind {kind!r}: known are folder, {', '.join(FILES)}")
    if not root.is_dir():
        raise ValueError(f"no folder {root}")
    if kind == "folder":
        return _open_folder(root)
    datasets = optional_module("torchvision.datasets", "vision")
    try:
        return _open_stl10(datasets, root) if kind == "stl10" else _open_cifar10(datasets, root)
    except (RuntimeError, OSError) as error:
        needed = FILES[kind].replace("DIR", str(root))
        raise ValueError(f"{root} has no whole {kind}: needed are {needed}, with their checksums") from error


def decode(path: Path) -> Tensor:
    """A picture, uint8 [3, H, W]: grey becomes three equal channels, transparency is dropped.

    Raises:
        ValueError: It cannot be read.
    """
    try:
        with Image.open(path) as image:
            if image.mode.startswith("I"):  # grey of 16 bits, which Pillow would cut off at 255
                grey = (np.asarray(image) >> 8).astype(np.uint8)
                return torch.from_numpy(grey).expand(3, -1, -1).contiguous()
            pixels = np.array(image.convert("RGB"))  # [H, W, 3]
    except BROKEN as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _open_folder(root: Path) -> Pictures:
    train = root / "train"
    tests = [root / name for name in ("test", "val")]
    test = next((folder for folder in tests if _classes(folder)), None)
    if not _classes(train):
        raise ValueError(f"{train} should hold a folder for each class, with its pictures")
    if test is None:
        raise ValueError(f"{tests[0]} or {tests[1]} should hold a folder for each class, with its pictures")
    if differing := sorted(set(_classes(train)) ^ set(_classes(test))):
        raise ValueError(f"{train} and {test} should hold the same classes; only one has {_some(differing)}")
    skipped: list[str] = []
    splits = [_open_classes(root, folder, skipped) for folder in (train, test)]
    unlabeled = _open_unlabeled(root, skipped)
    return Pictures(root.name, tuple(_classes(train)), splits[0], splits[1], unlabeled, tuple(skipped))


def _classes(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []


def _open_classes(root: Path, folder: Path, skipped: list[str]) -> FileSplit:
    """The pictures below `folder`; broken ones are added to `skipped`."""
    try:
        samples = optional_module("torchvision.datasets", "vision").ImageFolder(folder).samples
    except FileNotFoundError as error:  # names the classes that have no picture
        raise ValueError(f"{folder}: {error}") from error
    whole = _whole(root, [Path(path) for path, _ in samples], skipped)
    kept = [(Path(path), label) for (path, label), good in zip(samples, whole, strict=True) if good]
    found = {label for _, label in kept}
    if empty := [name for label, name in enumerate(_classes(folder)) if label not in found]:
        raise ValueError(f"{folder}: every picture is broken of {_some(empty)}")
    return FileSplit([path for path, _ in kept], [label for _, label in kept])


def _open_unlabeled(root: Path, skipped: list[str]) -> FileSplit | None:
    """The pictures in unlabeled/, however deep; None if there is no such folder."""
    folder = root / "unlabeled"
    if not folder.is_dir():
        return None
    endings = optional_module("torchvision.datasets.folder", "vision").IMG_EXTENSIONS
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in endings)
    kept = [path for path, good in zip(paths, _whole(root, paths, skipped), strict=True) if good]
    if not kept:
        raise ValueError(f"{folder} should hold pictures")
    return FileSplit(kept, [UNLABELED] * len(kept))


def _whole(root: Path, paths: Sequence[Path], skipped: list[str]) -> list[bool]:
    """Which files are whole; the others are added to `skipped`."""
    with ThreadPoolExecutor(THREADS) as pool:
        whole = list(pool.map(_is_whole, paths))
    skipped += [str(path.relative_to(root)) for path, good in zip(paths, whole, strict=True) if not good]
    return whole


def _is_whole(path: Path) -> bool:
    """Whether a file is a picture to its end. What is damaged in its middle is left for `decode` to find."""
    try:
        with Image.open(path) as image, path.open("rb") as file:
            ending = ENDINGS.get(image.format or "")
            if ending is not None:
                file.seek(-len(ending), 2)
                if file.read() == ending:
                    return True
            image.load()  # another format, or bytes after the end: decoding tells
    except BROKEN:
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

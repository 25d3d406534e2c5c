"""Write the embedded pictures as folders of PNG files or with boxes, or a sheet of them to look at.

    python -m cpc_repr.vision.export --out DIR              # DIR/train/<class>/00000.png, DIR/test/...
    python -m cpc_repr.vision.export --voc DIR              # Pascal VOC: DIR/JPEGImages, Annotations, ImageSets
    python -m cpc_repr.vision.export --sheet FILE.png       # a row for each class; below, what each shortcut adds
    python -m cpc_repr.vision.export --out DIR --pictures.train 500 --pictures.cast 1

What --out writes in DIR is read by `python -m cpc_repr.vision --data DIR`, torchvision's ImageFolder and others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont
from pydantic import Field

from configs import QUIET, Frozen, UsageError, as_usage_error, guarded, load
from cpc_repr.cache import cache_folder
from cpc_repr.vision.data.boxes import with_boxes
from cpc_repr.vision.data.pictures import Pictures
from cpc_repr.vision.data.render import draw_picture
from cpc_repr.vision.data.scenes import CLASSES, SPLITS, SceneConfig
from cpc_repr.vision.data.synthetic import SyntheticPicturesConfig, make_pictures
from cpc_repr.vision.data.voc import write_voc
from cpc_rl.runs.files import write_atomic
from cpc_rl.runs.screen import Screen

COLUMNS = 12
SHORTCUTS: tuple[dict[str, Any], ...] = ({}, {"cast": 1.0}, {"fringe": 3.0}, {"lines": 4})
PLAIN = {"cast": 0.0, "fringe": 0.0, "lines": 0}
GAP = 4  # pixels between pictures, for pictures of 64
NAMES = 92  # pixels that a row's name takes, likewise


class ExportConfig(Frozen):
    """What to write."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = Field(
        default=None, description="Write all pictures as PNG files in folders of classes; nothing may be there yet."
    )
    voc: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = Field(
        default=None,
        description="Write all pictures as JPEG files, with the boxes of their things, as Pascal VOC is laid out; "
        "nothing may be there yet.",
    )
    sheet: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = Field(
        default=None, description="Write a picture of pictures."
    )
    cache: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = Field(
        default=None, description="Folder of drawn pictures; by default in the user's cache."
    )
    pictures: SyntheticPicturesConfig = Field(
        default=SyntheticPicturesConfig(), description="Settings of the pictures."
    )
    quiet: bool = Field(default=False, description=QUIET)
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


def export(pictures: Pictures, out: Path, tick: Callable[[int], None] = lambda written: None) -> int:
    """Write `pictures` as out/{train,test}/<class>/<number>.png; the number of files.

    Args:
        pictures: Any data set; `unlabeled` goes to out/unlabeled/.
        out: A folder that is empty or not there yet.
        tick: Told after each file how many there are.

    Raises:
        ValueError: It holds something.
    """
    check_new(out)
    written = 0
    splits = {"train": pictures.train, "test": pictures.test}
    if pictures.unlabeled is not None:
        splits["unlabeled"] = pictures.unlabeled
    for name, split in splits.items():
        for i in range(len(split)):
            label = int(split.labels[i])
            folder = out / name / (pictures.classes[label] if label >= 0 else "")
            folder.mkdir(parents=True, exist_ok=True)
            _image(split.picture(i).numpy()).save(folder / f"{i:05d}.png")
            written += 1
            tick(written)
    return written


def export_voc(
    config: SyntheticPicturesConfig, out: Path, tick: Callable[[int, int], None] = lambda written, total: None
) -> int:
    """Write the embedded pictures and the boxes of their things as a Pascal VOC folder; the number of pictures.

    Args:
        config: Of the pictures.
        out: A folder that is empty or not there yet.
        tick: Told after each picture how many of how many are written.

    Raises:
        ValueError: It holds something.
    """
    check_new(out)
    total = config.train + config.test
    train, test = (with_boxes(config, split) for split in SPLITS)
    write_voc(out, "train", CLASSES, train, lambda written: tick(written, total))
    write_voc(out, "test", CLASSES, test, lambda written: tick(config.train + written, total))
    return total


def sheet(config: SceneConfig) -> Image.Image:
    """A row of pictures for each class; below them one row of many classes, plain and with one shortcut each."""
    size, gap = config.size, max(1, GAP * config.size // 64)
    classes = [[draw_picture(config, "train", COLUMNS * row + i, row) for i in range(COLUMNS)] for row in range(10)]
    added = [next(iter(on), "no shortcut") for on in SHORTCUTS]
    some = [i % len(CLASSES) for i in range(COLUMNS)]
    shortcuts = [
        [draw_picture(config.model_copy(update=PLAIN | on), "test", i, label) for i, label in enumerate(some)]
        for on in SHORTCUTS
    ]
    rows = classes + shortcuts
    between, margin = 4 * gap, NAMES * size // 64  # the classes from the shortcuts, pictures from names
    canvas = np.full((len(rows) * (size + gap) + gap + between, margin + COLUMNS * (size + gap), 3), 255, np.uint8)
    names = []
    for r, row in enumerate(rows):
        top = gap + r * (size + gap) + between * (r >= len(classes))
        for c, picture in enumerate(row):
            left = margin + c * (size + gap)
            canvas[top : top + size, left : left + size] = picture.transpose(1, 2, 0)
        names.append((top + size // 2, CLASSES[r].replace("_", " ") if r < len(classes) else added[r - len(classes)]))
    image = Image.fromarray(canvas)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12 * size / 64)
    for y, name in names:
        draw.text((gap, y), name, fill="black", font=font, anchor="lm")
    return image


def run(config: ExportConfig) -> int:
    """Write what `config` asks for."""
    if config.out is None and config.voc is None and config.sheet is None:
        raise UsageError("nothing to do: give --out DIR, --voc DIR, --sheet FILE, or several of them")
    with as_usage_error():
        if config.sheet is not None and config.sheet.is_dir():
            raise ValueError(f"--sheet {config.sheet} is a folder: give the name of a file")
        if config.out is not None and config.out == config.voc:
            raise ValueError(f"--out and --voc are both {config.out}: give two folders")
        for folder in (config.out, config.voc):
            if folder is not None:
                check_new(folder)
        screen = Screen(config.quiet)
        if config.out is not None:
            with screen.step("drawing pictures") as step:
                pictures = make_pictures(config.cache or cache_folder("pictures"), config.pictures, step)
                step.begin("writing pictures")
                written = export(pictures, config.out, step)
            screen.result(f"{written:,} pictures: {config.out}")
        if config.voc is not None:
            with screen.step("drawing pictures with boxes") as step:
                written = export_voc(config.pictures, config.voc, step)
            screen.result(f"{written:,} pictures with boxes: {config.voc}")
    if config.sheet is not None:
        with Screen(config.quiet).step("drawing a sheet"):
            image = sheet(config.pictures)
        config.sheet.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(config.sheet, lambda file: image.save(file, "png"))
        print(f"a row for each class, then for each shortcut: {config.sheet}")
    return 0


def check_new(folder: Path) -> None:
    """Raise ValueError if there is something at `folder`, unless it is an empty folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already: pictures are written to a new folder")


def _image(picture: np.ndarray) -> Image.Image:
    """Of uint8 [3, H, W]."""
    return Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        return run(load(ExportConfig, argv, prog="python -m cpc_repr.vision.export", description=__doc__ or ""))

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())

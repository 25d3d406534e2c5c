"""The embedded pictures: a world of things made of parts, drawn once and kept in a cache (docs/vision_data.md)."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from cpc_repr.cache import generate_once
from cpc_repr.vision.data.pictures import ArraySplit, Pictures
from cpc_repr.vision.data.render import draw_picture
from cpc_repr.vision.data.scenes import CLASSES, SPLITS, SceneConfig, labels_of

VERSION = 1  # raised whenever the same configuration gives other pictures
REPORT_EVERY = 100

Progress = Callable[[int, int], None]  # pictures drawn, of how many


class SyntheticPicturesConfig(SceneConfig):
    """Synthetic pictures."""

    train: int = Field(default=6_000, ge=len(CLASSES), le=10_000_000, description="Number of training pictures.")
    test: int = Field(default=2_000, ge=len(CLASSES), le=1_000_000, description="Number of test pictures.")


def make_pictures(
    folder: Path, config: SyntheticPicturesConfig, progress: Progress = lambda done, total: None
) -> Pictures:
    """The pictures of `config`, from a folder of their own below `folder`, where they are drawn if need be.

    Several processes may ask at once: one draws, the others wait. What a killed process left is cleared away.

    Args:
        folder: Of all synthetic pictures; made if need be.
        config: The same one gives the same bytes on the same machine.
        progress: Called now and then while pictures are drawn; what it raises stops that.

    Returns:
        Memory-mapped pictures of `size` by `size`; `unlabeled` is None.

    Raises:
        ValueError: A file has changed since it was made.
        OSError: The folder cannot be written.
    """
    name = f"parts-{config.size}px-{config.train}+{config.test}"
    root = generate_once(folder, name, VERSION, config, lambda new: _generate(new, config, progress))
    train, test = (ArraySplit(np.load(root / f"{s}.npy", "r"), np.load(root / f"{s}_labels.npy")) for s in SPLITS)
    return Pictures("parts", CLASSES, train, test, None, (), reads_files=False)


def _generate(root: Path, config: SyntheticPicturesConfig, progress: Progress) -> dict[str, Any]:
    """Fill the empty folder `root`; gives what the manifest says of it."""
    counts = {"train": config.train, "test": config.test}
    done, total = 0, sum(counts.values())
    for split, count in counts.items():
        labels = labels_of(config, split, count)
        np.save(root / f"{split}_labels.npy", labels)
        shape = (count, 3, config.size, config.size)
        file = np.lib.format.open_memmap(root / f"{split}.npy", "w+", np.uint8, shape)
        for i, label in enumerate(labels):
            file[i] = draw_picture(config, split, i, int(label))
            done += 1
            if done % REPORT_EVERY == 0 or done == total:
                progress(done, total)
        file.flush()
    made_with = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "numpy": importlib.metadata.version("numpy"),
    }
    return {"made_with": made_with, "classes": CLASSES}

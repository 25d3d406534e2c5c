"""The embedded pictures: a world of things made of parts, drawn once and kept in a cache (docs/vision_data.md)."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import Field

from cpc_repr.cache import build_once, check_hashes, hashes
from cpc_repr.vision.pictures import ArraySplit, Pictures
from cpc_repr.vision.render import draw_picture
from cpc_repr.vision.world import CLASSES, SPLITS, WorldConfig, labels_of

VERSION = 1  # raised whenever the same configuration gives other pictures
REPORT_EVERY = 100
MANIFEST = "manifest.json"

Progress = Callable[[int, int], None]  # pictures drawn, of how many


class SyntheticConfig(WorldConfig):
    """Synthetic pictures."""

    train: int = Field(default=6_000, ge=len(CLASSES), le=10_000_000, description="Pictures to learn from.")
    test: int = Field(default=2_000, ge=len(CLASSES), le=1_000_000, description="Pictures to be judged by.")


def default_folder() -> Path:
    """Where pictures are kept: `cpc-rl/pictures` in `$XDG_CACHE_HOME`, or in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path("~/.cache").expanduser()) / "cpc-rl" / "pictures"


def make_pictures(folder: Path, config: SyntheticConfig, progress: Progress = lambda done, total: None) -> Pictures:
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
    key = hashlib.sha256(f"{VERSION} {config.model_dump_json()}".encode()).hexdigest()[:12]
    root = folder / f"parts-{config.size}px-{config.train}+{config.test}-{key}"
    build_once(root, lambda new: _generate(new, config, progress))
    try:
        manifest = json.loads((root / MANIFEST).read_text())
        expected = dict(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{root / MANIFEST} cannot be read ({error}): delete {root}, and it is made anew") from error
    check_hashes(root, expected)
    train, test = (ArraySplit(np.load(root / f"{s}.npy", "r"), np.load(root / f"{s}_labels.npy")) for s in SPLITS)
    return Pictures("parts", CLASSES, train, test, None, ())


def _generate(root: Path, config: SyntheticConfig, progress: Progress) -> None:
    """Fill the empty folder `root`."""
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
    manifest = {
        "version": VERSION,
        "config": config.model_dump(),
        "made_with": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "numpy": importlib.metadata.version("numpy"),
        },
        "classes": CLASSES,
        "sha256": hashes(root),
    }
    (root / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")

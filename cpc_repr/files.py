"""Files that somebody else laid out."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np


def visible_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Regular files below `folder` whose names end in one of `suffixes`, sorted by folder, then by name.

    What is hidden is passed over (`.ipynb_checkpoints` holds copies, `._x.jpg` is no picture), and so is what is no
    regular file: a pipe would be waited for.
    """
    visible = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(place, name) for name in names if not name.startswith(".")]
        visible += [path for path in paths if path.suffix.lower() in suffixes and path.is_file()]
    return sorted(visible, key=lambda path: (str(path.parent), path.name))


def check_regular(path: Path) -> None:
    """Raise ValueError if there is something at `path` that is no regular file: a pipe would be waited for."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file")


def digest(plain: Any, *arrays: np.ndarray) -> str:
    """SHA-256 of plain values and of arrays. Runs keep it: what it is taken of must not change."""
    found = hashlib.sha256(json.dumps(plain).encode())
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()

"""Files that somebody else laid out."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path


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

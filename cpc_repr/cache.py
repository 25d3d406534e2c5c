"""Folders that are made once, whole or not at all, and stay as they were made."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path


def build_once(folder: Path, build: Callable[[Path], None]) -> None:
    """Have `build` fill `folder`, unless it is there already.

    `build` works on a folder beside it, which takes its name in the end: a `folder` that exists is whole. A lock keeps
    other processes waiting meanwhile, and tells what a killed one left from what another is working on.
    """
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():  # made while we waited
            return
        unfinished = folder.with_name(f"{folder.name}.tmp")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir()
        try:
            build(unfinished)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of all files below `folder`, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def check_hashes(folder: Path, expected: Mapping[str, str]) -> None:
    """Compare the files that `hashes` saw with what they are now.

    Raises:
        ValueError: One of them is gone or has changed.
    """
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != digest:
            state = "has changed" if path.exists() else "is gone"
            raise ValueError(f"{path} {state} since it was made: delete {folder}, and it is made anew")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

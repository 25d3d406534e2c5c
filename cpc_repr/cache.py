"""Folders that are made once, whole or not at all, and stay as they were made."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from envs import locks

MANIFEST = "manifest.json"


def cache_folder(kind: str) -> Path:
    """Where generated data is kept: `cpc-rl/KIND` in `$XDG_CACHE_HOME`, or in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path("~/.cache").expanduser()) / "cpc-rl" / kind


def generate_once(
    parent: Path, name: str, version: int, config: BaseModel, fill: Callable[[Path], Mapping[str, Any]]
) -> Path:
    """The folder below `parent` that holds the data generated from `config`, which is made first if it is not there.

    Several processes may ask at once: one makes it, the others wait. What a killed process left is cleared away.

    Args:
        parent: Made if need be.
        name: Begins the folder's name.
        version: Raised whenever the same `config` gives other data.
        config: The same one gives the same folder.
        fill: Fills an empty folder and gives what the manifest says of it beside version, `config` and checksums.

    Raises:
        ValueError: A file has changed since it was made, or `parent` cannot be written.
    """
    key = hashlib.sha256(f"{version} {config.model_dump_json()}".encode()).hexdigest()[:12]
    root = parent / f"{name}-{key}"

    def build(new: Path) -> None:
        manifest = {"version": version, "config": config.model_dump(), **fill(new), "sha256": hashes(new)}
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")

    build_once(root, build)
    try:
        expected = dict(json.loads((root / MANIFEST).read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{root / MANIFEST} cannot be read ({error}): delete {root}, and it is made anew") from error
    check_hashes(root, expected)
    return root


def build_once(folder: Path, build: Callable[[Path], None]) -> None:
    """Have `build` fill `folder`, unless it is there already.

    `build` works on a folder beside it, which takes its name in the end: a `folder` that exists is whole. A lock keeps
    other processes waiting meanwhile, and tells what a killed one left from what another is working on.

    Raises ValueError if there is no room for a folder beside it.
    """
    if folder.is_dir():
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        locked = folder.with_name(f"{folder.name}.lock").open("w")
    except OSError as error:
        raise ValueError(f"{folder.parent}: generated data cannot be kept there ({error.strerror})") from error
    with locked as lock:
        locks.take(lock.fileno(), wait=True)
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

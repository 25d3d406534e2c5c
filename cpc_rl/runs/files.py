"""Writing a file so that a crash leaves the old one or the new one, never half of it."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from configs import UsageError


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Make or replace `path` with what `write` puts into the file it is given.

    The bytes go to a hidden file beside `path`, reach the disk (fsync), and only then take its name.

    Raises:
        OSError: It cannot be written, for example on a full disk; names `path`.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    watched = None
    try:
        temporary.unlink(missing_ok=True)  # it may be a link to somewhere else
        with temporary.open("xb") as file:
            watched = _Watched(file)
            write(cast(BinaryIO, watched))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        cause = error if isinstance(error, OSError) else watched and watched.error
        if cause:
            raise OSError(cause.errno, cause.strerror, str(path)) from error
        raise
    if sys.platform == "win32":  # opens no folders
        return
    folder = os.open(path.parent, os.O_RDONLY)  # the new name itself must reach the disk as well
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class _Watched:
    """A file that remembers how writing failed: `torch.save` turns that into a RuntimeError about positions."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def check_writable(path: Path, flag: str = "") -> None:
    """Find out before hours of work whether a file can be made at `path`, in folders that may be missing.

    Leaves nothing behind.

    Args:
        path: Of a file.
        flag: That asked for it, for the message.

    Raises:
        UsageError: It cannot.
    """
    place = f"{flag} {path}".strip()
    if path.is_dir():
        raise UsageError(f"{place} is a directory")
    folder = next(parent for parent in path.absolute().parents if parent.exists() or parent.is_symlink())
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(f"cannot write {place}: {folder}: {error.strerror}") from error

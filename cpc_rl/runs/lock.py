"""One process at a time writes a run directory.

The lock is the kernel's: it goes with the process, however that ends, and no stale one is left to be cleared.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from configs import UsageError
from envs import locks

UNKNOWN = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # what file systems without locks say
_ours: set[Path] = set()  # held by this process: a part of an experiment may lie in a directory it has already


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Be the only process that writes the run directory `path`, for a `with` block. Readers need no lock.

    Raises:
        UsageError: Another process does, which is named; or nobody can write there.
    """
    place = path.resolve()
    if place in _ours:
        yield
        return
    try:
        file = (path / ".lock").open("a+b")
    except OSError as error:
        raise UsageError(f"cannot write run directory {path}: {error.strerror}") from error
    with file:
        try:
            free = locks.take(file.fileno())
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
            free = True
        if not free:
            file.seek(0)
            owner = file.read().decode(errors="replace").strip() or "another one"
            raise UsageError(f"process {owner} writes {path} now: wait until it ends, or stop it")
        file.truncate(0)
        file.write(f"{os.getpid()} on {socket.gethostname()}".encode())
        file.flush()
        _ours.add(place)
        try:
            yield
        finally:
            _ours.discard(place)

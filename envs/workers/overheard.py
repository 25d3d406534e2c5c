"""What an engine prints, kept until it is known whether anybody needs to read it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from envs.errors import Incurable

SAID = "said.txt"  # in a worker's temporary folder: the parent reads it there if the worker dies


@contextlib.contextmanager
def overheard(folder: Path) -> Iterator[Callable[[], str]]:
    """Keep what this process and what it starts print, engines in C included, in `folder` / `SAID`.

    Gives a function that reads what was said so far. Behind the block it is printed on standard error, except where
    `Incurable` is raised: that says it in one line.
    """
    path = folder / SAID
    _flush()
    error, output = os.dup(2), os.dup(1)
    file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(file, 2)
    os.dup2(file, 1)
    os.close(file)

    def said() -> str:
        _flush()
        return path.read_text(errors="replace")

    wanted = True
    try:
        yield said
    except Incurable:
        wanted = False
        raise
    finally:
        _flush()
        os.dup2(error, 2)
        os.dup2(output, 1)
        os.close(error)
        os.close(output)
        if wanted and path.stat().st_size:
            os.write(2, path.read_bytes())
        path.unlink()


def _flush() -> None:
    """Python's buffers, and those of C."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)

"""`LevelCache`: compiled maps on disk, shared by all workers and runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

DIGEST_BYTES = 32  # in front of the map: SHA-256 of it
LEFTOVER_SECONDS = 3600.0  # a half-written file this old belongs to a process that was killed


class LevelCache:
    """What `deepmind_lab.Lab` takes as `level_cache`: compiling a map takes seconds, copying one milliseconds.

    Nothing that is wrong with the disk or an entry stops a run: a damaged entry is a miss and is replaced; what cannot
    be written is left out. The engine swallows what is raised here, so that all of it is said here.

    Attributes:
        warn: nothing has been said yet, and something may be.
    """

    def __init__(self, folder: Path, *, warn: bool = True) -> None:
        """Maps lie in `folder`, one file each, and it is made if need be. `warn`: say once what does not work."""
        self._folder, self.warn = folder, warn
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._tidy()
        except OSError as error:
            self._complain(error)

    def fetch(self, key: str, pk3_path: str) -> bool:
        """Copy the map of `key` to `pk3_path`; False if there is none, or none that can be used."""
        path = self._path(key)
        try:
            entry = path.read_bytes()
        except FileNotFoundError:
            return False
        except Exception as error:
            self._complain(error)
            return False
        digest, pk3 = entry[:DIGEST_BYTES], entry[DIGEST_BYTES:]
        if not pk3 or hashlib.sha256(pk3).digest() != digest:
            self._complain(f"{path} is damaged")
            return False
        try:
            Path(pk3_path).write_bytes(pk3)
        except Exception as error:
            self._complain(error)
            with contextlib.suppress(Exception):
                Path(pk3_path).unlink()
            return False
        return True

    def write(self, key: str, pk3_path: str) -> None:
        """Keep the map at `pk3_path` as that of `key`: whole or not at all, whoever else writes it at the same time."""
        temporary = None
        try:
            pk3 = Path(pk3_path).read_bytes()
            self._folder.mkdir(parents=True, exist_ok=True)  # somebody may have cleared it
            handle, temporary = tempfile.mkstemp(suffix=".tmp", dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(pk3).digest() + pk3)
            os.replace(temporary, self._path(key))
        except Exception as error:
            self._complain(error)
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)

    def _path(self, key: str) -> Path:
        """A file of the folder whatever `key` is; other keys have other files."""
        readable = re.sub(r"[^A-Za-z0-9_-]", "_", key)[-80:]
        return self._folder / f"{readable}.{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:16]}.map"

    def _tidy(self) -> None:
        for path in self._folder.glob("*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                    path.unlink()

    def _complain(self, problem: object) -> None:
        if self.warn:
            print(f"level cache: {problem}; maps are compiled again where it fails", file=sys.stderr, flush=True)
        self.warn = False

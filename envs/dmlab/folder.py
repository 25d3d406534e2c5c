"""`RunFolder`: a temporary folder that goes when its process goes, in whatever way that is."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from envs import locks

PREFIX = "cpc-rl-dmlab-"
# Waits in a session of its own for the end of its input, which is the end of the process that started it. Each entry of
# the folder is named by the id of a process group: a worker with the map compilers that it started.
JANITOR = """
trap '' INT TERM HUP
read _
for entry in "$1"/*; do kill -s KILL -- "-${entry##*/}"; done
for _ in 1 2 3 4 5; do rm -rf -- "$1" && break; sleep 0.2; done
"""


class RunFolder:
    """A folder for the temporary files of workers, one entry each, named by process id.

    The process that made it holds a lock on it. A janitor, a shell of 1 MB, removes it should that process be killed.
    If both are, `sweep` of a later run finds it unlocked.
    """

    def __init__(self) -> None:
        sweep()
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
            self._lock = os.open(self.path, os.O_RDONLY)
            locks.take(self._lock, wait=True)
            if self.path.exists():  # another run may have swept it before it was locked
                break
            os.close(self._lock)
        self._janitor: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # no shell: the next run sweeps
            self._janitor = subprocess.Popen(
                ["/bin/sh", "-c", JANITOR, "sh", str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )

    def remove(self) -> None:
        """Remove it and all in it; safe to call twice. Workers must have ended."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._janitor is not None and self._janitor.stdin is not None:
            self._janitor.stdin.close()
            self._janitor.wait()
            self._janitor = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def sweep() -> None:
    """Remove the folders of processes that were killed together with their janitors."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, in use, or just gone
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if locks.take(handle):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)

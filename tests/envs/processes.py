"""What is left of processes: helpers of the tests that kill them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether `condition` becomes true; generous, for slow machines."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    """Whether a process has ended (zombies have)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def named_memory(pid: int) -> set[Path]:
    """What a process has mapped of /dev/shm that has a name there, and so can be left behind."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    mapped = {int(line.split()[4]) for line in lines if "/dev/shm" in line}  # files are renamed, inodes are not
    found = set()
    for path in Path("/dev/shm").iterdir():
        with contextlib.suppress(FileNotFoundError):  # those of other programs come and go
            found |= {path} if path.stat().st_ino in mapped else set()
    return found

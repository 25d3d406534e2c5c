"""Keeping the memory a process has freed, instead of handing it back and fetching it anew at each update."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # from glibc's malloc.h


def keep_freed_memory() -> bool:
    """Tell glibc to serve every size from its heap and never to shrink it; true if it agreed.

    By default each activation of more than 32 MB is mapped when it is allocated and unmapped when it is freed, and
    the kernel zeroes its pages on first touch, at every update again. On a CPU that is a third of an update's time;
    see `benchmarks/agent_speed.py`. Resident memory stays at its peak, which a training loop reaches every update.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return bool(libc.mallopt(_M_MMAP_MAX, 0)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))

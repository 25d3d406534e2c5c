"""File locks of the operating system: they go with the process that holds them, however that ends."""

from __future__ import annotations

import os
import sys
import time

if sys.platform == "win32":
    import msvcrt

    BYTE = 2**30  # the one that is locked: nobody else may read it then

    def _try(handle: int) -> bool:
        before = os.lseek(handle, 0, os.SEEK_CUR)
        os.lseek(handle, BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(handle, before, os.SEEK_SET)
        return True

else:
    import fcntl

    def _try(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


_PAUSE = 0.1  # seconds between two tries


def take(handle: int, wait: bool = False) -> bool:
    """Lock the open file `handle` for this process alone; false if another one holds it and there is no `wait`.

    Raises:
        OSError: The file system knows no locks.
    """
    while not _try(handle):
        if not wait:
            return False
        time.sleep(_PAUSE)
    return True

"""Ctrl-C while a program starts: a line instead of a traceback through half-imported packages.

Needs the standard library only: it comes before all other imports.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

INTERRUPTED = 130


def leave_at_once(number: int, frame: FrameType | None) -> None:
    """End the process: there is nothing to save yet, or nothing any more."""
    os.write(2, b"error: interrupted\n")
    os._exit(INTERRUPTED)


leave_at_once.starting = True  # type: ignore[attr-defined]  # for `configs.guarded`, which takes over from here


def be_brief() -> None:
    """Until `configs.guarded` runs a program, and again behind it, answer Ctrl-C with one line."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, leave_at_once)

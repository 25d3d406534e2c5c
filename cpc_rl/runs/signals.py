"""Stopping in good order: the first Ctrl-C (or SIGTERM) asks, the second one insists."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any

MESSAGE = b"\nstopping after this update, with a checkpoint; again to stop at once\n"


def signal_name(number: int) -> str:
    """`SIGTERM` for 15; `signal 44` for one of the real-time signals, most of which have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class StopSignal:
    """Context manager in whose body the first SIGINT or SIGTERM only sets `stop`, and the second raises.

    The loop reads `stop` after each update, saves a checkpoint and leaves. Use it in the main thread.
    """

    def __init__(self) -> None:
        self.stop = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignal:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.stop:
            raise KeyboardInterrupt
        self.stop = True
        os.write(2, MESSAGE)  # print() may be what the signal interrupted

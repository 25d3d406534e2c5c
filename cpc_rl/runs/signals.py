"""Stopping in good order: a signal asks, the second Ctrl-C insists."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

from envs.signals import FOR_THE_PROGRAM

INSISTING = (signal.SIGINT, signal.SIGTERM)
# Slurm's --signal can send SIGUSR1 or SIGUSR2; a terminal that goes away sends SIGHUP.
ASKING = FOR_THE_PROGRAM
MESSAGE = b"\nstopping after this update, with a checkpoint; again to stop at once\n"


class StopSignal:
    """Context manager in whose body a signal of `ASKING` only sets `stop`, and a second SIGINT or SIGTERM raises.

    The loop reads `stop` after each update, saves a checkpoint and leaves. Only the main thread of a process can hear
    signals: in another one `stop` stays as it is.
    """

    def __init__(self) -> None:
        self.stop = False
        self._insisting = False  # one that may insist has come
        self._at_once = False
        self._held = False
        self._due = False  # an interrupt, behind what is held
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            for number in ASKING:
                if number.name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN:
                    continue  # nohup
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Let any signal end the `with` block: what is done there may take long and leaves nothing to be saved."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing be interrupted in the `with` block: a second signal raises behind it.

        PyTorch turns an exception that comes while it writes a file into a RuntimeError.
        """
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._due:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._at_once:
            raise KeyboardInterrupt
        again, self._insisting = self._insisting, self._insisting or number in INSISTING
        if again and number in INSISTING:
            self._due = True
            if not self._held:
                raise KeyboardInterrupt
        if not self.stop:
            self.stop = True
            with contextlib.suppress(OSError):  # the terminal may be gone
                os.write(2, MESSAGE)  # print() may be what the signal interrupted


def signal_name(number: int) -> str:
    """`SIGTERM` for 15; `signal 44` for one of the real-time signals, most of which have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

"""How fast a run is now, and how long it has run in all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Throughput:
    """Frames per second over the last `window` seconds, and training seconds over all resumed parts of a run.

    A mean since the start would hide a slowdown and carry the first seconds' compilation for hours.
    """

    def __init__(
        self,
        frames: int = 0,
        seconds: float = 0.0,
        window: float = 30.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start the clock at `frames` frames and `seconds` seconds, as the checkpoint told."""
        self.window = window
        self._clock = clock
        self._origin = clock() - seconds
        self._marks = deque([(seconds, frames)])  # (seconds, frames), the oldest is the last one before the window

    @property
    def seconds(self) -> float:
        """Seconds spent training: without the time between two parts of a run."""
        return self._clock() - self._origin

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count no time of the `with` block."""
        start = self._clock()
        try:
            yield
        finally:
            self._origin += self._clock() - start

    def mark(self, frames: int) -> float:
        """Note that `frames` frames are done; returns frames per second over the window."""
        now = self.seconds
        self._marks.append((now, frames))
        while self._marks[1][0] <= now - self.window:  # the newest one never is
            self._marks.popleft()
        then, before = self._marks[0]
        return (frames - before) / max(now - then, 1e-9)

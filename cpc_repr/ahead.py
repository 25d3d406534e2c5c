"""Reading while training."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Calls a function of 0, 1, 2, ... in threads, some numbers ahead of the one asked for: reading while training."""

    def __init__(self, function: Callable[[int], T], workers: int = 4, ahead: int = 8) -> None:
        self._function, self._ahead = function, ahead
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="reader")
        self._coming: dict[int, Future[T]] = {}

    def __call__(self, number: int) -> T:
        """What `function(number)` gives, or raises."""
        wanted = range(number, number + self._ahead + 1)
        for n in wanted:
            if n not in self._coming:
                self._coming[n] = self._pool.submit(self._function, n)
        for n in [n for n in self._coming if n not in wanted]:
            self._coming.pop(n).cancel()
        return self._coming.pop(number).result()

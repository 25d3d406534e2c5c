"""Reading while training."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Calls a function of 0, 1, 2, ... in threads, some numbers before they are asked for."""

    def __init__(self, function: Callable[[int], T], workers: int = 4, depth: int = 8) -> None:
        """Call `function` in `workers` threads, up to `depth` numbers beyond the one last asked for."""
        self._function, self._depth = function, depth
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="reader")
        self._pending: dict[int, Future[T]] = {}

    def __call__(self, number: int) -> T:
        """What `function(number)` gives, or raises."""
        wanted = range(number, number + self._depth + 1)
        for n in wanted:
            if n not in self._pending:
                self._pending[n] = self._pool.submit(self._function, n)
        for n in [n for n in self._pending if n not in wanted]:
            self._pending.pop(n).cancel()
        return self._pending.pop(number).result()

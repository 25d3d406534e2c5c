"""How the plain functions of the engine are compiled: the one place that knows numba.

Device functions are written for one environment or one column: no allocation, no Python objects, no exceptions,
float32 maths, arrays passed in. numba-cuda compiles the same functions for a GPU when a CUDA kernel calls them (the
plain function stays reachable as `.py_func`). Launchers are the loops over a slice of the batch that Python calls.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import Dispatcher
from numba.core.registry import CPUDispatcher

P = ParamSpec("P")
R = TypeVar("R")

# Without numba's runtime nothing can be allocated, and the counting of references to arrays, which would cost half of
# the time, falls away.
_njit: Any = numba.njit
_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
_INNER_OPTIONS = {**_OPTIONS, "nopython": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def _digest_of_sources() -> str:
    """Hash of every source file of the engine."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_SOURCES = _digest_of_sources()


class _EngineCache(FunctionCache):  # type: ignore[misc]
    """numba's disk cache with files of its own for each level and each state of the engine's sources.

    numba looks only at the file of the launcher itself, so a change in `physics.py` would go unnoticed by a
    launcher that was cached before it; it tells the functions that a launcher closes over apart by the process that
    made them, so that another process would never find them; and its index could not be read any more once a class
    of some level's state had been renamed.
    """

    def __init__(self, function: Callable[..., Any], level: str, source: Path) -> None:
        super().__init__(function)
        self._stem = f"{level}.{function.__name__}.{sys.implementation.cache_tag}."
        self._digest = hashlib.sha256(_SOURCES.encode() + source.read_bytes()).hexdigest()[:16]
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=self._stem + self._digest,
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return sig, codegen.magic_tuple()

    def save_overload(self, sig: Any, data: Any) -> None:
        for path in Path(self._cache_path).glob(f"{self._stem}*"):
            if self._digest not in path.name:
                path.unlink(missing_ok=True)
        super().save_overload(sig, data)


class _Inner(CPUDispatcher):  # type: ignore[misc]
    """A function for compiled callers: without the entries for Python and C, a quarter of the time to compile it.

    Called from Python all the same, it is compiled once more, with them.
    """

    def __init__(self, py_func: Callable[..., Any], locals: Any = None, targetoptions: Any = None) -> None:
        super().__init__(py_func, locals or {}, targetoptions or _INNER_OPTIONS)

    @cached_property
    def _outer(self) -> Callable[..., Any]:
        outer: Callable[..., Any] = _njit(**_OPTIONS)(self.py_func)
        return outer

    def __call__(self, *args: Any) -> Any:
        return self._outer(*args)


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a scalar function that other compiled functions call, in front of the simulation."""
    if numba.config.DISABLE_JIT:
        return function
    result: Callable[P, R] = _Inner(function)
    return result


def device_function(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a scalar function that other compiled functions call, on a GPU too."""
    # numba's CUDA simulator runs kernels, and what they call, as plain Python.
    return function if numba.config.ENABLE_CUDASIM else compiled(function)


def cached(level: str, source: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile a function that Python calls without the GIL, and keep it on disk; see `launcher`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        result = _njit(**_OPTIONS)(function)
        with contextlib.suppress(RuntimeError):  # no writable directory for the cache: compile in every process
            result._cache = _EngineCache(function, level, Path(source))
        typed: Callable[P, R] = result
        return typed

    return decorate


def launcher(level: str, source: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile a loop over part of the batch, called from Python without the GIL and cached on disk.

    `level` tells apart the launchers that one factory makes for many levels; `source` is the level's file, which may
    lie outside of the engine.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return function if numba.config.ENABLE_CUDASIM else cached(level, source)(function)

    return decorate


def specialise(function: Callable[P, R], *arguments: Any) -> Callable[P, R]:
    """The machine code of a launcher for arguments of these types; it takes no others and does not check.

    numba looks at the types of all arguments at every call, which costs up to 0.4 ms for tuples of arrays.
    """
    if not isinstance(function, Dispatcher):  # in the CUDA simulator
        return function
    with _no_collection():
        compiled: Callable[P, R] = function.compile(tuple(numba.typeof(argument) for argument in arguments))
    return compiled


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Switch the garbage collector off, another quarter: what numba makes lives as long as it compiles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()

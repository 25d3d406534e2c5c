"""What runs in a worker process of `envs.workers`: one environment that is told over a pipe what to do.

Nothing here may import torch: it would cost every worker two seconds and 200 MB.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Callable
from enum import IntEnum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from envs.errors import Incurable
from envs.quantities import RAW_REWARD, check_finite, one_number, plain_number
from envs.signals import FOR_THE_PROGRAM

Env = gymnasium.Env[Any, Any]
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
LONGEST = 400  # characters of an exception's text


class Raised(NamedTuple):
    """An exception of an environment, on its way to the parent."""

    text: str  # one line
    incurable: bool


class Phase(IntEnum):
    """What a worker is at; it stands in shared memory, for the dead do not answer questions."""

    START = 0  # until it begins its first episode
    RESET = 1  # beginning an episode
    STEP = 2  # in an episode


class Child:
    """The target of a worker process.

    A worker ignores SIGINT and SIGTERM (what becomes of a run is the parent's to say), leads a process group of its
    own (so that what it starts can be killed with it), dies with its parent, and prints on standard error only.
    """

    def __init__(self, frames: Any, phases: Any, times: Any, folder: Path | None) -> None:
        """Prepare what all workers of a batch share.

        Args:
            frames: shared memory of all observations, row after row.
            phases: shared memory of one `Phase` for each worker.
            times: shared memory of when each worker entered its phase, on the monotonic clock.
            folder: where each worker makes a folder for its temporary files, named by its process id.
        """
        self.frames, self.phases, self.times, self.folder = frames, phases, times, folder
        self.parent = os.getpid()
        self.tied = True  # the kernel may kill the worker when the thread that started it ends

    def __call__(
        self, index: int, env_fn: Callable[[], Env], pipe: Connection, parent_pipe: Connection, *unused: Any
    ) -> None:
        """Serve until told to close, or until the parent is gone. `unused` is what gymnasium passes beyond that."""
        parent_pipe.close()  # or the end of the parent would not be the end of the file
        self._settle()
        with contextlib.suppress(EOFError, OSError):
            self._serve(index, env_fn, pipe)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # engines do not all survive the interpreter's own way out

    def _settle(self) -> None:
        for number in FOR_THE_PROGRAM:
            signal.signal(number, signal.SIG_IGN)
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, FOR_THE_PROGRAM)  # which blocked them for us
            os.setpgid(0, 0)
        os.dup2(2, 1)  # standard output is the program's: environments would print into the middle of its tables
        if sys.platform == "linux" and self.tied:  # an engine that holds the interpreter would not see its pipe end
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.parent:
            os._exit(1)
        if self.folder is not None:
            mine = self.folder / str(os.getpid())
            mine.mkdir()
            os.environ["TMPDIR"] = str(mine)
            os.environ.pop("TEST_TMPDIR", None)  # DeepMind Lab would prefer it
            tempfile.tempdir = None  # look again

    def _serve(self, index: int, env_fn: Callable[[], Env], pipe: Connection) -> None:
        env: Env | None = None
        while True:
            command, data = pipe.recv()
            if command == "close":
                break
            try:
                env = env_fn() if env is None else env
                answer: Any = True, self._obey(env, index, command, data)
            except BaseException as error:  # sys.exit() of an environment is a failure like others
                hopeless = isinstance(error, Incurable)
                answer = False, Raised(str(error) if hopeless else describe(error), hopeless)
            pipe.send(answer)
        if env is not None:
            with contextlib.suppress(Exception, SystemExit):
                env.close()

    def _obey(self, env: Env, index: int, command: str, data: Any) -> Any:
        if command == "call":
            name, args, kwargs = data
            found = env.get_wrapper_attr(name)
            return found(*args, **kwargs) if callable(found) else found
        if command == "reset":
            self._begin(env, index, data)
            return None
        action, next_seed = data
        obs, paid, terminated, truncated, info = env.step(action)
        reward = one_number(paid)
        final, told = None, None
        if terminated or truncated:
            check_finite(obs, "the observation")
            final = np.array(obs)  # a copy: the environment may write its next frame to the same place
            told = {key: number for key, value in info.items() if (number := plain_number(value)) is not None}
            told.pop(RAW_REWARD, None)
            if next_seed is None:
                self._show(env, index, obs)
            else:
                self._begin(env, index, next_seed)
        else:
            self._show(env, index, obs)
        return reward, bool(terminated), bool(truncated), final, info.get(RAW_REWARD), told

    def _begin(self, env: Env, index: int, seed: int) -> None:
        self._enter(index, Phase.RESET)
        obs, _ = env.reset(seed=seed)
        self._show(env, index, obs)
        self._enter(index, Phase.STEP)

    def _enter(self, index: int, phase: Phase) -> None:
        self.times[index] = time.monotonic()
        self.phases[index] = phase

    def _show(self, env: Env, index: int, obs: Any) -> None:
        shape, dtype = env.observation_space.shape, env.observation_space.dtype
        assert shape is not None and dtype is not None  # the parent has checked that it is a Box
        if np.shape(obs) != shape:
            raise ValueError(f"the observation has shape {np.shape(obs)}; the observation space says {shape}")
        check_finite(obs, "the observation")
        np.frombuffer(self.frames, dtype).reshape(-1, *shape)[index] = obs


def describe(error: BaseException) -> str:
    """An exception in one line, with the place where it was raised."""
    text = textwrap.shorten(str(error), LONGEST, placeholder=" ...")  # engines tell hundreds of lines
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"

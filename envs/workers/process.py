"""`Worker`: one process of `envs.workers`, seen from the parent."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from envs.workers.child import Child, Phase

START_SECONDS = 120.0  # an interpreter and its imports, on a busy machine
END_SECONDS = 3.0  # from the end of a worker's pipe to that of its process
LOOK_SECONDS = 1.0  # between looks whether a silent worker is alive


@dataclass(frozen=True)
class Failure:
    """How a worker failed."""

    worker: int
    seed: int  # of the episode it was in, or that it was about to begin
    phase: Phase
    what: str  # "was killed by SIGSEGV in step 12 of its episode"
    exit_code: int | None  # negative: the signal; None: it hung, or raised an exception


@dataclass
class Worker:
    """A process, our end of its pipe, and what it is at."""

    index: int
    child: Child
    process: BaseProcess
    pipe: Connection
    seed: int = 0  # of its episode
    next_seed: int = 0  # of the one behind that
    steps: int = 0  # of its episode
    fresh: bool = True  # has never answered
    failures: list[Failure] = field(default_factory=list)  # since its last whole episode

    def send(self, command: str, data: Any = None) -> None:
        """Tell it what to do. The dead do not listen: `answer` finds out."""
        with contextlib.suppress(OSError):
            self.pipe.send((command, data))

    def answer(self, begun: float, timeout: float) -> Any:
        """What it makes of the last command, or a `Failure`.

        Args:
            begun: when it was told, on the monotonic clock.
            timeout: seconds that it may take; those in which it starts are not counted, nor are the ones of its step
                where it has gone on to the next episode.
        """
        try:
            while True:
                limit = self._limit(begun, timeout)
                left = limit - time.monotonic()
                alive = self.process.is_alive()  # asked first: what it said before its end is in the pipe by now
                if self.pipe.poll(min(max(left, 0.0), LOOK_SECONDS) if alive else 0.0):
                    done, answer = self.pipe.recv()
                    self.fresh = False
                    return answer if done else self._failure(f"raised {answer}")
                if not alive:
                    raise EOFError  # something that it started still holds its end of the pipe
                if left <= 0 and self._limit(begun, timeout) <= limit:
                    starting = self.child.phases[self.index] == Phase.START
                    return self._failure(f"gave no answer for {START_SECONDS if starting else timeout:g} s")
        except (EOFError, OSError):
            self.process.join(END_SECONDS)
            return self._failure(ending(self.process.exitcode), self.process.exitcode)

    def _limit(self, begun: float, timeout: float) -> float:
        if self.child.phases[self.index] == Phase.START:
            return begun + START_SECONDS
        return max(begun, self.child.times[self.index]) + timeout

    def kill(self) -> None:
        """End it and what it started; harmless if it has ended."""
        pid = self.process.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # its group outlives it as long as something in there runs
            self.process.kill()  # it may not have had the time to make a group
            self.process.join(END_SECONDS)
            if self.child.folder is not None:
                shutil.rmtree(self.child.folder / str(pid), ignore_errors=True)
        self.pipe.close()

    def _failure(self, what: str, exit_code: int | None = None) -> Failure:
        phase = Phase(self.child.phases[self.index])
        between = phase is Phase.RESET and self.steps > 0  # it was the next episode that could not begin
        place = {
            Phase.START: "while starting",
            Phase.RESET: "at the beginning of its episode",
            Phase.STEP: f"in step {self.steps} of its episode",
        }[phase]
        return Failure(self.index, self.next_seed if between else self.seed, phase, f"{what} {place}", exit_code)


def ending(exit_code: int | None) -> str:
    """A process's exit code in words; None if it has none yet."""
    if exit_code is None:
        return "closed its pipe"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was killed by signal {-exit_code}"

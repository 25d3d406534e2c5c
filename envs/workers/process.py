"""`Worker`: one process of `envs.workers`, seen from the parent."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from envs.workers.child import Child, Phase, Raised
from envs.workers.overheard import SAID

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
    incurable: str = ""  # what is missing, where neither another seed nor a restart helps
    said: str = ""  # what it printed at the beginning of its episode, where that was overheard
    files: tuple[str, ...] = ()  # names of what it leaves in its temporary folder


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
    resting: bool = False  # its episode is over, and it has begun no other
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
                    return answer if done else self._raised(answer)
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
            if sys.platform != "win32":
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)  # its group outlives it as long as something in there runs
            self.process.kill()  # it may not have had the time to make a group
            self.process.join(END_SECONDS)
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
        self.pipe.close()

    def _raised(self, raised: Raised) -> Failure:
        if raised.incurable:
            return replace(self._failure(raised.text), incurable=raised.text)
        return self._failure(f"raised {raised.text}")

    def _failure(self, what: str, exit_code: int | None = None) -> Failure:
        phase = Phase(self.child.phases[self.index])
        between = phase is Phase.RESET and self.steps > 0  # it was the next episode that could not begin
        place = {
            Phase.START: "while starting",
            Phase.RESET: "at the beginning of its episode",
            Phase.STEP: f"in step {self.steps} of its episode",
        }[phase]
        seed = self.next_seed if between else self.seed
        return Failure(self.index, seed, phase, f"{what} {place}", exit_code, said=self._said(), files=self._files())

    @property
    def _folder(self) -> Path | None:
        return None if self.child.folder is None else self.child.folder / str(self.process.pid)

    def _said(self) -> str:
        if self._folder is None:
            return ""
        with contextlib.suppress(OSError):
            return (self._folder / SAID).read_text(errors="replace")
        return ""

    def _files(self) -> tuple[str, ...]:
        return () if self._folder is None else tuple(sorted(path.name for path in self._folder.rglob("*")))


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

"""A trial as a process of this machine that does not outlive who started it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

from configs import RunFailure
from cpc_rl.runs.sweep_directory import SweepDirectory, locked
from cpc_rl.sweep.command import run_flags
from envs import locks

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
GRACE = 60.0  # seconds to write a checkpoint in, once told to stop


class Ended(NamedTuple):
    """How a trial ended: its exit code, or why there is none."""

    exit_code: int | None
    error: str | None = None


class Launch(NamedTuple):
    """All that is needed to start a trial, on this machine or on another one."""

    words: list[str]
    run: Path | None
    log: Path
    environment: dict[str, str]
    """Beside that of the machine."""

    def start(self) -> LocalProcess:
        """Begin the trial, or take it up where its last checkpoint stands."""
        words = list(self.words)
        if self.run is not None:
            words += run_flags(self.run)
            if "--run" in words[-2:] and self.run.exists():  # killed before its first checkpoint
                shutil.rmtree(self.run)
        return LocalProcess(words, self.log, self.environment)


class LocalProcess:
    """A process in a session of its own; it holds its log locked."""

    def __init__(self, words: list[str], log: Path, environment: Mapping[str, str]) -> None:
        """Start it.

        Raises:
            RunFailure: A process of the same trial still runs.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._error = ""
        with log.open("ab") as output:
            if not locks.take(output.fileno()):  # goes on with the child's copy of this file
                raise RunFailure(f"another process still writes {log}")
            output.write(f"\n$ {shlex.join(words)}\n".encode())
            output.flush()
            try:
                self._process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **environment},
                    start_new_session=True,
                    preexec_fn=_end_with(os.getpid()),
                )
            except OSError as error:
                self._error = f"cannot start {words[0]}: {error.strerror}"
                output.write(f"error: {self._error}\n".encode())

    @property
    def pid(self) -> int | None:
        """Of the process, which leads a group of the same number."""
        return self._process.pid if self._process else None

    def poll(self) -> Ended | None:
        """How it ended, None while it runs."""
        if self._process is None:
            return Ended(None, self._error)
        code = self._process.poll()
        return None if code is None else Ended(code)

    def wait(self) -> Ended:
        """Until it has ended."""
        if self._process is not None:
            self._process.wait()
        ended = self.poll()
        assert ended is not None
        return ended

    def stop(self) -> None:
        """Ask it to write a checkpoint and leave."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it and its children at once."""
        if self._process is not None:
            _kill_group(self._process.pid)
            self._process.wait()


def _end_with(parent: int) -> Callable[[], None] | None:
    """What makes a new process get SIGTERM when process `parent` dies, however that dies (Linux)."""
    if _LIBC is None:
        return None

    def arrange() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before
            os._exit(1)

    return arrange


def end_leftovers(
    sweep: SweepDirectory, say: Callable[[str], None], grace: float = GRACE, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait for trials that an earlier, killed sweep left running here; end those that do not leave by themselves.

    On Linux they have had their signal when it died.

    Raises:
        RunFailure: One still runs.
    """
    left = [log for t in sweep.trials if t.job is None and locked(log := sweep.log_path(t))]
    for log in left:
        writers = _writers(log)
        named = ", ".join(str(process.pid) for process in writers) or "not of this machine or user"
        say(f"trial {log.stem} still runs (process {named}), left by a sweep that died: waiting for its checkpoint")
        for process in writers if _LIBC is None else []:
            with contextlib.suppress(psutil.Error):
                process.terminate()
    _wait(left, grace, sleep)
    for log in filter(locked, left):
        for process in _writers(log):
            with contextlib.suppress(psutil.Error):
                process.kill()
    _wait(left, 10.0, sleep)
    for log in filter(locked, left):
        raise RunFailure(f"trial {log.stem} still runs: another process writes {log}")


def _wait(logs: list[Path], seconds: float, sleep: Callable[[float], None]) -> None:
    waited = 0.0
    while waited < seconds and any(map(locked, logs)):
        sleep(0.2)
        waited += 0.2


def _writers(log: Path) -> list[psutil.Process]:
    """Processes that print into `log`; not those that read it, such as an editor."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(file.path == str(log.resolve()) and file.fd in (1, 2) for file in process.open_files()):
                found.append(process)
    return found


def _kill_group(pid: int) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        return
    with contextlib.suppress(psutil.Error):  # Windows has no groups
        leader = psutil.Process(pid)
        for process in (*leader.children(recursive=True), leader):
            process.kill()

"""Peers of a benchmark: each in a virtual environment and a process of its own, answering line by line.

The environments live under `.venv-peers` and are made at the first call.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".venv-peers"


@cache
def python_with(package: str, borrow: bool = False) -> Path:
    """The interpreter of the peer's virtual environment, which is made if it is missing.

    With `borrow` it also sees what the running interpreter has, so that PyTorch is the very same and is not fetched
    again; the peer's own packages come first.
    """
    folder = FOLDER / package.partition("==")[0]
    python = folder / "bin" / "python"
    _run(package, sys.executable, "-m", "venv", folder)
    if borrow:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        path = folder / "lib" / version / "site-packages" / "borrowed.pth"
        path.write_text(sysconfig.get_paths()["purelib"] + "\n")
    _run(package, python, "-m", "pip", "install", "--quiet", package)
    return python


def _run(package: str, *command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{package} cannot be installed: {last_line(done.stderr)}")


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


class Worker:
    """A program that prints one line when it is ready and one for each line it is sent."""

    def __init__(self, name: str, command: Sequence[object], environ: Mapping[str, str] | None = None) -> None:
        """Start `command` with `environ` on top of this process's. Raises RuntimeError if it does not get ready."""
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 # lives as long as the process
        self._folder = tempfile.TemporaryDirectory()  # some leave files where they run
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self._folder.name,
            env={**os.environ, **(environ or {})},
            text=True,
        )
        self.greeting = self._read(None)

    def ask(self, question: object, seconds: float | None = None) -> str:
        """Its answer. Raises RuntimeError if it died, TimeoutError (and ends it) if it takes more than `seconds`."""
        print(question, file=self._process.stdin, flush=True)
        return self._read(seconds)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        self._errors.close()
        self._folder.cleanup()

    def _read(self, seconds: float | None) -> str:
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            self._process.kill()
            raise TimeoutError(f"{self.name} takes more than {seconds:g} s")
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"{self.name} does not run: {last_line(self._errors.read())}")
        return line.strip()

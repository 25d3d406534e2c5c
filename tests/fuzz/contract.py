"""What every program owes to whoever gives it something wrong, and a way to try it in this process."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HANGS = 60  # seconds: any refusal takes a fraction of one, on a busy machine too


class Outcome(NamedTuple):
    """How a program ended, and what it printed to standard error."""

    code: int
    error: str


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A working directory of its own."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)


def write(files: Mapping[str, str | bytes]) -> None:
    """Make files below the working directory."""
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)


def tree() -> dict[str, bytes | None]:
    """All that lies below the working directory; None for a folder."""
    places = [path for path in sorted(Path(".").rglob("*")) if path.name != ".lock"]  # a lock may stay, unheld
    return {str(path): path.read_bytes() if path.is_file() else None for path in places}


def start(module: str, argv: Sequence[str]) -> Outcome:
    """Run the program `module` here, as the command line does."""
    main: Any = importlib.import_module(module).main
    error = io.StringIO()
    before = signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(HANGS)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("error", RuntimeWarning)  # it would be a second line on standard error
            code = main(list(argv))
    except SystemExit as end:
        code = end.code
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return Outcome(code, error.getvalue())


def refused(module: str, argv: Sequence[str], codes: tuple[int, ...] = (1, 2)) -> str:
    """Assert that the program refuses `argv`: one line, exit 1 or 2, nothing made and nothing changed.

    Returns the line.
    """
    before = tree()
    outcome = start(module, argv)
    told = f"{module} {list(argv)!r}"[:2000]
    assert outcome.code in codes, f"{told}: exit code {outcome.code}, {outcome.error!r}"
    assert outcome.error.startswith("error: ") and outcome.error.count("\n") == 1, f"{told}: {outcome.error[-3000:]!r}"
    assert outcome.error.endswith("\n") and len(outcome.error) < 3000, f"{told}: {outcome.error!r}"
    assert tree() == before, f"{told}: left {set(tree()) ^ set(before)}"
    return outcome.error


def _hangs(number: int, frame: object) -> None:
    raise AssertionError("no end")

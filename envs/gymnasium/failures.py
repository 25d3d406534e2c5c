"""What goes wrong in somebody else's code, in one line that names the environment.

Worker processes import this module: it does not import torch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gymnasium.error import DependencyNotInstalled

from envs.errors import EnvironmentFailure
from envs.quantities import BadNumber


class Unmakeable(ValueError):
    """What the user asked for is not there; one line says what is missing."""


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn a package that is missing into an Unmakeable."""
    try:
        yield
    except (ImportError, DependencyNotInstalled) as error:
        how = '; pip install "gymnasium[atari]"' if name.startswith("ALE/") else ""
        raise Unmakeable(f"{name} cannot be made: {in_a_line(error)}{how}") from error


@contextmanager
def running(name: str, i: int | None = None) -> Iterator[None]:
    """Turn what an environment's own code raises, `sys.exit()` included, into an EnvironmentFailure that names it."""
    try:
        yield
    except (Unmakeable, EnvironmentFailure):
        raise
    except (Exception, SystemExit) as error:
        which = name if i is None else f"{name}, environment {i}"
        says = in_a_line(error) if isinstance(error, BadNumber) else f"{type(error).__name__}: {in_a_line(error)}"
        raise EnvironmentFailure(f"{which}: {says}") from error


@contextmanager
def forgiven(name: str, i: int | None = None) -> Iterator[None]:
    """Report what fails while an environment is closed, and go on: its results are there already."""
    try:
        yield
    except (Exception, SystemExit) as error:
        which = name if i is None else f"{name}, environment {i}"
        print(f"{which}: closing it failed: {type(error).__name__}: {in_a_line(error)}", file=sys.stderr, flush=True)


def in_a_line(error: BaseException) -> str:
    """What an exception says."""
    return " ".join(str(error).split())

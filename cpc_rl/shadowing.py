"""A file or folder of the user's that hides one of our packages: `python -m` looks in the working directory first.

Names such as `configs` and `envs` are common. Found out here it is one line; found out later it is a traceback about a
name that cannot be imported. Needs the standard library only, for anything else could be what is hidden.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("configs", "envs", "agents", "cpc_repr")
PROGRAMS = ("cpc_rl", "cpc_repr", "agents")


def hidden() -> str | None:
    """What hides which of our packages and what to do about it, in one line; None where nothing does."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin).resolve()
        folder = origin.parent if origin.name == "__init__.py" else origin
        if folder.parent != ROOT:
            return (
                f"{folder} hides the package {name} of cpc-rl: start with python -P -m ..., which does not look in the "
                "working directory, or with the command cpc-rl, or from another folder"
            )
    return None


def starts_a_program() -> bool:
    """Whether this is `python -m` on the way to one of our modules, and not a program that imports the library."""
    return sys.argv[:1] == ["-m"] and any(
        word.removeprefix("-m").partition(".")[0] in PROGRAMS for word in sys.orig_argv[1:]
    )


def refuse() -> None:
    """End the process with one line, exit code 2, where a package is hidden."""
    line = hidden()
    if line is not None:
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)

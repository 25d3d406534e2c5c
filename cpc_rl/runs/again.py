"""The command that goes on with a run: of the program that runs now, which may be a file of the user's own.

Such a file registers losses, encoders or methods that `python -m` of our program alone would not know.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path


def resume_command(module: str, argv: Sequence[str], run: Path) -> str:
    """What to type to go on with `run`.

    Args:
        module: Of our program, `agents.a2c`; it is named where the program was not started by a command line of its
            own (`main([...])` in a notebook).
        argv: What the program was given.
        run: Directory of the run.
    """
    return shlex.join([*_program(module, argv), "--resume", str(run)])


def _program(module: str, argv: Sequence[str]) -> list[str]:
    """The words in front of `argv` in the command that started this process."""
    before = len(sys.argv) - len(argv)
    if before < 1 or sys.argv[before:] != list(argv):
        return ["python", "-m", module]
    spec = getattr(sys.modules["__main__"], "__spec__", None)  # None: a script
    file = Path(sys.argv[0])
    if spec is None and file.stem == "cpc-rl":
        return ["cpc-rl", *sys.argv[1:before]]
    launcher = _launcher()
    if spec is None:
        what = [sys.argv[0]]
    else:
        what = ["-m", *(["--"] if launcher[0] == "torchrun" else []), spec.name.removesuffix(".__main__")]
    return [*launcher, *what, *sys.argv[1:before]]


def _launcher() -> list[str]:
    """`python`, or `torchrun` with as many processes as there are."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    if size == 1:
        return ["python"]
    if size == here:
        return ["torchrun", f"--nproc-per-node={here}"]
    # Where the machines meet is told by whoever starts them.
    return ["torchrun", f"--nnodes={size // here}", f"--nproc-per-node={here}", "..."]

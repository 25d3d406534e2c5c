"""From a trial's parameters to its command line, word for word as wandb's agent writes it."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# Programs that make a run directory where --run says and go on with it after --resume: the words that start them.
RESUMABLE = {"agents.a2c": (("-m", "agents.a2c"), ("cpc-rl", "train"))}


def command_line(
    command: Sequence[str | int | float],
    program: str,
    parameters: Mapping[str, Any],
    interpreter: str = sys.executable,
) -> list[str]:
    """Fill in the macros of `command`.

    Raises:
        ValueError: A macro that is not known.
    """
    macros = {
        "env": ["/usr/bin/env"],
        "interpreter": [interpreter],
        "program": [program],
        "args": [f"--{name}={value}" for name, value in parameters.items()],
        "args_no_equals": [word for name, value in parameters.items() for word in (f"--{name}", str(value))],
        "args_no_hyphens": [f"{name}={value}" for name, value in parameters.items()],
        "args_no_boolean_flags": [
            f"--{name}" if value is True else f"--{name}={value}"
            for name, value in parameters.items()
            if value is not False
        ],
        "args_json": [json.dumps(dict(parameters))],
        "args_append_hydra": [f"+{name}={value}" for name, value in parameters.items()],
        "args_override_hydra": [f"++{name}={value}" for name, value in parameters.items()],
    }
    words: list[str] = []
    for part in command:
        word = re.sub(r"\$\{envvar:([A-Z0-9_]*)\}", lambda found: os.environ.get(found[1], found[1]), str(part))
        macro = re.fullmatch(r"\$\{(.*)\}", word)
        if macro and macro[1] not in macros:
            allowed = ", ".join(f"${{{name}}}" for name in (*macros, "envvar:NAME"))
            raise ValueError(f"command: {word} is not known here; allowed are {allowed}")
        words += macros[macro[1]] if macro else [word]
    return words


def resumable(words: Sequence[str]) -> bool:
    """Whether the command runs a program of ours that keeps a run directory.

    Raises:
        ValueError: The command says itself where that is.
    """
    if not any(program in words for program in RESUMABLE) and not list(_ours(words)):  # torchrun has words between
        return False
    for word in words:
        if word.partition("=")[0] in ("--run", "--resume"):
            raise ValueError(f"command: {word}: the sweep gives each trial its own run directory; leave it out")
    return True


def check_flags(words: Sequence[str]) -> None:
    """Have the flags of a program of ours read, so that one that it refuses is refused before the first trial.

    Raises:
        UsageError: As that program would say it.
    """
    for program, flags in _ours(words):
        importlib.import_module(program).parse(flags)  # by its name: programs stand above the library


def _ours(words: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Programs of `RESUMABLE` that the command starts, and the words behind."""
    for first, second, *flags in (words[i:] for i in range(len(words) - 1)):
        for program, starts in RESUMABLE.items():
            if (Path(first).name, second) in starts:
                yield program, flags


def run_flags(run: Path) -> list[str]:
    """How the run at `run` is begun, or taken up at its newest checkpoint."""
    return ["--resume" if any(run.glob("checkpoint-*.pt")) else "--run", str(run)]

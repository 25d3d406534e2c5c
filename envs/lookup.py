"""What is not there, and what is there instead."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable

from envs.minilab.levels import LEVELS


def why_not(module: str) -> str:
    """Why `module` cannot be imported; empty if it can."""
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken installation may raise anything
        return str(error).partition("\n")[0] or type(error).__name__
    return ""


def unknown(name: str, kind: str, known: Iterable[str]) -> str:
    """The message for a name that is not there: near matches, or all where there are few."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if not near:  # the letters may be right and only a prefix or a version missing
        short = {n.rpartition("/")[2].partition("-v")[0].lower(): n for n in names}
        near = [short[s] for s in difflib.get_close_matches(name.lower(), short, n=3, cutoff=0.6)]
    if near:
        return f"unknown {kind} {name!r}. Did you mean {' or '.join(near)}?"
    few = names if len(names) <= 20 else [level for level in LEVELS if level in names]
    known = f"Known: {', '.join(few)}; " if few else ""
    return f"unknown {kind} {name!r}. {known}`python -m envs list` prints the built-in ones, `list BACKEND` others"

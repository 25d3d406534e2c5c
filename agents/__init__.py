"""Programs: read one file from top to bottom and you know the algorithm.

From Python, `train`, `evaluate` and `load_agent` do what the programs do (`agents.api`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cpc_rl  # noqa: F401 - it looks whether a folder in the working directory hides one of our packages

if TYPE_CHECKING:
    from agents.api import evaluate, load_agent, train

__all__ = ["evaluate", "load_agent", "train"]


def __getattr__(name: str) -> Any:
    """Load `agents.api` when it is asked for: each program would wait for it, and it imports one of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agents import api

    return getattr(api, name)

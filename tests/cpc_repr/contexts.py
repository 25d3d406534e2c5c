"""Contexts for what is tested without a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from cpc_repr.context import Context
from cpc_rl.runs import RunDirectory, StopSignal
from cpc_rl.runs.screen import Screen


def context(config: Any, data: Any, run: Path = Path("unused")) -> Context:
    """A context that says nothing."""
    return Context(
        device=torch.device("cpu"),
        stop=StopSignal(),
        screen=Screen(quiet=True),
        config=config,
        data=data,
        run=RunDirectory(run),
    )

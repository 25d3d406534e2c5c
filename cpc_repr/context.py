"""What the stages of an experiment run in, and how they show how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch

from cpc_repr.training import Stopped
from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.runs import RunDirectory, StopSignal
from cpc_rl.runs.screen import Screen

C = TypeVar("C")
D = TypeVar("D")
Tick = Callable[[int, int], None]  # (how many are done, of how many)


@dataclass(frozen=True, kw_only=True)
class Session:
    """What all runs of one command share."""

    device: torch.device
    stop: StopSignal
    screen: Screen
    group: ProcessGroup = SINGLE

    def say(self, text: str) -> None:
        """Print a line."""
        self.screen.say(text)

    @contextmanager
    def live(self, what: str, lost: str = "") -> Iterator[Tick]:
        """A function that shows how many of how many are done, and raises Stopped once a signal came.

        `lost` says what becomes of those.
        """
        with self.screen.step(what) as step:

            def tick(done: int, total: int) -> None:
                if self.stop.stop:
                    raise Stopped(f"stopped while {what}, {done} of {total} done{lost}")
                step(done, total)

            yield tick


@dataclass(frozen=True, kw_only=True)
class Context(Session, Generic[C, D]):
    """What one run is made in: its settings, its data and its directory."""

    config: C
    data: D
    run: RunDirectory

    @property
    def scratch(self) -> Path:
        """A folder for what is too large for memory; it is gone at the end of the run."""
        return self.run.path / "scratch"

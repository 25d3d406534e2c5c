"""What the stages of an experiment run in, and how they show how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import rich.console
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cpc_repr.training import Stopped
from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.runs import RunDirectory, StopSignal

C = TypeVar("C")
D = TypeVar("D")
Tick = Callable[[int, int], None]  # (how many are done, of how many)


@dataclass(frozen=True, kw_only=True)
class Session:
    """What all runs of one command share."""

    device: torch.device
    stop: StopSignal
    say: Callable[[str], None]  # prints a line
    group: ProcessGroup = SINGLE

    @contextmanager
    def live(self, what: str) -> Iterator[Tick]:
        """A function that shows on a terminal how many of how many are done, and raises Stopped once a signal came."""
        console = rich.console.Console()
        columns = TextColumn("{task.description}"), BarColumn(bar_width=12), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(what)

            def tick(done: int, total: int) -> None:
                if self.stop.stop:
                    raise Stopped("stopped while evaluating")
                progress.update(task, completed=done, total=total)

            yield tick

    def quarters(self, what: str) -> Tick:
        """A function that says at each quarter how many are done, and raises Stopped once a signal came."""
        quarter = 0

        def tick(done: int, total: int) -> None:
            nonlocal quarter
            if self.stop.stop:
                raise Stopped(f"stopped while {what}, {done} of {total} done, which are made anew next time")
            if 4 * done // total > quarter:
                quarter = 4 * done // total
                self.say(f"{what}: {done} of {total}")

        return tick


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

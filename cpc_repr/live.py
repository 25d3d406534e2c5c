"""A line on the terminal for stages that are not training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich.console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cpc_repr.training import Stopped
from cpc_rl.runs import StopSignal

Tick = Callable[[int, int], None]  # (how many are done, of how many)


@contextmanager
def live(what: str, stop: StopSignal) -> Iterator[Tick]:
    """A function that shows on a terminal how many of how many are done, and raises Stopped once a signal came."""
    console = rich.console.Console()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=12), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what)

        def tick(done: int, total: int) -> None:
            if stop.stop:
                raise Stopped("stopped while evaluating")
            progress.update(task, completed=done, total=total)

        yield tick

"""What a program prints: lines, its result, and how far a long step is: live on a terminal, elsewhere now and then."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import rich.console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

BAR, NARROW = 12, 60  # columns of a bar; where the terminal has fewer than NARROW, the words need them


class Output(rich.console.Console):
    """Standard output. Where nobody reads it any more the work goes on: rich itself would end the program."""

    def __init__(self, quiet: bool = False) -> None:
        """`quiet` prints nothing."""
        super().__init__(highlight=False, soft_wrap=True, quiet=quiet)

    def on_broken_pipe(self) -> None:
        """Print nothing more, whoever prints."""
        self.quiet = True
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Step:
    """A long step: what is done, how much of it, and the time left. Calling it says how far it is."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`what` it is, in words: `drawing pictures`."""
        self._clock = clock
        self.begin(what)

    def begin(self, what: str) -> None:
        """Go over to something else."""
        self.what, self.done, self.total, self.note = what, 0, 0, ""
        self._began = self._clock()

    def __call__(self, done: int, total: int = 0, note: str = "") -> None:
        """`done` things are done, of `total` where that is known; `note` is said behind them."""
        self.done, self.total, self.note = done, total, note

    def __str__(self) -> str:
        """`drawing pictures: 1,200 of 5,000 (24%) · 0:01:30 left`."""
        seconds = self._clock() - self._began
        parts = [self.what]
        if self.total:
            parts[0] += f": {self.done:,} of {self.total:,} ({min(self.done / self.total, 1):.0%})"
        elif self.done:
            parts[0] += f": {self.done:,}"
        if self.note:
            parts.append(self.note)
        if self.total and self.done:
            parts.append(f"{clock_time(seconds * (self.total - self.done) / self.done)} left")
        else:
            parts.append(f"for {clock_time(seconds)}")
        return " · ".join(parts)

    def __rich_console__(
        self, console: rich.console.Console, options: rich.console.ConsoleOptions
    ) -> Iterator[rich.console.RenderableType]:
        yield one_line(str(self), self.done / self.total if self.total else None, options.max_width)


class Screen:
    """Where a program prints. A quiet one keeps all but its result to itself."""

    def __init__(self, quiet: bool = False, console: rich.console.Console | None = None, every: float = 30.0) -> None:
        """`console` is stdout by default; without a terminal a step says `every` so many seconds how far it is."""
        self.console = console or Output()
        self.quiet, self.every = quiet, every
        self._steps: list[Step] = []  # that are under way, each within the one before

    def say(self, text: str) -> None:
        """Print a line on how the work goes."""
        if not self.quiet:
            self._print(text)

    def result(self, result: rich.console.RenderableType) -> None:
        """Print what the program was asked for."""
        self._print(result)

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """A step that may take more than some seconds. One within another takes its place meanwhile."""
        step = Step(what)
        self._steps.append(step)
        try:
            if self.quiet or len(self._steps) > 1:
                yield step
            else:
                terminal = self.console.is_terminal
                with (
                    Live(self, console=self.console, transient=True)
                    if terminal
                    else beating(self, self.say, self.every)
                ):
                    yield step
        finally:
            self._steps.pop()

    def __str__(self) -> str:
        return str(self._steps[-1])

    def __rich_console__(
        self, console: rich.console.Console, options: rich.console.ConsoleOptions
    ) -> Iterator[rich.console.RenderableType]:
        yield self._steps[-1]

    def _print(self, what: rich.console.RenderableType) -> None:
        with contextlib.suppress(OSError):  # the terminal or the pipe is gone: the work is not for them
            self.console.print(what, markup=False, soft_wrap=isinstance(what, str))
            self.console.file.flush()


@contextlib.contextmanager
def beating(line: object, say: Callable[[str], None], every: float) -> Iterator[None]:
    """Say `line` each so many seconds of the `with` block, from a thread: whatever the block is busy with.

    The first time comes in a third of that.
    """
    over = threading.Event()

    def beat() -> None:
        wait = every / 3
        while not over.wait(wait):
            say(str(line))
            wait = every

    thread = threading.Thread(target=beat, daemon=True, name="progress")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def one_line(text: str, share: float | None, width: int) -> rich.console.RenderableType:
    """`text` cut to `width` columns, behind a bar of the `share` that is done where there is room for one."""
    words = Text(" ".join(text.split()), no_wrap=True, overflow="ellipsis")
    if share is None or width < NARROW:
        return words
    line = Table.grid(Column(width=BAR), Column(no_wrap=True, overflow="ellipsis"), padding=(0, 1))
    line.add_row(ProgressBar(total=1.0, completed=min(share, 1.0), width=BAR), words)
    return line


def clock_time(seconds: float) -> str:
    """`1:02:03`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"

"""What a person sees of a run: one live line on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType

import rich.console
from rich.live import Live

from cpc_rl.runs.metrics import Row
from cpc_rl.runs.screen import Output, Step, beating, clock_time, one_line

SHOWN = {"return": "episode_return", "loss": "loss/total"}


class Console:
    """Shows progress towards `total` frames (or another unit); use it as a context manager."""

    def __init__(
        self,
        total: int,
        console: rich.console.Console | None = None,
        quiet: bool = False,
        every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        unit: str = "frames",
        shown: Mapping[str, str] = SHOWN,
    ) -> None:
        """`console` is stdout by default; `quiet` shows nothing; `every` and `clock` pace the plain lines.

        `shown` names the metrics behind the time left: how the line calls each, and its key.
        """
        self.total = total
        self._unit, self._shown = unit, shown
        self._console = console or Output(quiet)
        self._every, self._clock = every, clock
        self._next, self._said = -float("inf"), clock()
        self._pending = ""  # the newest line, where it is not shown yet
        self._last: Row = {}
        self._step: Step | None = None  # that training waits for
        self._live = Live(self, console=self._console) if self._console.is_terminal and not quiet else None
        self._beat = (
            contextlib.nullcontext() if self._live or quiet else beating(self, self._break_silence, max(every, 1.0))
        )

    def show(self, row: Row) -> None:
        """Show one row of metrics: frames, rate, time left, and the newest value of each that is `shown`."""
        self._last |= {name: value for name, value in row.items() if value is not None}
        if self._live:  # a thread of its own draws
            return
        self._pending = describe(self._last, self.total, self._unit, self._shown)
        if self._clock() >= self._next:
            self._next = self._clock() + self._every
            self._flush()

    def say(self, text: str) -> None:
        """Print a line of its own, above the live one and behind what is not shown yet."""
        self._flush()
        self._print(text)

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """A step that training waits for: it takes the place of the line meanwhile."""
        self._step = Step(what)
        try:
            yield self._step
        finally:
            self._step = None

    def __str__(self) -> str:
        if self._step is not None:
            return str(self._step)
        return describe(self._last, self.total, self._unit, self._shown) if self._last else "starting"

    def __rich_console__(
        self, console: rich.console.Console, options: rich.console.ConsoleOptions
    ) -> Iterator[rich.console.RenderableType]:
        if self._step is not None:
            yield self._step
        else:
            yield one_line(str(self), int(self._last.get(self._unit) or 0) / self.total, options.max_width)

    def __enter__(self) -> Console:
        if self._live:
            self._live.start()
        self._beat.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beat.__exit__(None, None, None)
        if self._live:
            with contextlib.suppress(OSError):
                self._live.stop()
        self._flush()

    def _break_silence(self, line: str) -> None:
        """Say how things stand where an update, or a step, takes long."""
        if self._clock() - self._said >= 2 * self._every:
            self._flush()
            self._print(line)

    def _flush(self) -> None:
        if self._pending:
            line, self._pending = self._pending, ""
            self._print(line)

    def _print(self, line: str) -> None:
        self._said = self._clock()
        with contextlib.suppress(OSError):  # the terminal or the pipe is gone: training is not for them
            self._console.print(line, markup=False)
            self._console.file.flush()


def describe(row: Row, total: int, unit: str = "frames", shown: Mapping[str, str] = SHOWN) -> str:
    """Say how the run stands: `3,200,000 frames (53%) · 9,870/s · 0:04:43 left · return 12.3 · loss 0.52`."""
    count, rate = int(row.get(unit) or 0), row.get(f"{unit}_per_second") or 0.0
    parts = [f"{count:,} {unit} ({min(count / total, 1.0):.0%})", f"{rate:,.{0 if rate >= 20 or not rate else 1}f}/s"]
    if rate > 0:
        parts.append(f"{clock_time((total - count) / rate)} left")
    for name, key in shown.items():
        value = row.get(key)
        if value is not None:
            parts.append(f"{name} {value:.3g}")
    return " · ".join(parts)

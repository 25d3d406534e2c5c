"""What a person sees of a run: one live line on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from types import TracebackType

import rich.console
from rich.progress import BarColumn, Progress, TextColumn

from cpc_rl.runs.metrics import Row

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
        self._console = console or rich.console.Console(highlight=False, soft_wrap=True, quiet=quiet)
        self._every, self._clock = every, clock
        self._next = -float("inf")
        self._pending = ""  # the newest line, where it is not shown yet
        self._last: Row = {}
        self._live = self._console.is_terminal and not quiet
        self._progress = Progress(
            BarColumn(bar_width=12), TextColumn("{task.description}"), console=self._console, disable=not self._live
        )
        self._task = self._progress.add_task("starting", total=total)

    def show(self, row: Row) -> None:
        """Show one row of metrics: frames, rate, time left, and the newest value of each that is `shown`."""
        self._last |= {name: value for name, value in row.items() if value is not None}
        line = describe(self._last, self.total, self._unit, self._shown)
        if self._live:  # its own thread draws
            self._progress.update(self._task, completed=int(self._last[self._unit] or 0), description=line)
        elif self._clock() >= self._next:
            self._next = self._clock() + self._every
            self._plain(line)
        else:
            self._pending = line

    def say(self, text: str) -> None:
        """Print a line of its own, above the live one and behind what is not shown yet."""
        if self._pending:
            self._plain(self._pending)
        self._print(text)

    def __enter__(self) -> Console:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._progress.stop()
        if self._pending:
            self._plain(self._pending)

    def _plain(self, line: str) -> None:
        self._pending = ""
        self._print(line)

    def _print(self, line: str) -> None:
        with contextlib.suppress(OSError):  # the terminal or the pipe is gone: training is not for them
            self._console.print(line, markup=False)
            self._console.file.flush()  # a log file is read while the run goes on


def describe(row: Row, total: int, unit: str = "frames", shown: Mapping[str, str] = SHOWN) -> str:
    """Say how the run stands: `3,200,000 frames (53%) · 9,870/s · 0:04:43 left · return 12.3 · loss 0.52`."""
    count, rate = int(row.get(unit) or 0), row.get(f"{unit}_per_second") or 0.0
    parts = [f"{count:,} {unit} ({min(count / total, 1.0):.0%})", f"{rate:,.{0 if rate >= 20 or not rate else 1}f}/s"]
    if rate > 0:
        parts.append(f"{_clock_time((total - count) / rate)} left")
    for name, key in shown.items():
        value = row.get(key)
        if value is not None:
            parts.append(f"{name} {value:.3g}")
    return " · ".join(parts)


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"

"""What a person sees of a sweep: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import rich.box
import rich.console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from configs import UsageError, load_yaml
from configs.model import flatten
from cpc_rl.runs.metrics import parse_row
from cpc_rl.runs.screen import Output
from cpc_rl.runs.sweep_directory import SweepDirectory, Trial, parameters_text

COLOURS = {"running": "cyan", "done": "green", "failed": "red", "stopped": "yellow"}
MOST_SECONDS = 1e9  # 30 years: more is not known either
TAIL = 1 << 16  # bytes of metrics.jsonl that are read for its newest values


class Progress(NamedTuple):
    """How far a run is."""

    frames: int
    total: int
    rate: float
    """Frames per second."""
    value: float | None
    """Newest value of the metric."""

    @property
    def left(self) -> float | None:
        """Seconds, if it is known how fast the run is."""
        return min(max(0, self.total - self.frames) / self.rate, MOST_SECONDS) if self.rate > 0 else None


def progress_of(run: Path, metric: str) -> Progress | None:
    """Read how far the run at `run` is; None before its first line of metrics."""
    try:
        settings = flatten(load_yaml(run / "config.yaml"))
        with (run / "metrics.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL))
            lines = file.read().splitlines()
    except (UsageError, OSError):
        return None
    newest: dict[str, Any] = {}
    for line in lines:
        with contextlib.suppress(ValueError):  # the first may be cut, the last half written
            newest |= {name: value for name, value in parse_row(line).items() if value is not None}
    if "frames" not in newest:
        return None
    total = settings.get("run.frames")
    return Progress(
        int(newest["frames"]),
        total if isinstance(total, int) else 0,
        newest.get("frames_per_second", 0.0),
        newest.get(metric),
    )


class View:
    """Shows a sweep; use it as a context manager."""

    def __init__(
        self,
        sweep: SweepDirectory,
        shown: Sequence[Trial],
        metric: str,
        varied: Sequence[str],
        console: rich.console.Console | None = None,
        every: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        quiet: bool = False,
    ) -> None:
        """`shown` are the trials of this call, `varied` the parameters to name.

        `every` paces the plain lines; `quiet` shows nothing.
        """
        self._sweep, self._shown, self._metric, self._varied = sweep, shown, metric, varied
        self.console = console or Output(quiet)
        self._every, self._clock = every, clock
        self._next = clock() + every
        # No thread of its own: processes are started from this one.
        self._live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal and not quiet else None

    def __enter__(self) -> View:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(self.table(whole=True), refresh=True)
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line of its own, above the table."""
        self.console.print(text, markup=False)
        self.console.file.flush()

    def event(self, trial: Trial) -> None:
        """Tell that a trial changed its status; beside a table, which shows it, only of failures."""
        if self._live and trial.status != "failed":
            return
        how = {"failed": f": {trial.error}", "done": ""}.get(trial.status, "")
        self.say(f"trial {trial.index:03d} {trial.status} ({self._parameters(trial)}){how}  {self.counts()}")

    def refresh(self) -> None:
        """Show how things stand, at most as often as is of use."""
        if self._live:
            self._live.update(self.table(), refresh=True)
        elif self._clock() >= self._next:
            self._next = self._clock() + self._every
            for trial in self._shown:
                if trial.status == "running":
                    self.say(f"trial {trial.index:03d}: {self._line(trial)}")

    def _line(self, trial: Trial) -> str:
        frames, rate, value, left = self._cells(trial)
        return f"{frames} frames · {rate}/s · {self._metric} {value or '-'} · {left} left" if frames else "starting"

    def counts(self) -> str:
        """`3 of 8 done, 1 failed, 2 running`."""
        count = Counter(t.status for t in self._shown)
        parts = [f"{count['done']} of {len(self._shown)} done"]
        parts += [f"{count[name]} {name}" for name in ("failed", "stopped", "running", "waiting") if count[name]]
        return ", ".join(parts)

    def table(self, whole: bool = False) -> Table:
        """One line a trial; unless `whole`, only as many as the terminal has lines: those at work come first."""
        order = ("running", "failed", "stopped", "waiting", "done")
        room = len(self._shown) if whole else max(3, self.console.height - 8)
        chosen = sorted(self._shown, key=lambda t: (order.index(t.status), t.index))[:room]
        table = Table(box=rich.box.MINIMAL, caption=f"{self._sweep.path}: {self.counts()}", caption_justify="left")
        for heading in ("trial", "state"):
            table.add_column(heading)
        for heading in ("frames", "frames/s", self._metric.replace("episode_", ""), "left"):
            table.add_column(heading, justify="right")
        table.add_column("parameters", overflow="fold")
        for trial in sorted(chosen, key=lambda t: t.index):
            state = Text(trial.status, COLOURS.get(trial.status, "dim"))
            words = self._parameters(trial) + (f": {trial.error}" if trial.error else "")
            table.add_row(f"{trial.index:03d}", state, *self._cells(trial), Text(words))
        return table

    def _cells(self, trial: Trial) -> list[str]:
        run = self._sweep.run_path(trial)
        at = None if run is None or trial.status == "waiting" else progress_of(run, self._metric)
        if at is None:
            return [""] * 4
        part = f"{at.frames:,}" + (f" ({min(at.frames / at.total, 1):.0%})" if at.total else "")
        value = "" if at.value is None else f"{at.value:.3g}"
        if trial.status != "running":
            return [part, "", value, ""]
        return [part, f"{at.rate:,.0f}", value, "" if at.left is None else str(timedelta(seconds=round(at.left)))]

    def _parameters(self, trial: Trial) -> str:
        return parameters_text({name: trial.parameters[name] for name in self._varied})

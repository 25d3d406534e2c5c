"""Watch runs that go on: a table here, and the report of `cpc_rl.compare` made anew in a page that reloads itself.

    python -m cpc_rl.watch runs/A runs/B runs/SWEEP [--every 60]

Ends when all runs have ended; Ctrl-C leaves earlier and does nothing to the runs.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from configs import UsageError, guarded, load
from configs.errors import INTERRUPTED
from cpc_rl.compare import CompareConfig, show

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from cpc_rl.compare.reading import Run, RunSet
    from cpc_rl.compare.summary import Comparison

SILENT = 300.0  # seconds without a new line: the run may be dead


class WatchConfig(CompareConfig):
    """What to watch, and how its report looks."""

    every: float = Field(default=60.0, ge=1, le=86_400, description="Seconds between two readings of the runs.")
    once: bool = Field(default=False, description="Read the runs once and end.")


def going(run_set: RunSet) -> bool:
    """Whether anything may still happen: a run that is neither done nor failed, or a trial that waits."""
    return run_set.waiting > 0 or any(run.state == "unfinished" for run in run_set.runs)


def standing(run: Run, now: float) -> str:
    """How a run stands: done, failed, going, or for how long it has been silent."""
    if run.state != "unfinished":
        return run.state
    silence = now - run.touched
    return "going" if silence < SILENT else f"silent for {_duration(silence)}"


def table(run_set: RunSet, now: float) -> RenderableType:
    """A line a run."""
    import rich.box
    from rich.table import Table
    from rich.text import Text

    from cpc_rl.compare.phrases import millions, number
    from cpc_rl.compare.summary import words_of

    made = Table(box=rich.box.MINIMAL)
    for heading in ("run", "level", "aux", "seed"):
        made.add_column(heading)
    for heading in ("frames", "of", "frames/s", "left", words_of(run_set.metric), "state"):
        made.add_column(heading, justify="right")
    for run in run_set.runs:
        words = (run.path, run.env, run.settings.get("aux"), run.seed)
        state = standing(run, now)
        rate = run.rate if state == "going" else None
        left = (run.planned - run.reached) / rate if run.planned and rate else None
        share = f"{min(run.reached / run.planned, 1):.0%}" if run.planned else "-"
        newest = float(run.curve.returns[-1]) if run.has_episodes else None
        cells = [millions(run.reached), share, f"{rate:,.0f}" if rate else "-"]
        cells += ["-" if left is None else _duration(left), number(newest)]
        colour = {"done": "green", "stopped": "green", "failed": "red", "going": "cyan"}.get(state, "yellow")
        made.add_row(*(Text(str(word)) for word in (*words, *cells)), Text(state, style=colour))
    if run_set.waiting or run_set.lost:
        made.caption = f"{run_set.waiting} trials wait, {len(run_set.lost)} failed before they began"
    return made


def line(run_set: RunSet, now: float) -> str:
    """All runs in one line, for a log."""
    count: dict[str, int] = {}
    for run in run_set.runs:
        state = standing(run, now).split()[0]
        count[state] = count.get(state, 0) + 1
    if run_set.waiting:
        count["waiting"] = run_set.waiting
    frames = sum(run.reached for run in run_set.runs)
    return f"{time.strftime('%H:%M:%S', time.localtime(now))} {frames:,} frames; " + ", ".join(
        f"{number} {state}" for state, number in count.items()
    )


def watch(config: WatchConfig, command: Sequence[str], console: Console) -> None:
    """Look, show and write every so often until all runs have ended.

    Raises:
        UsageError: Something is neither a run nor a sweep, or runs that cannot be compared.
        RunFailure: All runs have ended and none has a curve.
    """
    from rich.live import Live

    from cpc_rl.compare import reading

    seen: object = None
    with Live(console=console, auto_refresh=False) as live:
        while True:
            run_set, now = reading.find(config.runs, metric=config.metric), time.time()
            on = going(run_set) and not config.once
            if console.is_terminal and not config.quiet:
                live.update(table(run_set, now), refresh=True)
            elif not config.quiet:
                console.print(line(run_set, now), highlight=False, soft_wrap=True)
            state = [(run.path, run.reached, run.state) for run in run_set.runs]
            if state != seen or not on:  # drawing takes seconds that the runs could use
                comparison = _report(config, run_set, command, on)
            if not on:
                break
            seen = state
            time.sleep(config.every)
    if comparison is not None:
        if not console.is_terminal or config.quiet:
            console.print(table(run_set, now))
        show(comparison, console.print)


def _report(config: WatchConfig, run_set: RunSet, command: Sequence[str], on: bool) -> Comparison | None:
    """Write the report; None while there is nothing to draw and something may come."""
    from cpc_rl.compare import report
    from cpc_rl.compare.summary import compare

    limit = math.inf if config.frames is None else config.frames
    if going(run_set) and not any(run.has_episodes and run.curve.frames[0] <= limit for run in run_set.runs):
        return None
    comparison = compare(run_set, config.by, config.baseline, config.mix_backends, config.frames)
    report.write(comparison, config.out, command, refresh=config.every if on else None)
    return comparison


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        config = load(WatchConfig, argv, prog="python -m cpc_rl.watch", description=__doc__ or "")
        if not config.runs:
            raise UsageError("give one run directory or more; see --help")
        import rich.console

        console = rich.console.Console()
        if not console.is_terminal:
            console.width = 240
        page = config.out / "report.html"
        if not config.quiet:
            console.print(f"report: {page}", highlight=False, soft_wrap=True, markup=False)
        try:
            watch(config, ["python", "-m", "cpc_rl.watch", *argv], console)
        except KeyboardInterrupt:
            console.print("no longer watching; the runs go on", highlight=False)
            return INTERRUPTED
        return 0

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())

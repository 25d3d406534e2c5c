"""Compare runs: learning curves with intervals over seeds, differences from a baseline, and a report to look at.

    python -m cpc_rl.compare runs/A runs/B runs/C [--by aux] --out runs/compared

Give run directories, sweep directories or both. Runs are sorted into arms by what differs between them, or `--by KEY`,
which may be repeated: by these keys of their configurations. Runs of one arm that differ in their seed are replicates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from pydantic import Field

from configs import QUIET, Frozen, UsageError, guarded, load

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cpc_rl.compare.summary import Comparison


class CompareConfig(Frozen):
    """What to compare."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = Field(
        description="Run directories, or sweeps."
    )
    by: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY")] = Field(
        default=(),
        description="Keys of config.yaml that tell the arms apart: aux, cpc.steps, optimiser.name, ... By default "
        "what differs.",
    )
    baseline: Annotated[str | None, tyro.conf.arg(metavar="ARM")] = Field(
        default=None,
        description="Arm the others are compared with. By default the first without auxiliary loss, or else the first.",
    )
    metric: Annotated[str, tyro.conf.arg(metavar="NAME")] = Field(
        default="episode_return",
        description="Metric to compare, as metrics.jsonl names it: episode/finds, eval/return, entropy, ...",
    )
    frames: int | None = Field(
        default=None, ge=1, le=10**15, description="Compare the first so many frames only; longer runs are cut there."
    )
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Field(
        default=Path("runs/compared"), description="Folder of the figure, the tables and report.html."
    )
    mix_backends: bool = Field(
        default=False, description="Put runs of one environment on different back ends into one panel."
    )
    quiet: bool = Field(default=False, description=QUIET)
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


def show(comparison: Comparison, put: Callable[[RenderableType], None]) -> None:
    """Print the finding, the tables and what must not be hidden, each by `put`."""
    from rich.text import Text

    from cpc_rl.compare import phrases, tables

    put(Text(phrases.headline(comparison), style="bold"))
    for table in tables.tables(comparison):
        put(tables.console(table))
    for note in phrases.notes(comparison):
        put(Text(f"! {note}", style="yellow"))


def compare_runs(config: CompareConfig, command: Sequence[str]) -> None:
    """Read, compare, print and write."""
    from cpc_rl.compare import reading, report
    from cpc_rl.compare.summary import compare
    from cpc_rl.runs.screen import Screen

    screen = Screen(config.quiet)
    if not screen.console.is_terminal:  # a file is as wide as its lines
        screen.console.width = 240
    with screen.step("reading runs") as step:
        run_set = reading.find(config.runs, step, config.metric)
        step.begin("comparing")
        comparison = compare(run_set, config.by, config.baseline, config.mix_backends, config.frames)
    show(comparison, screen.result)
    with screen.step("drawing"):
        written = report.write(comparison, config.out, command)
    screen.say(f"wrote {', '.join(map(str, written))}")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        config = load(CompareConfig, argv, prog="python -m cpc_rl.compare", description=__doc__ or "")
        if not config.runs:
            raise UsageError("give one run directory or more; see --help")
        compare_runs(config, ["python", "-m", "cpc_rl.compare", *argv])
        return 0

    return guarded(program, debug="--debug" in argv)

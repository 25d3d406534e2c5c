"""Draw the learning curves of several runs side by side: one panel an environment, one line an arm.

    python -m cpc_rl.compare runs/A runs/B runs/C --out runs/compared

Runs of the same arm (`--by`, a key of their configurations) are averaged into one curve; each stands behind it, thin.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import rich.box
import rich.console
import tyro
from matplotlib.figure import Figure
from pydantic import Field
from rich.table import Table

from configs import Frozen, RunFailure, UsageError, guarded, load, load_yaml
from configs.model import flatten
from cpc_rl.runs import RunDirectory, read_metrics

COLOURS = {"none": "black", "cpc": "tab:red"}
POINTS = 60  # of a curve


class CompareConfig(Frozen):
    """What to compare."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = Field(
        description="Run directories."
    )
    by: str = Field(default="aux", description="Key of config.yaml that tells the arms apart: aux, optimiser.name, ...")
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Field(
        default=Path("runs/compared"), description="Folder of compared.png."
    )
    mix_backends: bool = Field(
        default=False, description="Average runs of one environment on different back ends into one curve."
    )
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


class Run(NamedTuple):
    """One run, as far as comparing goes."""

    path: Path
    env: str
    backend: str
    arm: str
    frames: np.ndarray  # [N], of each line of metrics that has a return
    returns: np.ndarray  # [N]


def read_run(path: Path, by: str) -> Run:
    """Read a run directory.

    Raises:
        UsageError: Not a run directory, or no such key in its configuration.
        RunFailure: No episode has ended in it.
    """
    run = RunDirectory.open(path)
    settings = flatten(load_yaml(run.config_path))
    if by not in settings:
        raise UsageError(f"--by {by}: {run.config_path} has no such key; it has {', '.join(settings)}")
    frames, returns = episode_returns(path)
    return Run(
        path, str(settings.get("env.name")), str(settings.get("env.backend")), str(settings[by]), frames, returns
    )


def episode_returns(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Frames [N] and mean episode return [N] of the lines of metrics in which an episode ended.

    Raises:
        RunFailure: There are none.
    """
    rows = [row for row in read_metrics(path / "metrics.jsonl") if row.get("episode_return") is not None]
    if not rows:
        raise RunFailure(f"{path}: no episode has ended yet, so there is no curve")
    frames, returns = (np.array([row[key] for row in rows], dtype=float) for key in ("frames", "episode_return"))
    return frames, returns


def curve(frames: np.ndarray, returns: np.ndarray, grid: np.ndarray, window: int = 5) -> np.ndarray:
    """Return over frames: each point smoothed with the `window` - 1 before it, on `grid`; NaN where there is none."""
    means = np.array([returns[max(0, i - window + 1) : i + 1].mean() for i in range(len(returns))])
    return np.interp(grid, frames, means, left=np.nan, right=np.nan)


def panels(runs: Sequence[Run], mix_backends: bool = False) -> dict[str, dict[str, list[Run]]]:
    """Sort runs into environment -> arm -> runs.

    Raises:
        UsageError: One environment was played on several back ends, and `mix_backends` does not allow it.
    """
    sorted_runs: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        sorted_runs.setdefault(run.env, {}).setdefault(run.arm, []).append(run)
    for env, arms in sorted_runs.items():
        played = {run.backend: str(run.path) for arm in arms.values() for run in arm}
        if len(played) > 1 and not mix_backends:
            listed = ", ".join(f"{backend} (as in {path})" for backend, path in played.items())
            raise UsageError(f"runs of {env} are of different back ends: {listed}; --mix-backends compares them anyway")
    return sorted_runs


def draw(sorted_runs: Mapping[str, Mapping[str, Sequence[Run]]], path: Path) -> None:
    """Draw a panel for each environment into the picture `path`, each as far as its shortest run goes."""
    figure = Figure(figsize=(max(6.0, 4.2 * len(sorted_runs)), 4), layout="constrained")
    for axis, (env, arms) in zip(
        figure.subplots(1, len(sorted_runs), squeeze=False)[0], sorted_runs.items(), strict=True
    ):
        grid = common_grid([run for runs in arms.values() for run in runs])
        for i, (arm, runs) in enumerate(arms.items()):
            lines = np.stack([curve(run.frames, run.returns, grid) for run in runs])  # [runs, POINTS]
            colour = COLOURS.get(arm, f"C{i}")
            axis.plot(grid, lines.T, color=colour, alpha=0.3, linewidth=0.8)
            axis.plot(grid, lines.mean(0), color=colour, linewidth=2, label=f"{arm} ({_runs(len(runs))})")
        backends = sorted({run.backend for runs in arms.values() for run in runs})
        axis.set(title=f"{env} ({' and '.join(backends)})", xlabel="frames", ylabel="episode return")
        axis.grid(alpha=0.3)
        axis.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def common_grid(runs: Sequence[Run]) -> np.ndarray:
    """Frames [POINTS] at which all of `runs` have a curve."""
    first, last = max(run.frames[0] for run in runs), min(run.frames[-1] for run in runs)
    if first > last:
        raise UsageError(
            f"the runs of {runs[0].env} share no frames: one begins at {first:,.0f}, one ends at {last:,.0f}"
        )
    return np.linspace(first, last, POINTS)


def summary(sorted_runs: Mapping[str, Mapping[str, Sequence[Run]]]) -> Table:
    """One line an arm: how many runs of how many frames, and what each returned at the end."""
    table = Table(box=rich.box.MINIMAL, caption="return of training over the last tenth of the frames that all share")
    for heading in ("environment", "back end", "arm"):
        table.add_column(heading)
    for heading in ("runs", "frames", "return", "each"):
        table.add_column(heading, justify="right")
    for env, arms in sorted_runs.items():
        grid = common_grid([run for runs in arms.values() for run in runs])
        for arm, runs in arms.items():
            lines = np.stack([curve(run.frames, run.returns, grid) for run in runs])
            last = lines[:, -POINTS // 10 :].mean(1)
            backends = " and ".join(sorted({run.backend for run in runs}))
            each = ", ".join(f"{value:.2f}" for value in last)
            table.add_row(env, backends, arm, str(len(runs)), f"{grid[-1]:,.0f}", f"{last.mean():.2f}", each)
    return table


def _runs(count: int) -> str:
    return f"{count} run{'s' if count > 1 else ''}"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        config = load(CompareConfig, argv, prog="python -m cpc_rl.compare", description=__doc__ or "")
        if not config.runs:
            raise UsageError("give one run directory or more; see --help")
        sorted_runs = panels([read_run(path, config.by) for path in config.runs], config.mix_backends)
        console = rich.console.Console()
        console.print(summary(sorted_runs))
        draw(sorted_runs, config.out / "compared.png")
        console.print(f"wrote {config.out / 'compared.png'}", highlight=False, soft_wrap=True)
        return 0

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())

"""Run directories and sweeps as far as comparing goes: settings, curve, and how far each run came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from configs import RunFailure, UsageError, check_program, load_yaml
from configs.errors import readable, shorten
from configs.model import flatten
from cpc_rl.aux import upgrade
from cpc_rl.compare.curves import RETURN, Curve, read_curve
from cpc_rl.runs import RunDirectory, read_metrics
from cpc_rl.runs.sweep_directory import SweepDirectory

State = Literal["done", "stopped", "unfinished", "failed"]


@dataclass(frozen=True, eq=False)  # a run is itself: two with the same curve are two
class Run:
    """One run."""

    path: Path
    settings: dict[str, Any]  # of config.yaml, dotted keys
    curve: Curve
    state: State
    error: str = ""  # of a failed one
    reason: str = ""  # why a stopped one ended early
    logged: frozenset[str] = frozenset()  # metrics in its lines
    broken: int = 0  # lines whose return is not a number
    reached: int = 0  # frames
    planned: int | None = None  # frames
    seconds: float | None = None  # trained
    rate: float | None = None  # frames per second, lately
    touched: float = 0.0  # when its last line was written, in seconds since 1970

    @property
    def name(self) -> str:
        """Its folder's name."""
        return readable(self.path.resolve().name)

    @property
    def env(self) -> str:
        """Level."""
        return str(self.settings.get("env.name"))

    @property
    def backend(self) -> str:
        """Who played it."""
        return str(self.settings.get("env.backend"))

    @property
    def seed(self) -> Any:
        """Of the run; None where its configuration has none."""
        return self.settings.get("run.seed")

    @property
    def has_episodes(self) -> bool:
        """Whether there is a curve."""
        return len(self.curve.frames) > 0


class RunSet(NamedTuple):
    """What lies at the places that were given."""

    runs: list[Run]
    lost: list[str]  # trials that failed before they were runs, in words
    waiting: int  # trials that have not begun
    metric: str = RETURN  # that the curves are of


def find(paths: Iterable[Path], tick: Callable[[int], None] = lambda read: None, metric: str = RETURN) -> RunSet:
    """Read run directories, and all trials of sweep directories; each once.

    Args:
        paths: Of either.
        tick: Told after each run how many are read.
        metric: Of the curves.

    Raises:
        UsageError: One is neither.
        RunFailure: The state of a sweep is damaged.
    """
    runs: dict[Path, Run] = {}
    lost, waiting = [], 0
    for path in paths:
        if not (path / "state.json").is_file():
            runs.setdefault(path.resolve(), read_run(path, metric=metric))
            tick(len(runs))
            continue
        sweep = SweepDirectory.open(path)
        for trial in sweep.trials:
            place, error = sweep.run_path(trial), (trial.error or "no reason given") if trial.status == "failed" else ""
            if place is not None and (place / "config.yaml").is_file():
                runs.setdefault(place.resolve(), read_run(place, error, metric))
                tick(len(runs))
            elif error:
                lost.append(f"{path}, trial {trial.index}: failed before its run began ({' '.join(error.split())})")
            elif trial.status == "done":
                lost.append(f"{path}, trial {trial.index}: its program kept no run here")
            else:
                waiting += 1
    return RunSet(list(runs.values()), lost, waiting, metric)


def read_run(path: Path, error: str = "", metric: str = RETURN) -> Run:
    """Read a run directory and its curve of `metric`; `error` is why it failed, where that is known.

    Raises:
        UsageError: Not a run directory, or its configuration says what no run's can.
    """
    run = RunDirectory.open(path)
    saved = upgrade(load_yaml(run.config_path))
    check_program(path, saved, ["agents.a2c", "cpc_rl.pretrain"])
    settings = flatten(saved)
    _whole(settings, "run.seed", run)
    try:
        rows, reason = read_metrics(run.metrics_path), run.read_stopped()
    except RunFailure as damage:
        rows, reason, error = [], "", error or str(damage)
    curve, broken = read_curve(rows, metric)
    last = rows[-1] if rows else {}
    reached, planned = int(last.get("frames") or 0), _whole(settings, "run.frames", run)
    state: State = "done" if planned is None or reached >= planned else "stopped" if reason else "unfinished"
    if error:
        state = "failed"
    return Run(
        path=path,
        settings=settings,
        curve=curve,
        state=state,
        error=error,
        reason=reason,
        logged=frozenset(name for row in rows for name in row),
        broken=broken,
        reached=reached,
        planned=planned,
        seconds=last.get("seconds"),
        rate=last.get("frames_per_second"),
        touched=max(file.stat().st_mtime for file in (run.config_path, run.metrics_path) if file.exists()),
    )


def _whole(settings: Mapping[str, Any], key: str, run: RunDirectory) -> int | None:
    value = settings.get(key)
    if value is not None and type(value) is not int:
        raise UsageError(f"{run.config_path}: {key} = {shorten(repr(value))}: must be a whole number")
    return value

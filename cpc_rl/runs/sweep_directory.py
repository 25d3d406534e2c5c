"""The directory of a sweep: its file, the state of each trial, their run directories and logs.

    sweep.yaml          the sweep file as it was given
    state.json          seed and trials: parameters, status, exit code, error
    trials/003/         run directory of trial 3
    logs/003.log        what trial 3 printed

A log is locked by the processes that write it, for as long as one of them lives: so a trial that outlived its
sweep is found, whatever was or was not written about it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from configs import RunFailure, UsageError, difference, explain, load_yaml
from cpc_rl.runs.files import write_atomic
from envs import locks

Status = Literal["waiting", "running", "done", "failed", "stopped"]


class Trial(BaseModel):
    """One trial. `stopped` ones were interrupted and go on; `error` is the line a failed one ended with."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0, lt=100_000)
    parameters: dict[str, Any]
    status: Status = "waiting"
    run: str | None = None  # relative to the sweep's directory; None for a program that keeps none
    log: str
    exit_code: int | None = Field(default=None, ge=-1000, lt=2**32)  # minus a signal's number, or a status
    error: str | None = None
    job: str | None = Field(default=None, pattern=r"^[a-z-]+:\w+$")  # of a cluster's queue, while it is there

    @model_validator(mode="after")
    def _stay_inside(self) -> Self:
        """A run directory may be removed and a log is written: neither is where somebody's text says."""
        for name, given, right in (
            ("run", self.run, (None, f"trials/{self.index:03d}")),
            ("log", self.log, (f"logs/{self.index:03d}.log",)),
        ):
            if given not in right:
                raise ValueError(f"{name} of trial {self.index} is {given!r}, not {right[-1]}")
        return self


class State(BaseModel):
    """All of state.json."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    seed: int = Field(ge=0, lt=2**31)
    cross: list[str]
    trials: list[Trial] = []

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if [trial.index for trial in self.trials] != list(range(len(self.trials))):
            raise ValueError("trials are not numbered 0, 1, 2, ...")
        return self


class SweepDirectory:
    """A sweep on disk."""

    def __init__(self, path: Path, state: State) -> None:
        """Use `make` or `open`."""
        self.path, self.state = path, state

    @property
    def trials(self) -> list[Trial]:
        """All trials so far, by index."""
        return self.state.trials

    @classmethod
    def make(
        cls, path: Path, content: Mapping[str, Any], text: bytes, seed: int, cross: Sequence[str]
    ) -> SweepDirectory:
        """Make the directory of a new sweep, or open that of the same sweep.

        Args:
            path: Where.
            content: Of the sweep file.
            text: The file itself, to keep.
            seed: Of the draws.
            cross: Names of the parameters that are crossed with them.

        Raises:
            UsageError: There is something else at `path`, or another sweep: says what differs.
        """
        if (path / "state.json").is_file():
            old = cls.open(path)
            before = {"seed": old.state.seed, "cross": old.state.cross, "file": load_yaml(path / "sweep.yaml")}
            now = {"seed": seed, "cross": list(cross), "file": content}
            if changes := difference(before, now):
                listed = "; ".join(f"{key.removeprefix('file.')} was {a}, is {b}" for key, a, b in changes)
                raise UsageError(f"{path} is a sweep that differs: {listed}; give another --out")
            return old
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(entry.name != "sweep.yaml" and entry.name[0] != "." for entry in path.iterdir()):
                raise UsageError(f"{path} exists and is not a sweep's directory; give another --out")
        except FileExistsError as error:
            raise UsageError(f"{path} exists and is not a directory; give another --out") from error
        write_atomic(path / "sweep.yaml", lambda file: file.write(text))
        sweep = cls(path, State(seed=seed, cross=list(cross)))
        sweep.save()
        return sweep

    @classmethod
    def open(cls, path: Path) -> SweepDirectory:
        """Read what is there. Raises UsageError where there is no sweep, RunFailure if its state is damaged."""
        file = path / "state.json"
        if not file.is_file():
            raise UsageError(f"{path} is not a sweep's directory: it has no state.json")
        try:
            return cls(path, State.model_validate_json(file.read_bytes()))
        except ValidationError as error:
            raise RunFailure(f"{file}: {explain(error)}") from error

    def add(self, parameters: Sequence[Mapping[str, Any]], keeps_runs: bool) -> None:
        """Know of trials 0 .. len(parameters) - 1; those known already stay as they are."""
        for index in range(len(self.trials), len(parameters)):
            trial = Trial(index=index, parameters=dict(parameters[index]), log=f"logs/{index:03d}.log")
            trial.run = f"trials/{index:03d}" if keeps_runs else None
            self.trials.append(trial)
        for folder in ("trials", "logs"):
            (self.path / folder).mkdir(exist_ok=True)
        self.save()

    def save(self) -> None:
        """Write state.json."""
        text = self.state.model_dump_json(indent=1)
        write_atomic(self.path / "state.json", lambda file: file.write(text.encode()))

    def run_path(self, trial: Trial) -> Path | None:
        """Where the trial's run directory is, or will be. Raises UsageError where a link leads out of the sweep."""
        return None if trial.run is None else self._inside(trial.run)

    def log_path(self, trial: Trial) -> Path:
        """Where its output goes. Raises UsageError where a link leads out of the sweep."""
        return self._inside(trial.log)

    def _inside(self, name: str) -> Path:
        path = self.path / name
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise UsageError(f"{path} leads out of the sweep, to {path.resolve()}; link the whole sweep instead")
        return path

    def lock(self) -> BinaryIO:
        """Be the only process that works on this sweep, until the file given back is closed.

        Raises:
            UsageError: Another one does.
        """
        file = self._inside(".lock").open("a+b")
        if not locks.take(file.fileno()):
            file.seek(0)
            owner = file.read().decode() or "unknown"
            file.close()
            raise UsageError(f"process {owner} is at work on {self.path} already")
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        return file


def locked(path: Path) -> bool:
    """Whether a process holds `path` locked."""
    if not path.exists():
        return False
    with path.open("ab") as file:
        return not locks.take(file.fileno())


def last_line(log: Path) -> str:
    """The error a program ended its log with: its last `error:` line, or else its last line."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = [line.strip() for line in text.rpartition("\n$ ")[2].splitlines()[1:] if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it printed nothing"])[-1]


def parameters_text(parameters: Mapping[str, Any]) -> str:
    """`learning_rate 0.00123, aux cpc`: the last part of each name, numbers short."""
    cells = (f"{name.rpartition('.')[2]} {_short(value)}" for name, value in parameters.items())
    return ", ".join(cells)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value).strip('"')

"""The trackers that `--track` names, each behind the same three methods; a package is imported only when asked for.

`cpc_rl.runs.tracking` uses them: it decides what each is sent, and what happens when one fails.
"""

from __future__ import annotations

import importlib
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from configs import UsageError
from configs.model import flatten
from cpc_rl.runs.metrics import Row


@dataclass(frozen=True)
class Place:
    """Where a tracker files a run."""

    folder: Path  # of the run
    name: str
    project: str
    id: str  # the tracker's own, of the parts before; empty: this is the first
    config: Mapping[str, Any]
    unit: str  # what the run counts, `frames` or `updates`: the axis of every curve
    count: int  # at which it begins or goes on


class Tracker(Protocol):
    """A run at one tracker.

    Attributes:
        id: The tracker's own name for the run; a `Place` with it goes on with the same run.
        forgets: Whether opening it dropped rows of more than `Place.count`, as metrics.jsonl does.
    """

    id: str
    forgets: bool

    def write(self, row: Row) -> None:
        """Send one row; what is not a number is left out."""

    def close(self) -> None:
        """Send what is left, and end the run there."""


class Wandb:
    """Weights & Biases. WANDB_MODE=offline needs no account."""

    forgets = False

    def __init__(self, place: Place) -> None:
        wandb = package("wandb")
        self._run = wandb.init(
            project=place.project,
            name=place.name,
            id=place.id or secrets.token_hex(4),
            resume="allow",
            dir=place.folder,
            config=dict(place.config),
        )
        self.id: str = self._run.id  # a sweep's agent gives its own, whatever was asked for
        self._run.define_metric(place.unit)
        self._run.define_metric("*", step_metric=place.unit)

    def write(self, row: Row) -> None:
        """Log one row."""
        self._run.log(_numbers(row))

    def close(self) -> None:
        """Finish, and upload what is left."""
        self._run.finish()


class TensorBoard:
    """TensorBoard's event files, in `tensorboard/` of the run directory."""

    forgets = True

    def __init__(self, place: Place) -> None:
        self.id = "tensorboard"
        self._unit = place.unit
        self._writer = package("tensorboard").SummaryWriter(
            str(place.folder / "tensorboard"), purge_step=place.count + 1 if place.count else None
        )

    def write(self, row: Row) -> None:
        """Add a scalar for each number."""
        for name, value in _numbers(row, self._unit).items():
            self._writer.add_scalar(name, value, row[self._unit])

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


class Trackio:
    """Trackio, which keeps runs on this machine: in `TRACKIO_DIR`, or the user's cache."""

    forgets = False

    def __init__(self, place: Place) -> None:
        trackio = package("trackio")
        self.id = place.id or f"{place.name}-{secrets.token_hex(2)}"
        self._unit = place.unit
        self._run = trackio.init(
            project=place.project, name=self.id, resume="allow", config=flatten(place.config), embed=False
        )

    def write(self, row: Row) -> None:
        """Log one row."""
        self._run.log(_numbers(row, self._unit), step=int(row[self._unit] or 0))

    def close(self) -> None:
        """Wait until all is written."""
        self._run.finish()


class MLflow:
    """MLflow, at MLFLOW_TRACKING_URI or where MLflow keeps runs without it; a project is an experiment there."""

    forgets = False

    def __init__(self, place: Place) -> None:
        self._mlflow = package("mlflow")
        self._client = self._mlflow.MlflowClient()
        self._unit = place.unit
        self.id: str = place.id or self._create(place)
        self._client.update_run(self.id, status="RUNNING")

    def write(self, row: Row) -> None:
        """Log one row."""
        now, step = int(1000 * time.time()), int(row[self._unit] or 0)
        numbers = _numbers(row, self._unit).items()
        metrics = [self._mlflow.entities.Metric(name, value, now, step) for name, value in numbers]
        self._client.log_batch(self.id, metrics=metrics)

    def close(self) -> None:
        """Say that the run has ended, or pauses."""
        self._client.set_terminated(self.id)

    def _create(self, place: Place) -> str:
        client = self._client
        found = client.get_experiment_by_name(place.project)
        experiment = found.experiment_id if found else client.create_experiment(place.project)
        run: str = client.create_run(experiment, run_name=place.name).info.run_id
        params = [
            self._mlflow.entities.Param(name, str(value)[:LONGEST]) for name, value in flatten(place.config).items()
        ]
        for i in range(0, len(params), PARAMS):
            client.log_batch(run, params=params[i : i + PARAMS])
        return run


PARAMS, LONGEST = 100, 6000  # parameters, and characters of one, that MLflow takes at once
TRACKERS: dict[str, type[Wandb] | type[TensorBoard] | type[Trackio] | type[MLflow]] = {
    "wandb": Wandb,
    "tensorboard": TensorBoard,
    "trackio": Trackio,
    "mlflow": MLflow,
}
MODULES = {"tensorboard": "torch.utils.tensorboard"}  # where it is not the tracker's name


def tracker_names(track: str) -> list[str]:
    """The trackers that `--track` names: `none`, or names with commas between them.

    Raises:
        ValueError: One is not known.
    """
    names = [] if track == "none" else [name.strip() for name in track.split(",")]
    for name in names:
        if name not in TRACKERS:
            allowed = ", ".join(["none", *TRACKERS])
            raise ValueError(f"no tracker {name!r}; allowed are {allowed}, and several with commas between them")
    return list(dict.fromkeys(names))


def check_packages(trackers: Iterable[str]) -> None:
    """Raise UsageError where the package of a tracker is missing: before anything is made."""
    for tracker in trackers:
        package(tracker)


def package(tracker: str) -> Any:
    """The package of a tracker. Raises UsageError where it is missing, or a folder of its name is all there is."""
    missing = f'--track {tracker} needs a package: pip install "cpc-rl[{tracker}]"'
    try:
        module = importlib.import_module(MODULES.get(tracker, tracker))
    except ImportError as error:
        raise UsageError(missing) from error
    if module.__file__ is None:  # Python takes any folder for a package, such as one of old runs
        place = next(iter(getattr(module, "__path__", [])), tracker)
        raise UsageError(f"{missing} ({place} is only a folder)")
    return module


def _numbers(row: Row, *without: str) -> dict[str, float]:
    return {name: value for name, value in row.items() if value is not None and name not in without}

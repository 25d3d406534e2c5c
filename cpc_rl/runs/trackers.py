"""The two optional places metrics go to besides metrics.jsonl; each package is imported only when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs import UsageError
from cpc_rl.runs.config import RunSettings
from cpc_rl.runs.metrics import Row


def wandb_module() -> Any:
    """The package. Raises UsageError where it is missing, or a folder `wandb` of old runs is all there is."""
    try:
        import wandb
    except ImportError as error:
        raise UsageError('--wandb needs a package: pip install "cpc-rl[wandb]"') from error
    if not hasattr(wandb, "init"):  # Python takes any folder for a package
        place = next(iter(getattr(wandb, "__path__", [])), "wandb")
        raise UsageError(f'--wandb needs a package: pip install "cpc-rl[wandb]" ({place} is only a folder)')
    return wandb


def tensorboard_module() -> Any:
    """The package. Raises UsageError where it is missing."""
    try:
        return importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise UsageError('--tensorboard needs a package: pip install "cpc-rl[tensorboard]"') from error


def check_trackers(settings: RunSettings) -> None:
    """Raise UsageError where a package that is asked for is missing: before anything is made."""
    if settings.wandb:
        wandb_module()
    if settings.tensorboard:
        tensorboard_module()


class Wandb:
    """Weights & Biases, with `frames` (or another unit) as the axis of every curve."""

    def __init__(
        self, folder: Path, project: str, run_id: str, config: Mapping[str, Any], unit: str = "frames"
    ) -> None:
        """Start or continue the run `run_id`. Raises UsageError without the package or an account."""
        wandb = wandb_module()
        try:
            self._run = wandb.init(
                project=project, name=folder.name, id=run_id, resume="allow", dir=folder, config=dict(config)
            )
        except wandb.Error as error:
            raise UsageError(f"--wandb: {error}; `wandb login` first, or set WANDB_MODE=offline") from error
        self.id: str = self._run.id  # a sweep's agent gives its own, whatever was asked for
        self._run.define_metric(unit)
        self._run.define_metric("*", step_metric=unit)

    def write(self, row: Row) -> None:
        """Log one row; what is not a number is left out."""
        self._run.log({name: value for name, value in row.items() if value is not None})

    def close(self) -> None:
        """Finish, and upload what is left."""
        self._run.finish()


class TensorBoard:
    """TensorBoard event files, with `frames` (or another unit) as the step."""

    def __init__(self, folder: Path, frames: int, unit: str = "frames") -> None:
        """Write below `folder`, hiding events after `frames`. Raises UsageError without the package."""
        self._unit = unit
        self._writer = tensorboard_module().SummaryWriter(
            str(folder / "tensorboard"), purge_step=frames + 1 if frames else None
        )

    def write(self, row: Row) -> None:
        """Log one row; what is not a number is left out."""
        for name, value in row.items():
            if value is not None and name != self._unit:
                self._writer.add_scalar(name, value, row[self._unit])

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()

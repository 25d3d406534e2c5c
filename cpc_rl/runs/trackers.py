"""The two optional places metrics go to besides metrics.jsonl; each package is imported only when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs import UsageError
from cpc_rl.runs.metrics import Row


class Wandb:
    """Weights & Biases, with `frames` (or another unit) as the axis of every curve."""

    def __init__(
        self, folder: Path, project: str, run_id: str, config: Mapping[str, Any], unit: str = "frames"
    ) -> None:
        """Start or continue the run `run_id`. Raises UsageError without the package or an account."""
        try:
            import wandb
        except ImportError as error:
            raise UsageError('--wandb needs a package: pip install "cpc-rl[wandb]"') from error
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
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError('--tensorboard needs a package: pip install "cpc-rl[tensorboard]"') from error
        self._unit = unit
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=frames + 1 if frames else None)

    def write(self, row: Row) -> None:
        """Log one row; what is not a number is left out."""
        for name, value in row.items():
            if value is not None and name != self._unit:
                self._writer.add_scalar(name, value, row[self._unit])

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()

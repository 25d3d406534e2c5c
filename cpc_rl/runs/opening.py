"""Beginning a run, or taking one up again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from configs import RunFailure, UsageError
from cpc_rl.distributed import ProcessGroup, restarted
from cpc_rl.runs.config import RunSettings
from cpc_rl.runs.directory import RunDirectory
from cpc_rl.runs.metrics import read_metrics


def open_run(
    config: RunSettings, fresh: Path, settings: BaseModel, group: ProcessGroup
) -> tuple[RunDirectory, dict[str, Any] | None]:
    """A new run directory, or the one to resume with its newest good checkpoint (None before the first).

    Ranks that torchrun starts anew after one of them died resume by themselves.

    Args:
        config: Says which.
        fresh: Where a run goes that was given no place.
        settings: The resolved configuration, for a new run's config.yaml.
        group: All its ranks call this; the first one makes the directory.

    Raises:
        UsageError: The directory exists (new run), or there is none (resume).
        RunFailure: No checkpoint is whole.
    """
    found: Path | Exception | None = None
    if group.is_main:
        try:
            found = _place(config, fresh, settings)
        except (UsageError, RunFailure) as error:
            found = error
    found = group.collect(found)[0]
    if isinstance(found, Exception):
        raise found
    assert found is not None
    run = RunDirectory(found)
    return run, run.checkpoints.load() if run.checkpoints.paths() or read_metrics(run.metrics_path) else None


def _place(config: RunSettings, fresh: Path, settings: BaseModel) -> Path:
    if config.resume is not None and config.run is not None:
        raise UsageError(f"--run {config.run} is for a new run, --resume {config.resume} for an old one: give one")
    if config.resume is not None:
        return RunDirectory.open(config.resume).path
    if restarted():
        if config.run is None:
            raise UsageError("with torchrun --max-restarts give --run DIR: a restart must find the run again")
        if (config.run / "config.yaml").is_file():
            return config.run
    return RunDirectory.create(config.run or fresh, settings).path

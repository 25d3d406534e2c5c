"""Beginning a run, or taking one up again."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from configs import RunFailure, UsageError
from cpc_rl.distributed import ProcessGroup, restarted
from cpc_rl.runs.config import RunSettings
from cpc_rl.runs.directory import RunDirectory


def open_run(config: RunSettings, fresh: Path, settings: BaseModel, group: ProcessGroup) -> RunDirectory:
    """A new run directory, or the one to resume.

    Ranks that torchrun starts anew after one of them died resume by themselves.

    Args:
        config: Says which.
        fresh: Where a run goes that was given no place.
        settings: The resolved configuration, for a new run's config.yaml.
        group: All its ranks call this; the first one makes the directory.

    Raises:
        UsageError: The directory exists (new run), or there is none (resume).
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
    return RunDirectory(found)


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

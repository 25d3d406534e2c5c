"""Beginning a run, or taking one up again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import BaseModel

from configs import RunFailure, UsageError
from cpc_rl.distributed import ProcessGroup, restarted
from cpc_rl.runs.config import RunSettings
from cpc_rl.runs.directory import RunDirectory
from cpc_rl.runs.lock import owned


@contextmanager
def open_run(config: RunSettings, fresh: Path, settings: BaseModel, group: ProcessGroup) -> Iterator[RunDirectory]:
    """A new run directory, or the one to resume; no other process writes it within the `with` block.

    Ranks that torchrun starts anew after one of them died resume by themselves.

    Args:
        config: Says which.
        fresh: Where a run goes that was given no place.
        settings: The resolved configuration, for a new run's config.yaml.
        group: All its ranks call this; the first one makes the directory and holds its lock.

    Raises:
        UsageError: The directory exists (new run), or there is none (resume), or another process writes it.
    """
    found: Path | Exception | None = None
    with ExitStack() as held:
        if group.is_main:
            try:
                found = _place(config, fresh, settings)
                held.enter_context(owned(found))
            except (UsageError, RunFailure) as error:
                found = error
        found = group.collect(found)[0]
        if isinstance(found, Exception):
            raise found
        assert found is not None
        yield RunDirectory(found)


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

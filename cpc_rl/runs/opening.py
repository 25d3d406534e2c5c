"""Beginning a run, or taking one up again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel

from configs import RunFailure, UsageError
from cpc_rl.distributed import ProcessGroup, restarted
from cpc_rl.runs.config import RunSettings
from cpc_rl.runs.directory import RunDirectory
from cpc_rl.runs.lock import owned
from cpc_rl.runs.trackers import check_packages
from envs.errors import Incurable


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
        UsageError: The directory exists (new run), or there is none (resume), or another process writes it, or a
            package for its records is missing. One that comes within the block, or an OSError, or environments that
            cannot be played, take a new directory back, if nothing has been trained in it.
    """
    found: Path | Exception | None = None
    made: list[Path] | None = None
    with ExitStack() as held:
        if group.is_main:
            try:
                check_packages(config.trackers)
                found, made = _place(config, fresh, settings)
                held.enter_context(owned(found))
            except (UsageError, RunFailure) as error:
                found = error
        found = group.collect(found)[0]
        if isinstance(found, UsageError):
            raise UsageError(str(found), shared=True)
        if isinstance(found, Exception):
            raise found
        assert found is not None
        try:
            yield RunDirectory(found)
        except (UsageError, OSError, Incurable):
            if made is not None:
                _take_back(found, made)
            raise


def _place(config: RunSettings, fresh: Path, settings: BaseModel) -> tuple[Path, list[Path] | None]:
    """The run directory, and for a new one the folders that were made for it, from the innermost out."""
    if config.resume is not None and config.run is not None:
        raise UsageError(f"--run {config.run} is for a new run, --resume {config.resume} for an old one: give one")
    if config.resume is not None:
        return RunDirectory.open(config.resume).path, None
    if restarted():
        if config.run is None:
            raise UsageError("with torchrun --max-restarts give --run DIR: a restart must find the run again")
        if (config.run / "config.yaml").is_file():
            return config.run, None
    path = config.run or fresh
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    return RunDirectory.create(path, settings).path, missing


def _take_back(path: Path, made: Sequence[Path]) -> None:
    """Remove a run directory in which nothing has been trained, so that the corrected command can have its name."""
    if any(path.rglob("checkpoint-*.pt")) or any(file.stat().st_size for file in path.rglob("metrics.jsonl")):
        return
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()
    with suppress(OSError):  # somebody else's run is there
        for folder in made:
            folder.rmdir()

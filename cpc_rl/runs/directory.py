"""The run directory: everything one run leaves, and all that evaluation, comparison and resuming read."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from pydantic import BaseModel

from configs import RunFailure, UsageError, dump
from cpc_rl.runs.checkpoint import Checkpoints
from cpc_rl.runs.files import write_atomic

LEFT_BEHIND = (".config.yaml.tmp", ".lock")  # by a program that was killed before its run had begun


class RunDirectory:
    """`config.yaml`, `metrics.jsonl`, `checkpoint-<frames>.pt`, `video/` and `report/` below one path.

    With evaluations also `best.pt`, and `stopped.json` where they ended the run early.
    """

    def __init__(self, path: Path) -> None:
        """Use `create` or `open`."""
        self.path = path
        self.config_path = path / "config.yaml"
        self.metrics_path = path / "metrics.jsonl"
        self.stopped_path = path / "stopped.json"  # there only while the run has ended early
        self.checkpoints = Checkpoints(path)

    @classmethod
    def create(cls, path: Path, config: BaseModel) -> RunDirectory:
        """Make the directory at `path` (an empty one may be there) and write the resolved configuration into it.

        Raises:
            UsageError: It exists, or cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(entry.name not in LEFT_BEHIND for entry in path.iterdir()):
                raise UsageError(f"run directory {path} exists; continue it with --resume {path} or give another --run")
            run = cls(path)
            run.write_config(config)
        except FileExistsError as error:
            raise UsageError(f"{path} exists and is not a directory; give another --run") from error
        except OSError as error:
            raise UsageError(f"cannot write run directory {path}: {error.strerror}; give another --run") from error
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open the run at `path`. Raises UsageError where there is none."""
        if not path.is_dir():
            raise UsageError(f"{path}: no such run directory")
        run = cls(path)
        if not run.config_path.is_file():
            raise UsageError(f"{path} is not a run directory: it has no config.yaml")
        return run

    def write_config(self, config: BaseModel) -> None:
        """Write the resolved configuration: before step 0, and again when a resumed run changes it."""
        write_atomic(self.config_path, lambda file: file.write(dump(config).encode()))

    def write_stopped(self, frames: int, reason: str | None) -> None:
        """Say in stopped.json that the run ended early at `frames`, and why; None: it did not, or goes on."""
        if reason is None:
            self.stopped_path.unlink(missing_ok=True)
            return
        text = json.dumps({"frames": frames, "reason": reason}) + "\n"
        write_atomic(self.stopped_path, lambda file: file.write(text.encode()))

    def read_stopped(self) -> str:
        """Why the run ended early; empty where it did not. Raises RunFailure if stopped.json is something else."""
        if not self.stopped_path.is_file():
            return ""
        try:
            return str(json.loads(self.stopped_path.read_bytes())["reason"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunFailure(f"{self.stopped_path} is damaged: it has no reason") from error

    @property
    def report(self) -> Path:
        """Folder of results and pictures, made on first use."""
        folder = self.path / "report"
        folder.mkdir(exist_ok=True)
        return folder


def fresh_path(env: str, aux: str, seed: int, root: Path = Path("runs")) -> Path:
    """Name a run directory that does not exist: `runs/<env>-<aux>-s<seed>-<time>`."""
    stem = re.sub(r"[^\w.-]", "_", f"{env}-{aux}-s{seed}-{time.strftime('%Y%m%d-%H%M%S')}")
    path, count = root / stem, 1
    while path.exists():
        count += 1
        path = root / f"{stem}-{count}"
    return path

"""Checkpoints: written whole or not at all, the newest two kept, a damaged one skipped."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from configs import RunFailure, UsageError
from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.runs.files import write_atomic

FORMAT = 2
KEEP = 2
BEST = "best.pt"


class Checkpoints:
    """The files `checkpoint-<number>.pt` of one folder; the number is the run's frames, or whatever it counts."""

    def __init__(self, folder: Path, say: Callable[[str], None] | None = None) -> None:
        """`say` is told about damaged files; by default they are named on stderr."""
        self.folder = folder
        self._say = say or (lambda text: print(text, file=sys.stderr))
        self._good: list[Path] = []  # those this process wrote or read, oldest first

    def paths(self) -> list[Path]:
        """Return all checkpoints, oldest first."""
        return sorted((p for p in self.folder.glob("checkpoint-*.pt") if _number(p) >= 0 and p.is_file()), key=_number)

    def save(self, state: Mapping[str, Any], number: int | None = None) -> Path:
        """Write `state` and delete all but the newest two good checkpoints.

        Args:
            state: Tensors and plain Python values.
            number: How far the run is; by default `state["frames"]`.
        """
        path = self.folder / f"checkpoint-{state['frames'] if number is None else number}.pt"
        for left_over in self.folder.glob(".checkpoint-*.tmp"):  # by a process that was killed while it wrote
            left_over.unlink(missing_ok=True)
        write_atomic(path, lambda file: torch.save({"format": FORMAT, **state}, file))
        self._good = [*(p for p in self._good if p != path), path][-KEEP:]
        # What is not among the good ones is older, or damaged, or the future of a run that was rolled back.
        for other in self.paths():
            if other not in self._good:
                other.unlink(missing_ok=True)
        return path

    def save_best(self, state: Mapping[str, Any]) -> Path:
        """Write `state` as the best one, in place of the best before it; it stays whatever `save` deletes."""
        path = self.folder / BEST
        write_atomic(path, lambda file: torch.save({"format": FORMAT, **state}, file))
        return path

    def load_best(self, restore: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Read the best checkpoint, as `load` does the newest.

        Raises:
            UsageError: The run has none.
            RunFailure: It is damaged, or was written by another format.
        """
        path = self.folder / BEST
        if not path.is_file():
            raise UsageError(f"{self.folder} has no best checkpoint: only a run with --eval-every FRAMES keeps one")
        try:
            state = _read(path)
            restore(state)
        except (UsageError, RunFailure):
            raise
        except Exception as error:  # a damaged file can break the reader anywhere
            raise RunFailure(f"{path} is damaged ({_reason(error)})") from error
        return state

    def load(
        self, restore: Callable[[dict[str, Any]], object] | None = None, group: ProcessGroup = SINGLE
    ) -> dict[str, Any]:
        """Read the newest checkpoint that is whole, onto the CPU.

        Args:
            restore: Puts it to use. Where it fails, other than by a UsageError or a RunFailure, the checkpoint is
                damaged too: what is missing or of another shape can be found in no other way. It may then be called
                again, with an older one.
            group: All its ranks call this, and agree on a checkpoint that each of them can use.

        Raises:
            RunFailure: There is none, or it was written by another format.
        """
        reason = ""
        for path in reversed(self.paths()):
            problem: UsageError | RunFailure | str | None = None
            try:
                state = _read(path)
                if restore is not None:
                    restore(state)
            except (UsageError, RunFailure) as error:
                problem = error
            except Exception as error:  # a damaged file can break the reader anywhere
                problem = _reason(error)
            problems = [each for each in group.collect(problem) if each is not None]
            for each in problems:
                if not isinstance(each, str):
                    raise each
            if not problems:
                self._good = [path]
                return state
            reason = f": {problems[0]}"
            if group.is_main:
                self._say(f"{path} is damaged ({problems[0]}); trying the one before it")
        raise RunFailure(f"no {'usable ' if reason else ''}checkpoint in {self.folder}{reason}")


def _read(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:  # torch itself does not notice flipped bytes
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"checksum of {broken} is wrong")
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not isinstance(state.get("format"), int):
        raise ValueError("its content is something else")
    if state["format"] != FORMAT:
        raise RunFailure(f"{path} has format {state['format']}, this version reads format {FORMAT}")
    return state


def _number(path: Path) -> int:
    found = re.fullmatch(r"checkpoint-(\d+)\.pt", path.name)
    return int(found[1]) if found else -1


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return (str(error).splitlines() or [type(error).__name__])[-1].strip()  # torch's last line has the particulars

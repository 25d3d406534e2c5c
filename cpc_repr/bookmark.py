"""Where a long fit stands, on the disk, so that a killed run goes on in the middle of it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from cpc_rl.runs import StopSignal
from cpc_rl.runs.files import write_atomic


class Bookmark:
    """A file with the state of one fit, which is worth nothing once its result is written down."""

    def __init__(self, path: Path, settings: Mapping[str, Any], minutes: float, stop: StopSignal) -> None:
        """Keep the state in `path`.

        Args:
            path: Its folder is made if need be.
            settings: What the fit depends on, as JSON has it: a state of other settings is not read.
            minutes: Between two states.
            stop: Once a signal came, each state that is offered is written.
        """
        self.path, self._minutes, self._stop = path, minutes, stop
        self._settings = json.dumps(settings, sort_keys=True)
        self._next = time.monotonic() + 60 * minutes

    def read(self) -> dict[str, Any]:
        """The state, on the CPU; empty where there is none that can be used."""
        with contextlib.suppress(Exception):  # missing or damaged: a damaged file can break the reader anywhere
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            if saved["settings"] == self._settings:
                return dict(saved["state"])
        return {}

    def offer(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Write `state()`, tensors and plain values, if it is time."""
        if self._stop.stop or time.monotonic() >= self._next:
            self.write(state())

    def write(self, state: Mapping[str, Any]) -> None:
        """Write `state` now."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, lambda file: torch.save({"settings": self._settings, "state": dict(state)}, file))
        self._next = time.monotonic() + 60 * self._minutes

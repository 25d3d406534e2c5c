"""What the trackers of a run are sent: every row once, over all its parts, whatever becomes of a tracker.

A run that was killed goes on from its checkpoint and makes the rows behind that anew. metrics.jsonl drops the old ones;
most trackers cannot. So a tracker is not sent again what it has: `trackers.json` says how far each has got. What it has
not, because it failed or was not asked for, it is sent from metrics.jsonl when the run goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from configs import load_yaml
from cpc_rl.runs.config import RunSettings
from cpc_rl.runs.directory import RunDirectory
from cpc_rl.runs.metrics import Row, read_metrics
from cpc_rl.runs.trackers import TRACKERS, Place, Tracker

Position = tuple[int, int]  # a row's count, and how many rows before it have the same: an evaluation's comes second
NOTHING: Position = (-1, 0)
EVERYTHING = sys.maxsize


class Tracking:
    """The trackers of one run. One that fails is told of on stderr, once, and left alone."""

    def __init__(
        self, run: RunDirectory, settings: RunSettings, count: int = 0, unit: str = "frames", wandb_id: str = ""
    ) -> None:
        """Open those that `settings` name and send them what they have not got.

        Args:
            run: Its metrics.jsonl goes up to `count`, no further.
            settings: Which trackers, and the project there.
            count: Progress at which the run begins or goes on.
            unit: What the run counts.
            wandb_id: Of a run whose older version kept that in its checkpoint.
        """
        self._path, self._unit, self._count = run.path / "trackers.json", unit, count
        self._ids: dict[str, str] = {}
        self._sent: dict[str, Position] = {}
        self._open: dict[str, Tracker] = {}
        self._at = NOTHING
        if not settings.trackers:
            return
        if wandb_id:
            self._ids["wandb"], self._sent["wandb"] = wandb_id, (count, EVERYTHING)
        self._read()
        for name in settings.trackers:
            self._attempt(name, partial(self._begin, name, run, settings))
        for row in read_metrics(run.metrics_path):
            self.write(row)

    def write(self, row: Row) -> None:
        """Send one row to those that have not got it."""
        if not self._open:
            return
        count = int(row.get(self._unit) or 0)
        self._at = (count, self._at[1] + 1 if count == self._at[0] else 0)
        waiting = [name for name in self._open if self._at > self._sent[name]]
        for name in waiting:
            if self._attempt(name, partial(self._open[name].write, row)):
                self._sent[name] = self._at
        if waiting:
            self._keep()

    def close(self) -> None:
        """End the run at each of them, as far as it is trained."""
        for name, tracker in list(self._open.items()):
            self._attempt(name, tracker.close)
        self._open.clear()

    def _begin(self, name: str, run: RunDirectory, settings: RunSettings) -> None:
        within = (run.path.parent / "config.yaml").is_file()  # of several seeds, or a bound beside a method
        title = f"{run.path.parent.name}/{run.path.name}" if within else run.path.name
        place = Place(
            folder=run.path,
            name=title,
            project=settings.track_project,
            id=self._ids.get(name, ""),
            config=load_yaml(run.config_path),
            unit=self._unit,
            count=self._count,
        )
        tracker: Tracker = TRACKERS[name](place)
        self._open[name], self._ids[name] = tracker, tracker.id
        sent = self._sent.setdefault(name, NOTHING)
        if tracker.forgets:
            self._sent[name] = min(sent, (self._count, EVERYTHING))
        self._keep()

    def _attempt(self, name: str, work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as error:  # whatever a package raises: the run is worth more than its record elsewhere
            self._open.pop(name, None)
            reason = " ".join(str(error).split()) or type(error).__name__
            line = (
                f"warning: {name} failed ({reason[:300]}); the run goes on without it, --resume sends what is missing"
            )
            print(line, file=sys.stderr, flush=True)
            return False
        return True

    def _read(self) -> None:
        if not self._path.is_file():
            return
        try:
            known: dict[str, Any] = json.loads(self._path.read_bytes())
            for name, (at_tracker, count, nth) in known.items():
                self._ids[str(name)], self._sent[str(name)] = str(at_tracker), (int(count), int(nth))
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            self._ids, self._sent = {}, {}
            print(f"warning: {self._path} is damaged ({error}); trackers get the run anew", file=sys.stderr, flush=True)

    def _keep(self) -> None:
        """Write trackers.json. It need not outlive a power failure, so nobody waits for the disk."""
        text = json.dumps({name: [self._ids[name], *self._sent[name]] for name in self._sent if name in self._ids})
        temporary = self._path.with_name(".trackers.json.tmp")
        with contextlib.suppress(OSError):  # a full disk: the checkpoint will say so
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, self._path)

"""Runs trials, so many at a time, and writes down how each one ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from configs import RunFailure
from cpc_rl.runs.signals import ASKING, StopSignal, signal_name
from cpc_rl.runs.sweep_directory import SweepDirectory, Trial, last_line
from cpc_rl.sweep.launchers import ClusterLauncher, Handle, LocalLauncher
from cpc_rl.sweep.process import Ended, Launch
from cpc_rl.sweep.progress import View

STOPPED = (130, *(-number for number in ASKING))  # the last ones: before the program had its own handler
POLL = 0.5  # seconds


class Active(NamedTuple):
    """A trial that was started, and the slot it takes."""

    trial: Trial
    handle: Handle
    slot: int


class Driver:
    """Goes through the trials of a sweep; state.json is written at each change, before anything follows from it."""

    def __init__(
        self,
        sweep: SweepDirectory,
        trials: Sequence[Trial],
        launcher: LocalLauncher | ClusterLauncher,
        slots: Sequence[dict[str, str]],
        words: Callable[[Trial], list[str]],
        view: View,
    ) -> None:
        """Prepare.

        Args:
            sweep: Where everything is kept.
            trials: Those of its trials to work on.
            launcher: Starts them.
            slots: As many trials run at a time; each gets the environment variables of its slot.
            words: Command line of a trial.
            view: Told about everything.
        """
        self._sweep, self._trials, self._launcher = sweep, trials, launcher
        self._slots, self._words, self._view = slots, words, view
        self._active: list[Active] = []
        self._asked = False

    def run(self, signals: StopSignal) -> None:
        """Work until no trial waits, or until `signals` says stop and those that run have ended.

        Raises:
            KeyboardInterrupt: A second signal; what runs was killed.
        """
        try:
            self._adopt()
            while True:
                if not signals.stop:
                    self._fill()
                self._collect(signals.stop)
                if not self._active and (signals.stop or not self._waiting()):
                    return
                self._view.refresh()
                time.sleep(POLL)
                if signals.stop:
                    self._stop()
        except KeyboardInterrupt:
            self._kill()
            raise

    def _waiting(self) -> list[Trial]:
        return [t for t in self._trials if t.status == "waiting"]

    def _adopt(self) -> None:
        """Take up what an earlier sweep left: jobs that are in a queue still, and trials that were interrupted."""
        for trial in self._trials:
            if trial.status == "running" and trial.job is not None:
                free = self._free_slots() or [0]
                self._active.append(Active(trial, self._launcher.find(trial.job), free[0]))
            elif trial.status in ("running", "stopped"):
                trial.status, trial.job = "waiting", None
        self._sweep.save()

    def _free_slots(self) -> list[int]:
        taken = [active.slot for active in self._active]
        return [slot for slot in range(len(self._slots)) if slot not in taken]

    def _fill(self) -> None:
        for slot, trial in zip(self._free_slots(), self._waiting(), strict=False):
            trial.status, trial.exit_code, trial.error = "running", None, None
            self._sweep.save()
            launch = Launch(
                self._words(trial), self._sweep.run_path(trial), self._sweep.log_path(trial), self._slots[slot]
            )
            handle, trial.job = self._launcher.start(launch)
            self._active.append(Active(trial, handle, slot))
            if trial.job is not None:
                self._sweep.save()
            self._view.event(trial)

    def _collect(self, stopping: bool) -> None:
        for active in list(self._active):
            ended = active.handle.poll()
            if ended is None:
                continue
            self._active.remove(active)
            trial = active.trial
            trial.exit_code, trial.job = ended.exit_code, None
            if ended.exit_code == 0:
                trial.status = "done"
            elif ended.exit_code in STOPPED or (stopping and ended.exit_code is None):
                trial.status = "stopped"
            else:
                trial.status, trial.error = "failed", self._why(trial, ended)
            self._sweep.save()
            self._view.event(trial)

    def _why(self, trial: Trial, ended: Ended) -> str:
        if ended.error is not None:
            return ended.error
        line = last_line(self._sweep.log_path(trial)).removeprefix("error: ")
        if ended.exit_code is not None and ended.exit_code < 0:
            return f"killed by {signal_name(-ended.exit_code)}; last line: {line}"
        return line

    def _stop(self) -> None:
        """Ask once; a second time would make a trial leave without its checkpoint."""
        for active in [] if self._asked else self._active:
            active.handle.stop()
        self._asked = True

    def _kill(self) -> None:
        for active in self._active:
            active.handle.kill()
            active.trial.status = "stopped"
        self._sweep.save()


def outcome(trials: Sequence[Trial]) -> None:
    """Say at the end what did not go well.

    Raises:
        RunFailure: Trials failed: names them.
    """
    failed = [t for t in trials if t.status == "failed"]
    if failed:
        shown = "; ".join(f"{t.index:03d}: {t.error}" for t in failed[:5]) + ("; ..." if len(failed) > 5 else "")
        raise RunFailure(f"{len(failed)} of {len(trials)} trials failed ({shown}); --retry-failed tries them again")

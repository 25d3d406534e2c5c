"""The loop all training shares: resume, signals, log lines, the finite check, checkpoints, ranks.

What is trained says how far it is, takes one update, and says what a checkpoint must hold; everything else is here.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import torch
from pydantic import BaseModel, ValidationError

from configs import RunFailure, UsageError, changeable_keys, difference
from cpc_rl.distributed import ProcessGroup
from cpc_rl.runs.config import RunSettings
from cpc_rl.runs.console import SHOWN, Console
from cpc_rl.runs.directory import RunDirectory
from cpc_rl.runs.evaluations import Evaluations
from cpc_rl.runs.evaluations import told as in_words
from cpc_rl.runs.lock import owned
from cpc_rl.runs.logger import Logger
from cpc_rl.runs.metrics import Row, read_metrics
from cpc_rl.runs.screen import Screen
from cpc_rl.runs.signals import StopSignal
from cpc_rl.runs.tracking import Tracking
from envs.api import EnvironmentFailure

Reread = Callable[[dict[str, Any]], BaseModel]
Callback = Callable[[int, Row], bool | None]
ASKED = "the callback asked for it"
DECISIVE = ("network", "aux", "module", "average", "optimiser")  # parts of a checkpoint that are no use with a NaN


class Trainable(Protocol):
    """What `train` trains. Each rank has one, and all ranks call its methods together."""

    unit: str  # what progress is counted in, `frames` or `updates`
    total: int  # at which training ends
    updates: int  # so far
    group: ProcessGroup

    @property
    def progress(self) -> int:
        """How far training is, in `unit`."""
        ...

    def begin(self) -> None:
        """Get ready for the first update of a run that is not resumed."""
        ...

    def describe(self, path: Path) -> str:
        """What to print in front of training; `path` is the run directory."""
        ...

    def update(self) -> dict[str, float]:
        """Take one gradient step and return its metrics.

        Raises RunFailure if a loss or the gradient is not finite, before it can touch the weights.
        """
        ...

    def record(self) -> Mapping[str, Any]:
        """What a line of metrics holds in front of the means over its updates."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that decides the rest of the run; tensors and plain Python only."""
        ...

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken. Raises UsageError if this run cannot continue that one."""
        ...


def train(
    learner: Trainable,
    run: RunDirectory,
    settings: RunSettings,
    config: BaseModel,
    stop: StopSignal,
    evaluations: Evaluations | None = None,
    *,
    shown: Mapping[str, str] = SHOWN,
    reread: Reread | None = None,
    callback: Callback | None = None,
) -> bool:
    """Train until all is done, from the newest checkpoint of `run` if it has one.

    Args:
        learner: Fresh; left as it is after the last update.
        run: Takes config.yaml, metrics.jsonl and checkpoints.
        settings: Records, and minutes between checkpoints.
        config: Kept in `run`, which goes on only with the configuration it was begun with; fields that are marked
            `MayChange` aside.
        stop: Read after each update. Of several ranks any may be asked to stop.
        evaluations: Of the run: when they are due, the best, and whether to end early for what they say.
        shown: Metrics of the live line: how it calls each, and its key.
        reread: Gives the configuration kept in a checkpoint, which an older version may have written, as `config` is.
        callback: Told each line of metrics, on the first rank: how far training is, and the line. True ends the run.

    Returns:
        Whether all is done, or as much as evaluations and callback want; if not, a signal came and a checkpoint is
        written.

    Raises:
        UsageError: `config` is not that of the run.
        RunFailure: A loss is not finite, or no checkpoint is whole.
    """
    with owned(run.path) if learner.group.is_main else nullcontext():
        return _train(learner, run, settings, config, stop, evaluations, shown, reread, callback)


def _train(
    learner: Trainable,
    run: RunDirectory,
    settings: RunSettings,
    config: BaseModel,
    stop: StopSignal,
    evaluations: Evaluations | None,
    shown: Mapping[str, str],
    reread: Reread | None,
    callback: Callback | None,
) -> bool:
    quiet = settings.quiet or not learner.group.is_main
    with stop.at_once(), Screen(quiet).step("getting ready"):  # environments may take minutes to begin
        saved = resume(learner, run, config, reread)
    group, unit = learner.group, learner.unit
    if group.is_main:
        run.write_config(config)
    if evaluations is not None and saved is not None and "evaluations" in saved:
        evaluations.load_state_dict(saved["evaluations"])
    ended = None if evaluations is None else evaluations.why_stop()
    if group.is_main:
        run.write_stopped(learner.progress, ended if learner.progress < learner.total else None)
    if learner.progress >= learner.total:
        if group.is_main:  # a tracker may have failed, or is asked for only now
            Tracking(run, settings, learner.progress, unit).close()
        return True
    with Screen(quiet).step("opening the records"):  # a tracker may be sent a whole run, or have no network
        logger = Logger(run, settings, learner.progress, saved and saved["logger"], keep=group.is_main, unit=unit)
    with (
        logger,
        Console(learner.total, quiet=quiet, unit=unit, shown=shown) as console,
    ):
        if told := learner.describe(run.path):
            console.say(told)
        if ended:
            console.say(f"ended early at {learner.progress:,} {unit}: {ended}; with other limits it goes on")
            return True

        def state() -> dict[str, Any]:
            more = {"config": config.model_dump(mode="json"), "logger": logger.state_dict()}
            return _state(learner, run, more | ({"evaluations": evaluations.state_dict()} if evaluations else {}))

        def record(metrics: Mapping[str, Any]) -> Row:
            nonlocal ended
            row, enough = logger.write(learner.progress, metrics), False
            if callback is not None and group.is_main:
                with logger.throughput.paused():
                    enough = bool(callback(learner.progress, row))
            if group.any(enough)[0]:
                ended = ASKED
            return row

        if saved is None:  # before the first line of metrics, so that a kill at any time leaves a run to go on with
            _save(run, state(), learner.progress, group, stop)
        sums: dict[str, list[float]] = defaultdict(list)  # since the last line of metrics
        told_idle: set[str] = set()
        next_save = time.monotonic()  # the first one soon, so that every run can be resumed
        last = False
        while not last:
            before = learner.progress
            try:
                values = learner.update()
            except (RunFailure, EnvironmentFailure) as error:
                raise RunFailure(f"{error}; {_kept(run)}") from error
            for name, value in values.items():
                sums[name].append(value)
            console.show({unit: learner.progress, f"{unit}_per_second": logger.throughput.mark(learner.progress)})
            # Read once: a signal from here on is seen after the next update.
            asked, due = group.any(stop.stop, group.is_main and time.monotonic() > next_save)
            evaluated = evaluations is not None and evaluations.due(before, learner.progress, learner.total)
            last = asked or learner.progress >= learner.total
            if last or learner.updates % settings.log_updates == 0:
                for name in idle(sums) - told_idle:
                    told_idle.add(name)
                    console.say(f"warning: {name} was exactly 0 in {len(sums[name])} updates: it counts nothing so far")
                means = {name: fmean(series) for name, series in sums.items()}
                sums.clear()
                console.show(record({**learner.record(), **means}))
            if evaluations is not None and evaluated:
                with logger.throughput.paused(), console.step("evaluating") as step:
                    scores, better = evaluations.play(learner.progress, step)
                record(scores)
                console.say(f"evaluation at {learner.progress:,} {unit}: {in_words(scores)}")
                ended = ended or evaluations.why_stop()
                if better:
                    _save(run, state(), None, group, stop)
            last = last or ended is not None
            if last or due:
                _save(run, state(), learner.progress, group, stop)
                next_save = time.monotonic() + 60 * settings.checkpoint_minutes
        if ended and learner.progress < learner.total:
            if group.is_main:
                run.write_stopped(learner.progress, ended)
            console.say(f"ended early at {learner.progress:,} {unit}: {ended}")
    return learner.progress >= learner.total or ended is not None


def resume(
    learner: Trainable, run: RunDirectory, config: BaseModel, reread: Reread | None = None
) -> dict[str, Any] | None:
    """Take up the newest checkpoint of `run`, or begin if it has none; see `train`. Gives the checkpoint."""
    rows = read_metrics(run.metrics_path)  # where they are damaged, before anything is written
    # Together: a rank that is slow must not take for a run to resume what the first one has just begun.
    if not learner.group.any(bool(run.checkpoints.paths() or rows))[0]:
        learner.begin()
        return None

    def restore(saved: dict[str, Any]) -> None:
        check_same(saved["config"], config, reread)
        float(saved["logger"].get("seconds", 0.0))
        try:
            learner.load_state_dict(saved)
        except EnvironmentFailure as error:
            raise RunFailure(str(error)) from error

    return run.checkpoints.load(restore, learner.group)


def check_same(saved: dict[str, Any], config: BaseModel, reread: Reread | None = None) -> None:
    """Raise UsageError where a resumed run would have another configuration and must not; see `train`."""
    free = changeable_keys(type(config))
    try:
        old = (reread or type(config).model_validate)(saved)
    except ValidationError:
        raise  # it was never a configuration of ours
    except ValueError as error:
        raise UsageError(str(error)) from error
    for key, before, now in difference(old, config):
        if key not in free:
            raise UsageError(f"cannot resume with {key} = {now}: the checkpoint was made with {before}")


def idle(series: Mapping[str, Sequence[float]]) -> set[str]:
    """Losses that were exactly 0 in all updates of a line: settings that leave nothing to learn look like success."""
    return {name for name, values in series.items() if name.startswith("loss/") and not any(values)}


def not_finite(tree: Any, name: str = "") -> str | None:
    """Where mappings and lists hold a tensor with a NaN or an infinity: `network.policy.bias`; None: nowhere."""
    if isinstance(tree, torch.Tensor):
        return name if tree.is_floating_point() and not tree.isfinite().all() else None
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    return next((found for key, value in items if (found := not_finite(value, f"{name}.{key}".lstrip(".")))), None)


def _state(learner: Trainable, run: RunDirectory, more: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint holds. Raises RunFailure rather than let a step that spoilt the weights replace a good one."""
    state = {**learner.state_dict(), **more}
    spoilt = not_finite({name: state[name] for name in DECISIVE if name in state})
    if spoilt is not None:
        raise RunFailure(f"{spoilt} is not finite after update {learner.updates}; {_kept(run)}")
    return state


def _save(
    run: RunDirectory, state: Mapping[str, Any], progress: int | None, group: ProcessGroup, stop: StopSignal
) -> None:
    """Write a checkpoint, on the first rank; the best one where `progress` is None.

    Raises RunFailure if the disk is full, for example; what was saved before is there still.
    """
    if not group.is_main:
        return
    try:
        with stop.held():
            if progress is None:
                run.checkpoints.save_best(state)
            else:
                run.checkpoints.save(state, number=progress)
    except OSError as error:
        raise RunFailure(f"cannot write {error.filename}: {error.strerror}; {_kept(run)}") from error


def _kept(run: RunDirectory) -> str:
    paths = run.checkpoints.paths()
    return f"the newest checkpoint before it is {paths[-1]}" if paths else "there is no checkpoint before it"

"""An experiment from beginning to end: train, probe, compare, draw; each stage goes on where a stopped run left it."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from torch import nn

from configs import UsageError
from cpc_repr.config import CommandConfig, arms, recorded, unread_of_bound
from cpc_repr.context import Context, Session
from cpc_repr.objective import Losses, Objective, Stage
from cpc_repr.prefetch import Prefetcher
from cpc_repr.report import Row, Table
from cpc_repr.results import Results
from cpc_repr.training import Learner, fit, subdirectory
from cpc_repr.upgrade import reread
from cpc_rl.runs import RunDirectory


class Data(Protocol):
    """What an experiment learns from."""

    @property
    def reads_files(self) -> bool:
        """Whether a batch is read from the disk, not from memory."""
        ...

    @property
    def digest(self) -> str:
        """Of what is read, wherever it lies: see `cpc_repr.files.digest`."""
        ...

    def describe(self) -> str:
        """How much there is, on one line."""
        ...


C = TypeVar("C", bound=CommandConfig)
D = TypeVar("D", bound=Data)
Rows = Mapping[str, Sequence[Mapping[str, Row]]]  # row of an ablation ("": there is none) -> of each seed its rows


class Experiment(ABC, Generic[C, D]):
    """One of audio, vision and text: its data, its methods, what they are held against, and its tables."""

    family: ClassVar[str]  # of its command and presets
    methods: ClassVar[Mapping[str, type[Objective[Any, Any]]]]

    @abstractmethod
    def open(self, config: C, session: Session) -> D:
        """The data that `config` names.

        Raises:
            Stopped: A signal came while it was made.
            UsageError: There is something wrong with it, or a package is missing.
        """

    def check_flags(self, config: C, given: Mapping[str, str]) -> None:
        """Raise UsageError for a flag that would have no effect; `given` maps keys of `config` to the flags given."""
        for key, flag in given.items():
            if reason := unread_of_bound(config, key):
                raise UsageError(f"{flag}: {reason}")

    @abstractmethod
    def check(self, config: C, data: D) -> None:
        """Raise UsageError for what could not be trained or evaluated: nothing has been made yet."""

    def objective(self, context: Context[C, D]) -> Objective[Any, Any]:
        """The method that is asked for, with the seed's initial weights."""
        make: Callable[[Context[C, D]], Objective[Any, Any]] = self.methods[context.config.objective]
        return make(context)

    @abstractmethod
    def stages(
        self, context: Context[C, D], objective: Objective[Any, Any], supervised: Mapping[str, nn.Module]
    ) -> Iterable[Stage]:
        """Everything that is measured on the trained `objective`, and on what it is held against."""

    @abstractmethod
    def report(self, config: C, data: D, rows: Rows, folder: Path) -> list[Table]:
        """The tables of all runs of the command; their pictures go into `folder`."""

    def supervised(self, context: Context[C, D]) -> Mapping[str, Objective[Any, Any]]:
        """Networks that are trained on labels, each in a run directory of its name."""
        return {}

    def prepare(self, context: Context[C, D]) -> None:
        """Leave in the run directory what a network needs beside its weights, or check that what is there fits."""


def run_experiment(
    experiment: Experiment[C, D], config: C, data: D, session: Session, run: RunDirectory
) -> list[Table]:
    """Make every run that `config` asks for, in `run`; gives the tables."""
    rows: dict[str, list[Mapping[str, Row]]] = defaultdict(list)
    for arm in arms(config):
        folder = _within(run, arm.folder, arm.config, session)
        context = Context(**vars(session), config=arm.config, data=data, run=folder)
        rows[arm.row].append(run_arm(experiment, context))
    if not session.group.is_main:
        return []
    with session.screen.step("drawing tables and pictures"):
        return experiment.report(config, data, rows, run.report)


def run_arm(experiment: Experiment[C, D], context: Context[C, D]) -> dict[str, Row]:
    """Train and evaluate what `context.config` says, in `context.run`.

    All ranks of `context.group` train together; the first one alone evaluates, the others get no rows.

    Returns:
        Accuracies by row of the tables, then by what was measured.

    Raises:
        Stopped: A signal came; called again with the same run it goes on.
    """
    config, run = context.config, context.run
    experiment.prepare(context)
    objective = experiment.objective(context)
    context.say(f"{run.path}: {objective.describe()}, {objective.updates:,} updates")
    train(context, run, objective)
    supervised = {}
    for name, bound in experiment.supervised(context).items():
        folder = _within(run, name, config, context)
        context.say(f"{folder.path}: {bound.title}, {bound.updates:,} updates")
        supervised[name] = train(context, folder, bound)
    if not context.group.is_main:
        return {}
    results = Results(
        run.report / "results.json",
        config.result_settings(),
        lambda old: config.with_places(reread(config, old).result_settings()),
    )
    rows: dict[str, dict[str, Any]] = defaultdict(dict)
    with context.screen.step("evaluating") as step:
        for stage in chain(objective.diagnostics(), experiment.stages(context, objective, supervised)):
            step.begin(f"evaluating {stage.name}")
            if stage.row is not None:
                rows[stage.row] |= results.scores(stage.name, stage.compute)
            else:
                value = results.get(stage.name, stage.compute)
                if stage.show is not None:
                    stage.show(value)
    shutil.rmtree(context.scratch, ignore_errors=True)
    return dict(rows)


def train(context: Context[C, D], run: RunDirectory, objective: Objective[Any, Any]) -> nn.Module:
    """Train `objective` in `run` to its end; gives its module as it is to be evaluated."""
    config = context.config
    read = Prefetcher(objective.batch) if context.data.reads_files else objective.batch
    learner = Learner(
        objective.module,
        lambda number: objective.loss(read(number), number),
        objective.optimiser,
        objective.updates,
        config.train.accumulate,
        context.group,
    )
    fit(run, config.run, recorded(config), learner, context.stop, objective.live)
    return learner.freeze()


def train_alone(objective: Objective[Any, Any]) -> nn.Module:
    """Train `objective` without a run directory; gives its module as it is to be evaluated."""
    learner = plain_learner(objective)
    while learner.updates < learner.total:
        learner.update()
    return learner.freeze()


def plain_learner(objective: Objective[Any, Any]) -> Learner:
    """What trains `objective` on one batch an update."""

    def loss(number: int) -> Losses:
        return objective.loss(objective.batch(number), number)

    return Learner(objective.module, loss, objective.optimiser, objective.updates)


def _within(run: RunDirectory, name: str, config: CommandConfig, session: Session) -> RunDirectory:
    """The run directory `name` within `run`, which the first rank makes if it is not there; "": `run` itself."""
    if not name:
        return run
    if session.group.is_main:
        subdirectory(run.path / name, recorded(config))
    session.group.collect(None)  # now it is there for all
    return RunDirectory.open(run.path / name)

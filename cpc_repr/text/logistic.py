"""Logistic regression on frozen features, its L2 penalty chosen by cross-validation within the training sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy import sparse

from configs import Frozen
from cpc_repr.packages import optional_module
from cpc_repr.text.senteval import Task

Table = np.ndarray | sparse.csr_array  # features [N, D]
NEWTON = 300  # features up to which Newton's method is the faster solver, and two classes its only case


class LogisticConfig(Frozen):
    """How tasks are scored."""

    folds: int = Field(
        default=10, ge=2, le=100, description="Folds of cross-validation: every sentence is tested once."
    )
    inner: int = Field(default=10, ge=2, le=100, description="Folds of the training part, to choose the penalty by.")
    c_powers: tuple[Annotated[int, Field(ge=-100, le=100)], ...] = Field(
        default=(-14, -12, -10, -8, -6, -4, -2, 0),
        min_length=1,
        description="Powers of two to choose C (1 / penalty) from; features are standardised.",
    )


def splits(task: Task, folds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Training and test sentences: those of the task, or of each fold. The same ones for everything that is compared.

    Raises:
        ValueError: A class has fewer sentences than there are folds.
    """
    everyone = np.arange(len(task.labels))
    if task.train is not None:
        yield everyone[: task.train], everyone[task.train :]
        return
    yield from _folds(task.labels, folds, task.name)


def check_folds(task: Task, config: LogisticConfig) -> None:
    """Raise ValueError if `predict` would find too few sentences of a class, in a fold or within its training part."""
    inner = config.folds if task.train is not None else config.inner
    for train, _ in splits(task, config.folds):
        if len(config.c_powers) > 1:
            _check(task.labels[train], inner, f"{task.name}, training part")


def predict(x: Table, task: Task, config: LogisticConfig, tick: Callable[[int, int], None]) -> np.ndarray:
    """Class of each test sentence as a regression says that never saw it, int64 [N]; -1 for sentences never tested.

    Args:
        x: Features [N, D].
        task: Their classes.
        config: Folds and penalties.
        tick: Told how many of how many regressions are done; may raise to stop.

    Raises:
        ValueError: A class has fewer sentences than there are folds.
    """
    predicted = np.full(len(task.labels), -1)
    total = 1 if task.train is not None else config.folds
    for done, (train, test) in enumerate(splits(task, config.folds), start=1):
        scaled = _standardised(x, train)
        inner = config.folds if task.train is not None else config.inner
        c = _best(scaled[train], task.labels[train], config.c_powers, inner, task.name)
        predicted[test] = (
            _regression(x.shape[1], task.classes, c).fit(scaled[train], task.labels[train]).predict(scaled[test])
        )
        tick(done, total)
    return predicted


def _standardised(x: Table, train: np.ndarray) -> Table:
    """Features of unit deviation over the rows `train`, and of mean 0 there unless they are sparse.

    The regression is the same either way: its bias, which has no penalty, takes up the mean.
    """
    if isinstance(x, sparse.csr_array):
        known = x[train]
        variance = known.power(2).mean(0) - known.mean(0) ** 2
        deviation = np.sqrt(np.maximum(variance, 0))
        return sparse.csr_array(x @ sparse.diags_array(1 / np.where(deviation > 1e-8, deviation, 1.0)))
    mean, deviation = x[train].mean(0), x[train].std(0)
    return np.asarray((x - mean) / np.where(deviation > 1e-8, deviation, 1.0))


def _best(x: Table, y: np.ndarray, powers: tuple[int, ...], folds: int, name: str) -> float:
    """The C that does best on held-out folds; of equals the smallest."""
    if len(powers) == 1:
        return float(2.0 ** powers[0])
    hits = np.zeros(len(powers))
    for train, test in _folds(y, folds, name):
        model = _regression(x.shape[1], len(np.unique(y)), 1.0, warm_start=True)
        for i, power in enumerate(sorted(powers)):
            model.set_params(C=2.0**power)
            hits[i] += (model.fit(x[train], y[train]).predict(x[test]) == y[test]).sum()
    return float(2.0 ** sorted(powers)[int(hits.argmax())])


def _regression(features: int, classes: int, c: float, **options: Any) -> Any:
    solver = "newton-cholesky" if classes == 2 and features <= NEWTON else "lbfgs"
    return optional_module("sklearn.linear_model", "text").LogisticRegression(
        C=c, solver=solver, max_iter=1000, **options
    )


def _folds(y: np.ndarray, folds: int, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    _check(y, folds, name)
    kfold = optional_module("sklearn.model_selection", "text").StratifiedKFold(folds, shuffle=True, random_state=0)
    yield from kfold.split(np.zeros(len(y)), y)


def _check(y: np.ndarray, folds: int, name: str) -> None:
    fewest = int(np.unique(y, return_counts=True)[1].min())
    if fewest < folds:
        raise ValueError(f"{name}: a class has {fewest} sentences, too few for {folds} folds")

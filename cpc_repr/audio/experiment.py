"""One run from beginning to end: train, probe, compare, draw; every stage goes on where a stopped run left it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from cpc_repr.audio.config import Config
from cpc_repr.audio.evaluate import TASKS, Bench, cepstra, chance, context, contrastive, layer, probe, supervised
from cpc_repr.audio.figures import figure_2
from cpc_repr.audio.greedy import NAMES, GreedyModel
from cpc_repr.audio.learners import Supervised, build, cpc_learner, supervised_learner
from cpc_repr.audio.model import CPCModel, parameters
from cpc_repr.command import recorded, settings
from cpc_repr.offsets import plot_offsets
from cpc_repr.report import Row
from cpc_repr.results import Results
from cpc_repr.training import Learner, fit, subdirectory
from cpc_rl.runs import RunDirectory


def run_arm(bench: Bench, run: RunDirectory, baselines: bool = True) -> dict[str, Row]:
    """Train and evaluate what `bench.config` says, in `run`.

    Args:
        bench: Corpus, device and configuration.
        run: Where checkpoints, metrics and results lie.
        baselines: Also probe what CPC is held against, fit the probes with a hidden layer and draw the pictures.

    Returns:
        Accuracies by row, then by task.

    Raises:
        Stopped: A signal came; called again with the same `run` it goes on.
    """
    config = bench.config
    bench = replace(bench, scratch=run.path / "scratch")
    learner = cpc_learner(config, bench.waveforms, bench.device)
    model = cast("CPCModel | GreedyModel", learner.module)
    bench.say(
        f"{run.path}: {'Greedy InfoMax' if config.greedy else 'CPC'}, {parameters(model) / 1e6:.2f} M parameters, "
        f"{config.train.updates:,} updates, {config.cpc.steps} steps ahead"
    )
    _train(bench, run, learner, _shown(config))
    results = Results(run.report / "results.json", settings(config))
    rows: dict[str, Row] = {}

    def row(name: str, compute: Callable[[], Mapping[str, Any]]) -> None:
        rows[name] = results.scores(name, lambda: dict(compute()))

    shift = config.evaluation.shift
    if isinstance(model, GreedyModel):
        row("chance", lambda: chance(bench))
        for name in NAMES:
            row(name, partial(probe, bench, name, layer(model.model, bench.device, name), shift))
    else:
        offsets = results.get("per_offset", lambda: contrastive(bench, model))
        steps = range(1, config.cpc.steps + 1)
        plot_offsets(run.report / "accuracy_per_step.png", steps, offsets, "steps of 10 ms")
        row("cpc", lambda: probe(bench, "CPC", context(model.model, bench.device), shift, mlp=baselines))
        if baselines:
            _baselines(bench, run, row)
            features = context(model.model, bench.device)
            results.get("speakers.png", lambda: figure_2(run.report / "speakers.png", bench, features))
    if bench.scratch.exists():
        shutil.rmtree(bench.scratch)
    return rows


def _baselines(bench: Bench, run: RunDirectory, row: Callable[[str, Callable[[], Mapping[str, Any]]], None]) -> None:
    """Rows of everything CPC is held against."""
    config, shift = bench.config, bench.config.evaluation.shift
    row("chance", lambda: chance(bench))
    untrained = build(config).to(bench.device).model
    row("random", lambda: probe(bench, "random weights", context(untrained, bench.device), shift))
    row("mfcc13", lambda: probe(bench, "MFCC-13", cepstra(deltas=False), 0))
    row("mfcc39", lambda: probe(bench, "MFCC-39", cepstra(deltas=True), 0))
    if not config.train.supervised_updates:
        return

    def end_to_end() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for task in TASKS:
            learner = supervised_learner(config, task, bench.waveforms, bench.device)
            folder = subdirectory(run.path / f"supervised_{task}", config)
            bench.say(f"{folder.path}: end to end on labels, {config.train.supervised_updates:,} updates")
            shown = {"loss": "loss/total", "accuracy": "accuracy"}
            _train(bench, folder, learner, shown)
            found[task] = supervised(bench, cast(Supervised, learner.module), task)
            bench.say(f"supervised: {task} {found[task]}")
        return found

    row("supervised", end_to_end)


def _train(bench: Bench, run: RunDirectory, learner: Learner, shown: Mapping[str, str]) -> None:
    fit(run, bench.config.run, recorded(bench.config), learner, bench.stop, shown)
    learner.freeze()


def _shown(config: Config) -> dict[str, str]:
    if config.greedy:
        return {"loss": "loss/total", "first": f"loss/{NAMES[0]}", "last": f"loss/{NAMES[-1]}"}
    far = config.cpc.steps
    return {
        "loss": "loss/total",
        "log N": "cpc/log_n",
        "accuracy at 1": "cpc/accuracy_1",
        f"at {far}": f"cpc/accuracy_{far}",
    }

"""One run from beginning to end: train, probe, compare, draw; every stage goes on where a stopped run left it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from torch import nn

from cpc_repr import command
from cpc_repr.command import recorded
from cpc_repr.offsets import plot_offsets
from cpc_repr.report import Row
from cpc_repr.results import Results
from cpc_repr.training import Learner, fit, subdirectory
from cpc_repr.vision.config import Config
from cpc_repr.vision.evaluate import (
    Bench,
    chance,
    classify,
    contrastive,
    few_labels,
    pixels,
    pooled,
    probe,
    probe_grid,
    throughput,
)
from cpc_repr.vision.figures import figure_5
from cpc_repr.vision.learners import build, cpc_learner, supervised_learner
from cpc_repr.vision.model import CPCModel, parameters
from cpc_repr.vision.tables import few
from cpc_rl.runs import RunDirectory


def run_arm(bench: Bench, run: RunDirectory, baselines: bool = True) -> dict[str, Row]:
    """Train and evaluate what `bench.config` says, in `run`.

    All ranks of `bench.group` train together; the first one alone evaluates, the others get no rows.

    Args:
        bench: Pictures, device and configuration.
        run: Where checkpoints, metrics and results lie.
        baselines: Also probe what CPC is held against, by every protocol, and draw the pictures.

    Returns:
        Accuracies by row, then by what was measured.

    Raises:
        Stopped: A signal came; called again with the same `run` it goes on.
    """
    config = bench.config
    bench = replace(bench, scratch=run.path / "scratch")
    learner = cpc_learner(config, bench.pictures, bench.device, bench.group)
    model = cast(CPCModel, learner.module)
    bench.say(
        f"{run.path}: CPC, encoder of {parameters(model.model) / 1e6:.2f} M parameters, "
        f"{parameters(model) / 1e6:.2f} M in all, {config.train.updates:,} updates, grid of "
        f"{config.view.cells} x {config.view.cells}, {config.cpc.directions} of 4 directions"
    )
    _train(bench, run, learner, _shown(config))
    supervised = _supervised(bench, run) if baselines and config.train.supervised_updates else None
    if not bench.group.is_main:
        return {}
    results = Results(run.report / "results.json", settings(config))
    rows: dict[str, Row] = {}

    def row(name: str, compute: Callable[[], Mapping[str, Any]]) -> None:
        rows[name] = results.scores(name, lambda: dict(compute()))

    offsets = results.get("per_offset", lambda: contrastive(bench, model))
    plot_offsets(run.report / "accuracy_per_offset.png", config.cpc.offsets, offsets, "rows of the grid")
    row("cpc", lambda: probe(bench, "CPC", pooled(model.model, config), protocols=baselines))
    if baselines:
        row("cpc_grid", lambda: probe_grid(bench, "CPC", model.model))
        rows["cpc"] = {**rows["cpc"], **rows.pop("cpc_grid")}
        results.get("units.png", lambda: figure_5(run.report / "units.png", bench, model.model))
        _baselines(bench, row)
        if supervised is not None:
            row("supervised", lambda: classify(bench, supervised, "linear"))
        rows["random"] = {**rows["random"], **rows.pop("random_grid")}
        speed = results.get("throughput", lambda: throughput(bench, model))
        bench.say(
            f"{speed['images_per_second']:.1f} pictures a second through loss and gradient on {bench.device}, of which "
            f"the encoder alone takes {speed['encoder_share']:.0%}"
        )
    for fraction in config.efficient.fractions:
        row(few(fraction), partial(few_labels, bench, model.model, fraction))
    if bench.scratch.exists():
        shutil.rmtree(bench.scratch)
    return rows


def _baselines(bench: Bench, row: Callable[[str, Callable[[], Mapping[str, Any]]], None]) -> None:
    """Rows of everything CPC is held against."""
    config = bench.config
    row("chance", lambda: chance(bench))
    row("pixels", lambda: probe(bench, "pixels", pixels(config)))
    untrained = build(config).to(bench.device).model.requires_grad_(False)
    row("random", lambda: probe(bench, "random encoder", pooled(untrained, config)))
    row("random_grid", lambda: probe_grid(bench, "random encoder", untrained))


def _supervised(bench: Bench, run: RunDirectory) -> nn.Module:
    """The encoder trained end to end, in a run directory of its own."""
    config = bench.config
    learner = supervised_learner(config, bench.pictures, bench.device, bench.group)
    if bench.group.is_main:
        subdirectory(run.path / "supervised", recorded(config))
    bench.group.collect(None)  # now it is there for all
    folder = RunDirectory.open(run.path / "supervised")
    bench.say(f"{folder.path}: end to end on labels, {config.train.supervised_updates:,} updates")
    _train(bench, folder, learner, {"loss": "loss/total", "accuracy": "accuracy"})
    return learner.module


def _train(bench: Bench, run: RunDirectory, learner: Learner, shown: Mapping[str, str]) -> None:
    fit(run, bench.config.run, recorded(bench.config), learner, bench.stop, shown)
    learner.freeze()


def _shown(config: Config) -> dict[str, str]:
    near, far = config.cpc.offsets[0], config.cpc.offsets[-1]
    accuracy = {f"accuracy at {near}": f"cpc/accuracy_{near}", f"at {far}": f"cpc/accuracy_{far}"}
    if near == far:
        accuracy.popitem()
    return {"loss": "loss/total", "log N": "cpc/log_n", **accuracy}


def settings(config: Config) -> dict[str, Any]:
    """What results depend on."""
    plain = command.settings(config)
    del plain["efficient"]["fractions"]  # each has a result of its own
    return plain

"""The trunk all experiments of this package share: a loss that is a function of the update's number, and a run.

Whatever is drawn for an update (windows, negatives) is drawn from the run's seed and the update's number. Weights and
the optimiser's moments are then all a checkpoint must hold for a resumed run to be the run that was never stopped.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn

from configs import Frozen, RunFailure, UsageError, difference
from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.runs import Console, Logger, RunDirectory, RunSettings, StopSignal

UNIT = "updates"
Loss = Callable[[int], tuple[Tensor, dict[str, Tensor]]]


class Stopped(Exception):
    """A signal asked the run to stop; whatever was under way is on the disk."""


class OptimConfig(Frozen):
    """Adam, with a learning rate that rises linearly to its value and stays there or falls again."""

    learning_rate: float = Field(default=2e-4, gt=0, le=1, description="Step size after the warm-up.")
    warmup: int = Field(
        default=1000,
        ge=0,
        le=10**9,
        description="Updates over which the learning rate rises from 0: without them CPC can sit at log N for long.",
    )
    fall: int = Field(
        default=0,
        ge=0,
        le=10**9,
        description="Updates at whose end the learning rate has fallen, linearly, to 0; 0: it does not fall.",
    )
    beta1: float = Field(default=0.9, ge=0, lt=1, description="Decay of Adam's mean gradient.")
    clip: float | None = Field(default=None, gt=0, le=1e6, description="Largest norm of the gradient; none: any.")
    average: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay of a running mean of the weights (Polyak), evaluated in their place; none: the last ones.",
    )


class Learner:
    """A module, its loss and its optimiser: what is trained, and all that a checkpoint must hold."""

    def __init__(
        self, module: nn.Module, loss: Loss, optim: OptimConfig, accumulate: int = 1, group: ProcessGroup = SINGLE
    ) -> None:
        """Train `module` on `loss`.

        Args:
            module: Holds all parameters the loss depends on.
            loss: Maps the number of a batch (0, 1, ...) to a scalar and to metrics, each of one number.
            optim: Of Adam.
            accumulate: Batches whose mean gradient makes one update.
            group: Ranks that share out the batches of an update; each has the same module.

        Raises:
            UsageError: They cannot be shared out evenly.
        """
        if accumulate % group.size:
            raise UsageError(f"--accumulate {accumulate}: {group.size} processes share these, so a multiple of that")
        self.module, self.loss, self.optim, self.accumulate = module, loss, optim, accumulate
        self.group = group
        self.params = [p for p in module.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(self.params, lr=optim.learning_rate, betas=(optim.beta1, 0.999))
        self.average: dict[str, Tensor] = {}  # of the weights
        if optim.average is not None:
            self.average = {k: p.detach().clone() for k, p in module.named_parameters() if p.requires_grad}
        self.updates = 0

    def update(self) -> dict[str, float]:
        """Take one step and return the metrics.

        Raises RunFailure if the loss or the gradient is not finite, before it can touch the weights.
        """
        self.module.train()
        self.optimiser.zero_grad()
        parts = []
        for i in range(self.group.rank, self.accumulate, self.group.size):
            loss, metrics = self.loss(self.updates * self.accumulate + i)
            torch.autograd.backward(loss / self.accumulate)
            metrics = {"loss/total": loss.detach(), **metrics}
            parts.append(torch.stack([m.float() for m in metrics.values()]))
        self.group.sum_gradients(self.params)
        norm = nn.utils.clip_grad_norm_(self.params, self.optim.clip or torch.inf)
        means = self.group.sum(torch.stack(parts).mean(0)) / self.group.size  # of each metric
        values = dict(zip([*metrics, "gradient_norm"], [*means.tolist(), norm.item()], strict=True))
        for name in ("loss/total", "gradient_norm"):
            if not abs(values[name]) < float("inf"):
                raise RunFailure(f"{name} is {values[name]} at update {self.updates}")
        values["learning_rate"] = learning_rate(self.optim, self.updates)
        for group in self.optimiser.param_groups:
            group["lr"] = values["learning_rate"]
        self.optimiser.step()
        self._average()
        self.updates += 1
        return values

    @torch.no_grad()
    def _average(self) -> None:
        if self.optim.average is not None:
            # Early on the mean is a short one: the initial weights would weigh down that of a run of minutes.
            decay = min(self.optim.average, (1 + self.updates) / (10 + self.updates))
            torch._foreach_lerp_([*self.average.values()], [p.detach() for p in self.params], 1 - decay)

    def settle(self) -> nn.Module:
        """Freeze the module for evaluation, with the mean of its weights in their place where there is one.

        Nothing is to be trained or saved after it.
        """
        self.module.load_state_dict(self.average, strict=False)
        return self.module.eval().requires_grad_(False)

    def state_dict(self) -> dict[str, Any]:
        """For `torch.save`; tensors and plain Python only."""
        return {
            "updates": self.updates,
            "fall": self.optim.fall,
            "module": self.module.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken.

        Raises UsageError if the learning rate fell over another number of updates there.
        """
        if (before := saved.get("fall", 0)) != (now := self.optim.fall):
            raise UsageError(
                f"cannot resume: the learning rate falls over {now} updates, and over {before} (0: never) in the "
                "checkpoint; ask for as many as before, or begin a new run"
            )
        self.updates = saved["updates"]
        self.module.load_state_dict(saved["module"])
        self.average = {name: x.to(self.params[0].device) for name, x in saved.get("average", {}).items()}
        self.optimiser.load_state_dict(saved["optimiser"])


def learning_rate(optim: OptimConfig, update: int) -> float:
    """Of the update with this number, from 0."""
    left = max(0.0, 1 - update / optim.fall) if optim.fall else 1.0
    return optim.learning_rate * min(1.0, (update + 1) / max(1, optim.warmup)) * left


def seeded(seed: int, build: Callable[[], nn.Module]) -> nn.Module:
    """Build a module whose initial weights depend on `seed` alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def fit(
    run: RunDirectory,
    settings: RunSettings,
    config: BaseModel,
    learner: Learner,
    updates: int,
    stop: StopSignal,
    shown: Mapping[str, str],
    may_change: Callable[[str], bool] = lambda key: False,
) -> None:
    """Train until `updates` updates are done, from the newest checkpoint of `run` if it has one.

    Args:
        run: Takes metrics.jsonl and checkpoints.
        settings: Records, and minutes between checkpoints.
        config: Kept in the checkpoints: a run is continued with the configuration it was begun with.
        learner: Fresh; left as it is at the last update.
        updates: In all, those before a resume included.
        stop: Read after each update. Of several ranks (`learner.group`) any may be asked to stop.
        shown: Metrics of the live line: how it calls each, and its key.
        may_change: Keys of `config` that a resumed run may change.

    Raises:
        Stopped: A signal came; a checkpoint is written.
        UsageError: The checkpoint was made with another configuration.
        RunFailure: A loss is not finite; checkpoints before it are kept.
    """
    saved = run.checkpoints.load() if run.checkpoints.paths() else None
    if saved is not None:
        _same_configuration(saved["config"], config, may_change)
        learner.load_state_dict(saved)
    if learner.updates >= updates:
        return
    group = learner.group
    with (
        Logger(run, settings, learner.updates, saved and saved["logger"], keep=group.is_main, unit=UNIT) as logger,
        Console(updates, quiet=not group.is_main, unit=UNIT, shown=shown) as console,
    ):
        sums: dict[str, list[float]] = defaultdict(list)  # since the last line of metrics
        next_save = time.monotonic()  # the first one soon, so that every run can be resumed
        asked = False
        while learner.updates < updates and not asked:
            try:
                values = learner.update()
            except RunFailure as error:
                raise RunFailure(f"{error}; checkpoints before it are kept in {run.path}") from error
            for name, value in values.items():
                sums[name].append(value)
            (asked,) = group.any(stop.stop)  # read once: a signal from here on is seen after the next update
            last = asked or learner.updates >= updates
            if last or learner.updates % settings.log_updates == 0:
                console.show(logger.write(learner.updates, {name: fmean(series) for name, series in sums.items()}))
                sums.clear()
            if group.is_main and (last or time.monotonic() > next_save):
                state = {**learner.state_dict(), "logger": logger.state_dict()}
                state["config"] = config.model_dump(mode="json")
                run.checkpoints.save(state, number=learner.updates)
                next_save = time.monotonic() + 60 * settings.checkpoint_minutes
    if asked and learner.updates < updates:
        raise Stopped(f"stopped at {learner.updates:,} of {updates:,} updates")


def part(path: Path, config: BaseModel) -> RunDirectory:
    """A run directory within another one: the one that is there, or a new one."""
    if (path / "config.yaml").is_file():
        return RunDirectory.open(path)
    return RunDirectory.create(path, config)


def _same_configuration(old: Mapping[str, Any], config: BaseModel, may_change: Callable[[str], bool]) -> None:
    for key, before, now in difference(old, config):
        if not may_change(key):
            raise UsageError(f"cannot resume with {key} = {now}: the checkpoint was made with {before}")

"""The trunk all experiments of this package share: a loss that is a function of the update's number, and a run.

Whatever is drawn for an update (windows, negatives) is drawn from the run's seed and the update's number. Weights and
the optimiser's moments are then all a checkpoint must hold for a resumed run to be the run that was never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from configs import UsageError
from cpc_repr.upgrade import reread
from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.optim import Optimiser, OptimiserConfig, check_finite
from cpc_rl.runs import RunDirectory, RunSettings, StopSignal, loop

OPTIMISER = OptimiserConfig(learning_rate=2e-4, warmup=1000)  # without a warm-up CPC can sit at log N for long
Loss = Callable[[int], tuple[Tensor, dict[str, Tensor]]]


class Stopped(Exception):
    """A signal asked the run to stop; whatever was under way is on the disk."""


class Learner:
    """A module, its loss and its optimiser: what is trained, and all that a checkpoint must hold."""

    unit = "updates"

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        optimiser: OptimiserConfig,
        total: int,
        accumulate: int = 1,
        group: ProcessGroup = SINGLE,
    ) -> None:
        """Train `module` on `loss`.

        Args:
            module: Holds all parameters the loss depends on.
            loss: Maps the number of a batch (0, 1, ...) to a scalar and to metrics, each of one number.
            optimiser: And its learning rate.
            total: Updates of the whole training.
            accumulate: Batches whose mean gradient makes one update.
            group: Ranks that share out the batches of an update; each has the same module.

        Raises:
            UsageError: They cannot be shared out evenly.
        """
        if accumulate % group.size:
            raise UsageError(f"--accumulate {accumulate}: {group.size} processes share these, so a multiple of that")
        self.module, self.loss, self.total = module, loss, total
        self.accumulate, self.group = accumulate, group
        self.params = [p for p in module.parameters() if p.requires_grad]
        self.optimiser = Optimiser(optimiser, self.params, module)
        self.updates = 0

    @property
    def progress(self) -> int:
        """Updates so far."""
        return self.updates

    def begin(self) -> None:
        """Nothing: the loss is a function of the update's number."""

    def describe(self, path: Path) -> str:
        """Nothing: the experiment has told all of its parts."""
        return ""

    def record(self) -> dict[str, Any]:
        """Nothing: the metrics of each update say it all."""
        return {}

    def update(self) -> dict[str, float]:
        """Take one step and return the metrics.

        Raises RunFailure if the loss or the gradient is not finite, before it can touch the weights.
        """
        self.module.train()
        self.optimiser.zero_grad()
        shares = []
        for i in range(self.group.rank, self.accumulate, self.group.size):
            loss, metrics = self.loss(self.updates * self.accumulate + i)
            torch.autograd.backward(loss / self.accumulate)
            metrics = {"loss/total": loss.detach(), **metrics}
            shares.append(torch.stack([m.float() for m in metrics.values()]))
        self.group.sum_gradients(self.params)
        norm = self.optimiser.clip()
        means = self.group.sum(torch.stack(shares).mean(0)) / self.group.size  # of each metric
        values = dict(zip([*metrics, "gradient_norm"], [*means.tolist(), norm.item()], strict=True))
        check_finite(values, f"at update {self.updates}")
        values["learning_rate"] = self.optimiser.step(self.updates, self.updates / self.total)
        self.updates += 1
        return values

    def freeze(self) -> nn.Module:
        """The module for evaluation, with the mean of its weights in their place where there is one.

        Nothing is to be trained or saved after it.
        """
        if self.optimiser.average is not None:
            self.module.load_state_dict(self.optimiser.average.module.state_dict())
        return self.module.eval().requires_grad_(False)

    def state_dict(self) -> dict[str, Any]:
        """For `torch.save`; tensors and plain Python only."""
        return {
            "updates": self.updates,
            "module": self.module.state_dict(),
            **self.optimiser.state_dict(self.total),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken.

        Raises UsageError if the learning rate fell over another number of updates there.
        """
        self.updates = saved["updates"]
        self.module.load_state_dict(saved["module"])
        self.optimiser.load_state_dict(saved, self.updates, self.total)


def seeded(seed: int, build: Callable[[], nn.Module]) -> nn.Module:
    """Build a module whose initial weights depend on `seed` alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


@contextmanager
def drawing(draws: torch.Generator, device: torch.device) -> Iterator[None]:
    """What torch draws by itself (dropout) are functions of the seed of `draws`; behind it all is as it was before."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(draws.initial_seed())
        yield


def fit(
    run: RunDirectory,
    settings: RunSettings,
    config: BaseModel,
    learner: Learner,
    stop: StopSignal,
    shown: Mapping[str, str],
) -> None:
    """`cpc_rl.runs.loop.train` for a part of an experiment: a signal ends all of it.

    Raises:
        Stopped: A signal came; a checkpoint is written.
        UsageError: The checkpoint was made with another configuration.
        RunFailure: A loss is not finite; checkpoints before it are kept.
    """
    if not loop.train(learner, run, settings, config, stop, shown=shown, reread=partial(reread, config)):
        raise Stopped(f"stopped at {learner.updates:,} of {learner.total:,} updates")


def subdirectory(path: Path, config: BaseModel) -> RunDirectory:
    """A run directory within another one: the one that is there, or a new one."""
    if (path / "config.yaml").is_file():
        return RunDirectory.open(path)
    return RunDirectory.create(path, config)

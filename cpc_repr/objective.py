"""The seam between a method of representation learning and all that is done with it.

Data, training, probes, tables, resuming, torchrun, seeds and ablations know an `Objective`, never a method by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen
from cpc_repr.context import Context
from cpc_repr.training import seeded
from cpc_rl.optim import OptimiserConfig

B = TypeVar("B")
R = TypeVar("R")
Losses = tuple[Tensor, dict[str, Tensor]]  # a scalar to descend, and metrics of one number each


class Stage(NamedTuple):
    """A result of a trained network: computed once, kept in results.json, shown each time the command comes by."""

    name: str
    compute: Callable[[], Any]  # what JSON can say, or accuracies by what was measured where there is a `row`
    row: str | None = None  # of the tables: its accuracies go there
    show: Callable[[Any], None] | None = None  # draws or prints the result


class Objective(ABC, Generic[B, R]):
    """A method: what it builds, its loss on a batch, its diagnostics, and what it gives to probes.

    A batch and all that is drawn for it must be functions of the seed and the batch's number alone: a resumed run is
    then the run that was never stopped, bit for bit. `B` is the type of a batch, `R` that of a representation.

    Attributes:
        Config: Settings of its own, a section of its name; None: it has none, or those it shares.
        title: What lines call it.
        rows: Of the tables, and their titles: what its representations are called there, the one that counts last.
        context: Settings, data and device of the run.
        module: Holds all parameters; its `model` is the network that `load` reads back.
        optimiser: And its learning rate.
        updates: How long it is trained.
        live: Metrics of the live line: how it calls each, and its key.
    """

    Config: ClassVar[type[Frozen] | None] = None
    title: str
    rows: ClassVar[Mapping[str, str]] = {}
    live: Mapping[str, str] = {"loss": "loss/total"}

    def __init__(
        self,
        context: Context[Any, Any],
        build: Callable[[], nn.Module],
        optimiser: OptimiserConfig | None = None,
        updates: int | None = None,
    ) -> None:
        """Take the network that `build` makes, with the seed's initial weights.

        Args:
            context: Of the run.
            build: Makes the module.
            optimiser: None: that of the settings.
            updates: None: those of the settings.
        """
        config = context.config
        self.context = context
        self.module = seeded(config.run.seed, build).to(context.device)
        self.optimiser: OptimiserConfig = optimiser or config.optimiser
        self.updates: int = config.train.updates if updates is None else updates

    @classmethod
    def check(cls, config: Any) -> None:
        """Raise UsageError if settings leave nothing to learn, whatever the data."""

    @abstractmethod
    def batch(self, number: int) -> B:
        """Batch `number`: 0, 1, ..., on the CPU; where data lies on the disk, it is read ahead of time in threads."""

    @abstractmethod
    def loss(self, batch: B, number: int) -> Losses:
        """The loss of batch `number`."""

    def describe(self) -> str:
        """The method and its size, for a line in front of training."""
        return f"{self.title}, {count_parameters(self.module) / 1e6:.2f} M parameters"

    def representations(self) -> Mapping[str, R]:
        """What probes and transfer see, by the names of `rows`; none where the network is its own classifier."""
        return {}

    def diagnostics(self) -> Iterable[Stage]:
        """What else is looked at once it is trained."""
        return ()

    def draws(self, number: int, *purpose: int) -> torch.Generator:
        """Random numbers of batch `number`; those of another `purpose` are others."""
        return generator(self.context.config.run.seed, number, *purpose)


class Labelled(NamedTuple):
    """N inputs and their classes."""

    inputs: Tensor  # [N, ...]
    labels: Tensor  # int64 [N, ...], as the network's logits [N, ..., classes]; -1: no class


class Supervised(Objective[Labelled, Any]):
    """A network trained end to end on labels, at a rate that falls to 0: what a representation is held against."""

    title = "end to end on labels"
    live: Mapping[str, str] = {"loss": "loss/total", "accuracy": "accuracy"}

    def __init__(
        self,
        context: Context[Any, Any],
        build: Callable[[], nn.Module],
        read: Callable[[int], Labelled],
        optimiser: OptimiserConfig | None = None,
        updates: int | None = None,
    ) -> None:
        """Train the network of `build`, which maps inputs to logits, on what `read` gives; see `Objective`."""
        train = context.config.train
        rate, warmup = train.supervised_learning_rate, context.config.optimiser.warmup
        falling = OptimiserConfig(learning_rate=rate, warmup=warmup, schedule="linear")
        super().__init__(context, build, optimiser or falling, train.supervised_updates if updates is None else updates)
        self.read = read

    def batch(self, number: int) -> Labelled:
        """Inputs and classes."""
        return self.read(number)

    def loss(self, batch: Labelled, number: int) -> Losses:
        """Cross-entropy over all inputs that have a class."""
        device = self.context.device
        logits = self.module(batch.inputs.to(device)).flatten(0, -2)  # [M, classes]
        wanted = batch.labels.flatten().to(device)  # [M]
        known = wanted >= 0
        hit = (logits.argmax(-1) == wanted) & known
        return F.cross_entropy(logits, wanted, ignore_index=-1), {"accuracy": hit.sum() / known.sum()}


def generator(seed: int, *key: int) -> torch.Generator:
    """Random numbers on the CPU that are a function of `seed` and `key` alone."""
    state = np.random.SeedSequence([seed, *key]).generate_state(1)[0]  # torch reads 32 bits of it
    return torch.Generator().manual_seed(int(state))


def count_parameters(module: nn.Module) -> int:
    """How many numbers a module learns."""
    return sum(p.numel() for p in module.parameters())

"""What an auxiliary loss is: a module beside the actor-critic that reads one unroll and never runs while acting."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple, NoReturn, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from configs import Frozen
from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.networks import ActorCritic


class AuxConfig(Frozen):
    """Settings of every auxiliary loss; a subclass adds its own and says what its weight is by default."""

    weight: float = Field(
        default=1.0, ge=0, le=1000, description="Weight of the loss beside the A2C terms, for each row."
    )


class AuxSizes(NamedTuple):
    """What the losses are built from."""

    features: int  # of z
    hidden: int  # of c
    num_actions: int  # A
    unroll: int  # T
    obs_shape: tuple[int, ...] = ()  # (H, W, C) or (F,)
    num_envs: int | None = None  # B, of all ranks; None: not known


class Unroll(NamedTuple):
    """What one update learns from: T + 1 rows of B environments. A loss sees the fields that its `needs` names."""

    obs: Tensor  # uint8 [T + 1, B, H, W, C] or float32 [T + 1, B, F]
    z: Tensor  # [T + 1, B, features], the encoder's output
    c: Tensor  # [T + 1, B, hidden], the core's output
    logits: Tensor  # [T + 1, B, A]
    value: Tensor  # [T + 1, B]
    actions: Tensor  # int64 [T, B]; row t was done at row t of the fields above
    rewards: Tensor  # [T, B], raw; row t came of action t
    is_first: Tensor  # bool [T + 1, B], the row begins an episode
    valid: Tensor  # bool [T + 1, B], false on rows that count in no loss: nor does the action that led to them
    network: ActorCritic  # for a loss that encodes again; its own parameters are trained with the agent's

    def only(self, needs: frozenset[str], reader: str) -> Unroll:
        """The same with the fields in `needs`; reading another one is an error that names `reader`."""
        hidden = {name: Undeclared(name, reader) for name in self._fields if name not in needs and name != "network"}
        return self._replace(**cast(Any, hidden))


class Undeclared:
    """Stands where a loss has not declared that it reads a field."""

    def __init__(self, field: str, reader: str) -> None:
        self._message = f"{reader} reads unroll.{field}, which its `needs` does not name"

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise AttributeError(self._message)

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse()

    __getitem__ = __len__ = __iter__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse


FIELDS = frozenset(Unroll._fields) - {"network"}


class AuxLoss(nn.Module, ABC):
    """Subclass it and register a name in `AUX_LOSSES`; its trainable parameters join the agent's optimiser.

    The loss of several is the sum of each times the weight in its `Config`.
    """

    Config: ClassVar[type[AuxConfig]] = AuxConfig  # its section on the command line and in config.yaml
    needs: ClassVar[frozenset[str]]  # fields of `Unroll` it reads: only these are kept and sent between ranks
    # What several ranks do. "same": each sees all environments and computes the whole loss. "split": each sees all
    # environments and computes its own part. "own": each sees its own environments. Under "split" and "own" the losses
    # and metrics of the ranks add up to those of one rank; `self.group` says which rank this is and sums over them.
    ranks: ClassVar[Literal["same", "split", "own"]] = "same"
    # What learning curves show of it: the metric of this name, or those called <name>_<k>; "": the loss itself.
    curve: ClassVar[str] = ""

    config: AuxConfig
    group: ProcessGroup = SINGLE

    def __init__(self, config: AuxConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """A subclass takes the same arguments and builds its layers.

        Args:
            config: an instance of `Config`.
            sizes: of the network and the unroll.
            network: the agent's; copy what a target network needs, keep no reference.
            seed: starts whatever the loss draws at random.

        Raises:
            ValueError: settings that do not fit the sizes.
        """
        super().__init__()
        self.config = config

    @abstractmethod
    def forward(self, unroll: Unroll) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of one unroll (a scalar, mean over its terms) and scalar metrics without gradient."""

    def after_step(self, network: ActorCritic) -> None:
        """Called after each step of the optimiser, for example to move a target network. By default nothing."""

    def mean(self, values: Tensor, mask: Tensor) -> Tensor:
        """Mean of `values` where `mask` is true, over all ranks' rows under "own": this rank's part of it; else 0."""
        group = self.group if self.ranks == "own" else SINGLE
        count = group.sum(mask.sum().to(values.dtype))
        return values.masked_fill(~mask, 0.0).sum() / count.clamp(min=1)


class SamplingLoss(AuxLoss):
    """A loss that samples, from a generator of its own on the CPU.

    So draws are the same on every device and every rank, and are saved with the module's state.
    """

    def __init__(self, config: AuxConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """See `AuxLoss`."""
        super().__init__(config, sizes, network, seed)
        self.generator = torch.Generator().manual_seed(seed)

    def get_extra_state(self) -> Tensor:
        """The generator's state: saved with the weights, so that a resumed run draws what it would have drawn."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Counterpart of `get_extra_state`."""
        self.generator.set_state(state.cpu())

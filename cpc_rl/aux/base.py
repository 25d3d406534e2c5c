"""What an auxiliary loss is: a module beside the actor-critic that reads one unroll and never runs while acting."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from configs import Frozen


class AuxSizes(NamedTuple):
    """What the losses are built from."""

    features: int  # of z
    hidden: int  # of c
    num_actions: int  # A
    unroll: int  # T


class AuxLoss(nn.Module, ABC):
    """Subclass it, register a name in `AUX_LOSSES`; its parameters join the agent's optimiser by themselves."""

    weight: float  # of the loss beside the A2C terms
    part: tuple[int, int] = (0, 1)  # (rank, number of ranks): every rank sees the whole batch, gathered from all
    divides: bool = False  # whether `forward` does only its `part`, so that the ranks' losses add up to the loss

    @abstractmethod
    def __init__(self, sizes: AuxSizes, config: Frozen, seed: int) -> None:
        """Build from the network's sizes; `seed` starts whatever the loss draws at random."""
        super().__init__()

    @abstractmethod
    def forward(
        self, z: Tensor, c: Tensor, actions: Tensor, is_first: Tensor, valid: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of one unroll (a scalar, mean over its terms) and scalar metrics without gradient.

        Args:
            z: encoder outputs [T + 1, B, features].
            c: core outputs [T + 1, B, hidden].
            actions: int64 [T, B]; row t was done at row t of z and c.
            is_first: bool [T + 1, B], the row begins an episode.
            valid: bool [T + 1, B], false on rows that count in no loss.
        """

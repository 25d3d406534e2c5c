"""The auxiliary losses of one agent, added up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from cpc_rl.aux.base import FIELDS, AuxLoss, Unroll
from cpc_rl.distributed import ProcessGroup
from cpc_rl.networks import ActorCritic


class AuxLosses(nn.ModuleDict):
    """Several losses side by side, by name; their weights, metrics and state stay apart. None at all is fine."""

    def __init__(self, losses: Mapping[str, AuxLoss], group: ProcessGroup) -> None:
        """The losses of this rank."""
        super().__init__(losses)
        self.group = group
        for loss in losses.values():
            loss.group = group

    def forward(self, unroll: Unroll) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum, and `loss/<name>` and `<name>/<metric>` of each: this rank's part of sums over all ranks.

        `unroll` holds the rank's own environments; what a loss wants of the others' is gathered here, once.
        """
        total = unroll.value.new_zeros(())
        metrics: dict[str, Tensor] = {}
        gathered: dict[str, Tensor] = {}
        for name, module in self.items():
            loss = cast(AuxLoss, module)
            seen = unroll.only(loss.needs, f"aux loss {name}")
            if loss.ranks != "own":
                for field in sorted((loss.needs & FIELDS) - gathered.keys()):
                    gathered[field] = self.group.gather(getattr(unroll, field))  # [T, B / R, ...] -> [T, B, ...]
                seen = seen._replace(**cast(Any, {field: gathered[field] for field in loss.needs}))
            value, own = loss(seen)
            if loss.ranks == "same":  # every rank has done all of it
                value = value / self.group.size
                own = {key: metric / self.group.size for key, metric in own.items()}
            total = total + loss.config.weight * value
            metrics[f"loss/{name}"] = value.detach()
            metrics |= {f"{name}/{key}": metric for key, metric in own.items()}
        return total, metrics

    @torch.no_grad()
    def after_step(self, network: ActorCritic) -> None:
        """Tell each loss that the optimiser has moved the weights."""
        for loss in self.values():
            cast(AuxLoss, loss).after_step(network)

"""CPC for the agent (van den Oord et al. 2018, section 3.4): the LSTM output predicts encoder outputs to come."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from configs import Frozen
from cpc_rl.aux.base import AuxLoss, AuxSizes
from cpc_rl.infonce import cpc_loss, linear_heads

Negatives = Literal["sampled", "time", "sequence", "batch"]


class CPCConfig(Frozen):
    """Contrastive Predictive Coding beside the agent, with (`cpc_action`) or without (`cpc`) its actions."""

    steps: int = Field(default=30, ge=1, le=1000, description="Predict 1..K steps ahead (K); less than the unroll.")
    weight: float = Field(
        default=0.05, ge=0, le=1000, description="Of the CPC loss beside the A2C terms, for each row."
    )
    anchors: int = Field(
        default=10,
        ge=0,
        le=10_000,
        description="Time steps of the unroll drawn anew at each update to predict from (an unbiased estimate of the "
        "loss over all of them, at a fraction of the cost); 0: all.",
    )
    negatives: Negatives = Field(
        default="sampled",
        description="`sampled`: num_negatives latents drawn from the whole unroll, shared by all predictions; `time`: "
        "the same time step in the other environments; `sequence`: the environment's own unroll; `batch`: all.",
    )
    num_negatives: int = Field(default=256, ge=1, le=65_536, description="How many for `sampled`.")


class Predictive(AuxLoss):
    """What CPC and its kin share: settings, and a generator of their own on the CPU.

    So draws are the same on every device, and are saved with the module's state.
    """

    def __init__(self, sizes: AuxSizes, config: CPCConfig, seed: int) -> None:
        """Raises ValueError if K is not smaller than the unroll."""
        super().__init__(sizes, config, seed)
        if config.steps >= sizes.unroll:
            raise ValueError(f"cpc.steps {config.steps}: must be smaller than a2c.unroll, {sizes.unroll}")
        self.config = config
        self.weight = config.weight
        self.generator = torch.Generator().manual_seed(seed)

    def anchor_steps(self, rows: int) -> Tensor | None:
        """Those of this update, [S] on the CPU and sorted; None: all `rows`."""
        if not 0 < self.config.anchors < rows:
            return None
        # The last row has nothing to predict, but leaving it out of the draw would bias the estimate.
        return torch.randperm(rows, generator=self.generator)[: self.config.anchors].sort().values

    def get_extra_state(self) -> Tensor:
        """The generator's state: saved with the weights, so that a resumed run draws what it would have drawn."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Counterpart of `get_extra_state`."""
        self.generator.set_state(state.cpu())


class CPC(Predictive):
    """z_{t+k} against other latents by the score z_{t+k}^T W_k c_t; gradients reach the encoder through z and c.

    Pairs never cross an episode end; latents of other episodes stay candidates. Several ranks divide the steps k among
    them.
    """

    divides = True

    def __init__(self, sizes: AuxSizes, config: CPCConfig, seed: int) -> None:
        """Raises ValueError if K is not smaller than the unroll."""
        super().__init__(sizes, config, seed)
        self.heads = linear_heads(sizes.hidden, sizes.features, config.steps)  # W_1 .. W_K

    def forward(
        self, z: Tensor, c: Tensor, actions: Tensor, is_first: Tensor, valid: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AuxLoss`. Metrics are named `<what>_<k>`."""
        source = self.config.negatives
        rank, ranks = self.part
        mine = range(rank, self.config.steps, ranks)  # k - 1
        if not mine:
            raise ValueError(f"cpc.steps {self.config.steps}: must be at least the number of ranks, {ranks}")
        result = cpc_loss(
            c.transpose(0, 1),  # [B, T + 1, hidden]
            z.transpose(0, 1),  # [B, T + 1, features]
            [self.heads[i] for i in mine],
            [i + 1 for i in mine],
            segment=is_first.cumsum(0).T,  # [B, T + 1], the number of the episode
            valid=valid.T,
            pool="batch" if source == "sampled" else source,
            num_negatives=self.config.num_negatives if source == "sampled" else None,
            generator=self.generator,
            anchor_steps=self.anchor_steps(len(z)),
        )
        metrics: dict[str, Tensor] = {}
        zeros = torch.zeros_like(result.loss.detach()).expand(self.config.steps)  # what other ranks do is nought here
        accuracy, bound = (
            zeros.index_add(0, torch.tensor(mine, device=z.device), values)
            for values in (result.per_offset.accuracy, result.per_offset.bound)
        )  # [K] each
        for i in range(self.config.steps):
            metrics[f"accuracy_{i + 1}"] = accuracy[i]
            metrics[f"bound_{i + 1}"] = bound[i]
        return result.loss * (len(mine) / self.config.steps), metrics

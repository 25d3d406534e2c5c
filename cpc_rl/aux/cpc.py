"""CPC for the agent (van den Oord et al. 2018, section 3.4): the LSTM output predicts encoder outputs to come."""

from __future__ import annotations

from torch import Tensor

from cpc_rl.aux.base import AuxSizes, Unroll
from cpc_rl.aux.contrastive import Contrastive, ContrastiveConfig, by_step
from cpc_rl.infonce import cpc_loss, linear_heads
from cpc_rl.networks import ActorCritic


class CPCConfig(ContrastiveConfig):
    """Contrastive Predictive Coding: the core's output predicts encoder outputs to come."""


class CPC(Contrastive):
    """z_{t+k} against other latents by the score z_{t+k}^T W_k c_t; gradients reach the encoder through z and c.

    Pairs never cross an episode end; latents of other episodes stay candidates. Several ranks divide the steps k among
    them.
    """

    Config = CPCConfig
    needs = frozenset({"z", "c", "is_first", "valid"})
    ranks = "split"

    def __init__(self, config: CPCConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """Raises ValueError if K is not smaller than the unroll."""
        super().__init__(config, sizes, network, seed)
        self.heads = linear_heads(sizes.hidden, sizes.features, config.steps)  # W_1 .. W_K

    def forward(self, unroll: Unroll) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AuxLoss`. Metrics are `accuracy_<k>` and `bound_<k>`."""
        steps = range(1 + self.group.rank, self.config.steps + 1, self.group.size)  # k, of this rank
        if not steps:
            raise ValueError(f"steps {self.config.steps}: must be at least the number of ranks, {self.group.size}")
        result = cpc_loss(
            unroll.c.transpose(0, 1),  # [B, T + 1, hidden]
            unroll.z.transpose(0, 1),  # [B, T + 1, features]
            [self.heads[k - 1] for k in steps],
            steps,
            segment=unroll.is_first.cumsum(0).T,  # [B, T + 1], the number of the episode
            valid=unroll.valid.T,
            generator=self.generator,
            anchor_steps=self.anchor_steps(len(unroll.z)),
            **self.config.negatives.options,
        )
        part = len(steps) / self.config.steps
        return result.loss * part, by_step(result.per_offset, steps, self.config.steps)

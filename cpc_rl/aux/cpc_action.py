"""CPC that is told the actions: the context is unrolled with what the agent did, then predicts what it saw.

CPC|A of Guo et al. 2018 ("Neural predictive belief representations", section 3), with InfoNCE in place of their binary
classifier: what CPC has to average over, the agent's own future actions, is known here.
"""

from __future__ import annotations

from torch import Tensor

from cpc_rl.aux.base import AuxSizes, Unroll
from cpc_rl.aux.contrastive import Contrastive, ContrastiveConfig, by_step
from cpc_rl.aux.roll_forward import RollForward
from cpc_rl.infonce import contrast_predictions, linear_heads
from cpc_rl.networks import ActorCritic


class CPCActionConfig(ContrastiveConfig):
    """CPC that knows the actions: the core's output, unrolled with them, predicts encoder outputs to come."""


class CPCAction(Contrastive):
    """z_{t+k} against other latents by the score z_{t+k}^T W h_k, h_0 = c_t, h_k = GRU(h_{k-1}, a_{t+k-1}).

    Pairs, negatives and metrics are those of `CPC`; one W serves all k, because h_k knows how far it has come.
    """

    Config = CPCActionConfig
    needs = frozenset({"z", "c", "actions", "is_first", "valid"})

    def __init__(self, config: CPCActionConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """Raises ValueError if K is not smaller than the unroll."""
        super().__init__(config, sizes, network, seed)
        self.roll_forward = RollForward(sizes.hidden, sizes.num_actions)
        self.head = linear_heads(sizes.hidden, sizes.features, 1)[0]  # W

    def forward(self, unroll: Unroll) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AuxLoss`. Metrics are `accuracy_<k>` and `bound_<k>`."""
        offsets, anchors = range(1, self.config.steps + 1), self.anchor_steps(len(unroll.z))
        beliefs = self.roll_forward(unroll.c, unroll.actions, self.config.steps, anchors)
        result = contrast_predictions(
            [self.head(h).transpose(0, 1) for h in beliefs],  # [B, n_k, features] each
            unroll.z.transpose(0, 1),  # [B, T + 1, features]
            offsets,
            segment=unroll.is_first.cumsum(0).T,  # [B, T + 1], the number of the episode
            valid=unroll.valid.T,
            generator=self.generator,
            anchor_steps=anchors,
            **self.config.negatives.options,
        )
        return result.loss, by_step(result.per_offset, offsets, self.config.steps)

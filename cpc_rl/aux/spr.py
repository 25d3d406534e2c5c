"""Self-predictive representations: the context, told the actions, predicts what a target encoder will make of them.

SPR (Schwarzer et al. 2021, section 2) on a recurrent agent, as in PBL (Guo et al. 2020) and BYOL-Explore (Guo et al.
2022, section 3.1): no negatives, a target encoder that is a moving average of the agent's, and cosine similarity.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cpc_rl.aux.base import AuxSizes, Unroll
from cpc_rl.aux.predictive import Predictive, PredictiveConfig
from cpc_rl.aux.roll_forward import RollForward
from cpc_rl.aux.target import target_encoder
from cpc_rl.infonce.pairs import Pairs, Window
from cpc_rl.networks import ActorCritic


class SPRConfig(PredictiveConfig):
    """Self-Predictive Representations: the core's output, unrolled with the actions, predicts a target encoder's."""

    weight: float = Field(
        default=0.5, ge=0, le=1000, description="Weight of the loss beside the A2C terms, for each row."
    )
    steps: int = Field(default=5, ge=1, le=1000, description="Predict 1..K steps ahead (K); less than the unroll.")
    momentum: float = Field(
        default=0.99,
        ge=0,
        le=1,
        description="Share of its weights that the target encoder keeps at each update; the rest comes from the "
        "encoder.",
    )


class SPR(Predictive):
    """2 - 2 cos(prediction, target): h_0 = c_t, h_k = GRU(h_{k-1}, a_{t+k-1}), prediction MLP(h_k), target z'_{t+k}.

    z' is the target encoder's; gradients reach the encoder through c alone. Pairs never cross an episode end. Several
    ranks see their own environments: a pair needs no other one, only their number.
    """

    Config = SPRConfig
    config: SPRConfig
    needs = frozenset({"obs", "c", "actions", "is_first", "valid"})
    ranks = "own"
    curve = "similarity"

    def __init__(self, config: SPRConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """Raises ValueError if K is not smaller than the unroll."""
        super().__init__(config, sizes, network, seed)
        self.roll_forward = RollForward(sizes.hidden, sizes.num_actions)
        width = 2 * sizes.hidden
        self.predictor = nn.Sequential(nn.Linear(sizes.hidden, width), nn.ReLU(), nn.Linear(width, sizes.features))
        self.target_encoder = target_encoder(network, config.momentum)

    def forward(self, unroll: Unroll) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AuxLoss`. Metrics are `similarity_<k>` and `target_std`."""
        (rows, batch), steps, device = unroll.valid.shape, self.config.steps, unroll.c.device
        every, drawn = torch.arange(rows), self.anchor_steps(rows)
        anchors = every if drawn is None else drawn  # [S]
        window = Window("batch", rows, batch, unroll.valid, unroll.is_first.cumsum(0), None, targets_only=False)
        pairs, all_pairs = (window.pairs(t, range(1, steps + 1), device) for t in (anchors, every))
        beliefs = torch.cat(self.roll_forward(unroll.c, unroll.actions, steps, anchors))  # [R, B, hidden]
        ahead = torch.cat([anchors[:size] + k for k, size in enumerate(pairs.sizes, 1)])  # [R], the step of each target
        needed, place = (x.to(device) for x in torch.unique(ahead, return_inverse=True))  # [n], [R]
        targets, std = self.targets(unroll.obs[needed], unroll.valid[needed])  # [n, B, features]
        similarity = (F.normalize(self.predictor(beliefs), dim=-1) * targets[place]).sum(-1)  # [R, B]
        found, own = sum_by_step(pairs, similarity, steps), sum_by_step(pairs, torch.ones_like(similarity), steps)
        whole = sum_by_step(all_pairs, similarity.new_ones(all_pairs.valid.shape), steps)
        count, all_count = self.group.sum(torch.stack([own, whole])).clamp(min=1)  # [K] each, of all ranks
        # Over the pairs that a draw has on average, not those it has: so that the mean over draws is the whole loss.
        loss = ((2 * own - 2 * found) / (all_count * len(anchors) / rows)).mean()
        metrics = {f"similarity_{k}": x for k, x in enumerate(found.detach() / count, 1)}
        return loss, metrics | {"target_std": std / self.group.size}

    def targets(self, obs: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """What the target encoder makes of `obs` [n, B, ...], less the mean over all ranks' valid rows, at length 1.

        Also a scalar that tells whether it has collapsed: how far its directions differ, 0 to 1.
        """
        z = self.target_encoder(obs.flatten(0, 1)).unflatten(0, valid.shape)  # [n, B, features]
        z = z.masked_fill(~valid[..., None], 0.0)
        direction = F.normalize(z, dim=-1)
        sums = self.group.sum(torch.stack([z, direction, direction.square()]).sum((1, 2)))  # [3, features]
        mean, first, second = sums / self.group.sum(valid.sum()).clamp(min=1)  # [features] each
        std = (second - first.square()).clamp(min=0).sqrt()  # [features]
        return F.normalize(z - mean, dim=-1), std.mean() * len(std) ** 0.5

    def after_step(self, network: ActorCritic) -> None:
        """Let the target encoder follow."""
        self.target_encoder.update_parameters(network.encoder)


def sum_by_step(pairs: Pairs, values: Tensor, total: int) -> Tensor:
    """Sum of `values` [R, B] over the valid pairs of each step k = 1..`total`: [K]."""
    return values.new_zeros(total).index_add(0, pairs.offset, values.masked_fill(~pairs.valid, 0).sum(1))

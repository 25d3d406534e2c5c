"""CPC that is told the actions: the context is unrolled with what the agent did, then predicts what it saw.

CPC|A of Guo et al. 2018 ("Neural predictive belief representations", section 3), with InfoNCE in place of their binary
classifier: what CPC has to average over, the agent's own future actions, is known here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cpc_rl.aux.base import AuxSizes
from cpc_rl.aux.cpc import CPCConfig, Predictive
from cpc_rl.infonce import info_nce, linear_heads
from cpc_rl.infonce.pairs import Pairs, Window


class CPCAction(Predictive):
    """z_{t+k} against other latents by the score z_{t+k}^T W h_k, h_0 = c_t, h_k = GRU(h_{k-1}, a_{t+k-1}).

    Settings, pairs, negatives and metrics are those of `CPC`; one W serves all k, because h_k knows how far it has
    come. Negatives are `sampled` or `batch`.
    """

    def __init__(self, sizes: AuxSizes, config: CPCConfig, seed: int) -> None:
        """Raises ValueError if K is not smaller than the unroll, or for other negatives."""
        super().__init__(sizes, config, seed)
        if config.negatives not in ("sampled", "batch"):
            raise ValueError(f"cpc.negatives {config.negatives!r}: cpc_action takes sampled or batch")
        self.num_actions = sizes.num_actions
        self.cell = nn.GRUCell(sizes.num_actions, sizes.hidden)
        self.head = linear_heads(sizes.hidden, sizes.features, 1)[0]  # W

    def forward(
        self, z: Tensor, c: Tensor, actions: Tensor, is_first: Tensor, valid: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AuxLoss`. Metrics are named `<what>_<k>`."""
        (rows, batch), config = is_first.shape, self.config
        drawn = self.anchor_steps(rows)
        steps = torch.arange(rows) if drawn is None else drawn  # [S]
        window = Window("batch", rows, batch, valid, is_first.cumsum(0), None, targets_only=False)
        pairs = window.pairs(steps, range(1, config.steps + 1), z.float())
        uniform = None
        if config.negatives == "sampled":
            uniform = window.draw(config.num_negatives, self.generator, z.device)
        roles = window.pools(z.detach().flatten(0, 1)[None], pairs.target, pairs.valid, uniform)
        number = torch.zeros_like(pairs.share).index_add(0, pairs.offset, pairs.valid.sum(1).float())  # [K]
        share = pairs.valid / number.clamp(min=1)[pairs.offset, None]  # [R, B], sums to 1 for each k, or to 0
        weight = share * (pairs.share / config.steps)[pairs.offset, None]  # [R, B]
        result = info_nce(
            self._predict(c, actions, steps, pairs).flatten(0, 1)[None],  # [1, R * B, features]
            z.flatten(0, 1)[None],  # [1, (T + 1) * B, features]
            roles.positive,
            anchor_weight=weight.view(1, -1),
            candidate_valid=roles.valid,
            negatives=roles.negatives,
        )
        each = result.per_anchor
        hit, bound = each.accuracy, (each.num_candidates.log() - each.loss) * (each.weight > 0)  # [1, R * B] each
        metrics: dict[str, Tensor] = {}
        for name, values in (("accuracy", hit), ("bound", bound)):
            per_row = (values.view(-1, batch) * share).sum(1)  # [R]
            means = torch.zeros_like(pairs.share).index_add(0, pairs.offset, per_row)  # [K]
            metrics |= {f"{name}_{k + 1}": means[k] for k in range(config.steps)}
        return result.loss * weight.sum(), metrics

    def _predict(self, c: Tensor, actions: Tensor, steps: Tensor, pairs: Pairs) -> Tensor:
        """Predictions [R, B, features], in the order of `pairs`."""
        batch, device = c.shape[1], c.device
        at = steps.to(device)
        each = torch.arange(self.num_actions, device=device)
        done = (actions[..., None] == each).to(c.dtype)  # [T, B, A]
        h = c[at]  # [S, B, hidden]
        unrolled = []
        for k, size in enumerate(pairs.sizes):  # anchors are sorted: the first ones have a target
            a = done[at[:size] + k]  # [n, B, A]
            h = self.cell(a.flatten(0, 1), h[:size].flatten(0, 1)).unflatten(0, (size, batch))  # [n, B, hidden]
            unrolled.append(h)
        return self.head(torch.cat(unrolled))

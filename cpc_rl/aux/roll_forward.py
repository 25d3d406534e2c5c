"""A context unrolled with the actions that followed: what the agent can know of a step to come."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RollForward(nn.Module):
    """h_0 = c_t, h_k = GRU(h_{k-1}, a_{t+k-1}), the actions one-hot."""

    def __init__(self, hidden: int, num_actions: int) -> None:
        """`hidden` is the size of c and of h."""
        super().__init__()
        self.num_actions = num_actions
        self.cell = nn.GRUCell(num_actions, hidden)

    def forward(self, c: Tensor, actions: Tensor, steps: int, anchors: Tensor | None = None) -> list[Tensor]:
        """Beliefs h_1 .. h_K.

        Args:
            c: contexts [T + 1, B, hidden].
            actions: int64 [T, B]; row t was done at row t of `c`.
            steps: K.
            anchors: sorted rows t to start from, [S] on the CPU; None: all.

        Returns:
            For each k = 1..K [n_k, B, hidden], of the n_k anchors t with t + k <= T, in their order.
        """
        rows, batch = c.shape[:2]
        anchors = torch.arange(rows) if anchors is None else anchors
        start = anchors.to(c.device)
        each = torch.arange(self.num_actions, device=c.device)
        done = (actions[..., None] == each).to(c.dtype)  # [T, B, A]
        h, beliefs = c[start], []  # [S, B, hidden]
        for k in range(1, steps + 1):
            size = int((anchors + k < rows).sum())  # anchors are sorted: the first ones have a target
            a = done[start[:size] + (k - 1)]  # [n_k, B, A]
            h = self.cell(a.flatten(0, 1), h[:size].flatten(0, 1)).unflatten(0, (size, batch))  # [n_k, B, hidden]
            beliefs.append(h)
        return beliefs

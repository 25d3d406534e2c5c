"""The three terms of A2C, per row; `reduce` decides between the papers' sum and the usual mean."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Reduction = Literal["sum", "mean"]


def reduce(term: Tensor, valid: Tensor, how: Reduction, rows: Tensor | None = None) -> Tensor:
    """[T, B] -> scalar over the rows that are `valid`; IMPALA sums over T and B, most code takes the mean.

    `rows` is the number to divide the mean by where these rows are only a part of the batch; by default their own.
    """
    total = torch.where(valid, term, 0.0).sum()
    return total if how == "sum" else total / (valid.sum() if rows is None else rows).clamp(min=1)


def policy_gradient(logits: Tensor, action: Tensor, advantage: Tensor) -> Tensor:
    """-A log pi(a) per row; no gradient through the advantage. [T, B, A], [T, B], [T, B] -> [T, B]."""
    log_prob = F.log_softmax(logits, dim=-1).gather(-1, action[..., None])[..., 0]  # [T, B]
    return -advantage.detach() * log_prob


def baseline(value: Tensor, returns: Tensor) -> Tensor:
    """Half the squared error per row; no gradient through the returns. [T, B], [T, B] -> [T, B]."""
    return 0.5 * (returns.detach() - value).square()


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the policy per row, in nats. [T, B, A] -> [T, B]."""
    log_prob = F.log_softmax(logits, dim=-1)  # [T, B, A]
    return -(log_prob.exp() * log_prob).sum(-1)  # [T, B]

"""Rewards, discounts and n-step returns as pure functions of [T, B] tensors.

Row t of a transition tensor speaks of the step from observation t to observation t + 1.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

RewardClip = Literal["abs_one", "soft_asymmetric", "none"]


def clip_reward(reward: Tensor, how: RewardClip) -> Tensor:
    """IMPALA's two ways to squash rewards (its published code), or none.

    `abs_one`: clamp to [-1, 1] (single tasks). `soft_asymmetric`: 5 tanh(r / 5), times 0.3 below zero (DMLab-30).
    """
    if how == "abs_one":
        return reward.clamp(-1.0, 1.0)
    if how == "soft_asymmetric":
        squashed = 5.0 * torch.tanh(reward / 5.0)
        return torch.where(reward < 0, 0.3 * squashed, squashed)
    return reward


def discounts(
    terminated: Tensor, truncated: Tensor, is_first: Tensor, gamma: float, bootstrap_truncation: bool
) -> Tensor:
    """Discount [T, B] of the value of observation t + 1, from its flags (each [T, B], rows 1..T of the unroll).

    Zero where the episode terminated, and where observation t + 1 already belongs to the next episode (same-step
    autoreset), for its value says nothing of this one. A time limit whose last frame is seen (next-step autoreset)
    keeps the discount if `bootstrap_truncation`; DeepMind Lab as used by IMPALA treats every end alike, with zero.
    """
    ended = terminated | is_first if bootstrap_truncation else terminated | truncated | is_first
    return torch.where(ended, 0.0, gamma)


def n_step_returns(reward: Tensor, discount: Tensor, valid: Tensor, value: Tensor) -> Tensor:
    """The longest returns the unroll allows: G_t = r_t + discount_t G_{t+1}, with G_T = value_T. No gradient.

    On a row that is not `valid` (its action was ignored) G_t is value_t, so that the transition in front of it, which
    led to the last frame of an episode, bootstraps from that frame's value.

    Args:
        reward: [T, B], of the transition t -> t + 1, clipped as wanted.
        discount: [T, B], of the value of observation t + 1.
        valid: bool [T, B].
        value: [T + 1, B], the baseline of observations 0..T.

    Returns:
        [T, B].
    """
    value = value.detach()
    returns = torch.empty_like(reward)
    following = value[-1]
    for t in reversed(range(reward.shape[0])):
        following = torch.where(valid[t], reward[t] + discount[t] * following, value[t])
        returns[t] = following
    return returns

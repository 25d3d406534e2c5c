"""Reward prediction (Jaderberg et al. 2017, UNREAL, section 3.2): is the next reward negative, zero or positive?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cpc_rl.aux.base import AuxConfig, AuxLoss, AuxSizes, Unroll
from cpc_rl.networks import ActorCritic

CLASSES = 3  # negative, zero, positive
WIDTH = 128  # of the layer between the frames and the classes (ibid., appendix A)


class RewardPredictionConfig(AuxConfig):
    """Reward prediction: encoder outputs of a few frames predict the sign of the reward behind them."""

    weight: float = Field(
        default=0.05, ge=0, le=1000, description="Weight of the loss beside the A2C terms, for each row."
    )
    frames: int = Field(
        default=3, ge=1, le=100, description="Frames in front of a reward to predict it from; at most the unroll."
    )


class RewardPrediction(AuxLoss):
    """z of the frames t - n + 1 .. t tell the sign of the reward of action t; gradients reach the encoder.

    The loss is the expected cross-entropy of a draw in which rewarding steps are as likely as the others, as in the
    paper's skewed sampling; an exact mean instead of a draw, and over the unroll instead of a replay buffer.
    """

    Config = RewardPredictionConfig
    config: RewardPredictionConfig
    needs = frozenset({"z", "rewards", "is_first", "valid"})
    ranks = "own"
    curve = "balanced_accuracy"

    def __init__(self, config: RewardPredictionConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """Raises ValueError if the unroll has fewer frames."""
        super().__init__(config, sizes, network, seed)
        if config.frames > sizes.unroll:
            raise ValueError(f"frames {config.frames}: must be at most a2c.unroll, {sizes.unroll}")
        self.hidden = nn.Linear(config.frames * sizes.features, WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, unroll: Unroll) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AuxLoss`. Metrics: `accuracy`, `rewarding`; `balanced_accuracy` where there are two classes or more."""
        n, steps = self.config.frames, len(unroll.rewards)
        frames = torch.cat([unroll.z[k : k + steps - n + 1] for k in range(n)], -1)  # [T - n + 1, B, n * features]
        logits = self.head(F.relu(self.hidden(frames)))  # [T - n + 1, B, 3]
        sign = unroll.rewards[n - 1 :].sign().long() + 1  # [T - n + 1, B], the class
        usable = whole_windows(unroll.is_first, unroll.valid, n)  # [T - n + 1, B]
        each = torch.arange(CLASSES, device=sign.device)
        member = usable[..., None] & (sign[..., None] == each)  # [T - n + 1, B, 3]
        count = self.group.sum(member.sum((0, 1)).to(logits.dtype))  # [3], over all ranks
        nonzero = count[0] + count[2]
        weight = 0.5 / torch.stack([nonzero, count[1], nonzero]).clamp(min=1)  # [3], of one window
        loss = -(F.log_softmax(logits, -1) * weight * member).sum()
        right = (member & (logits.argmax(-1) == sign)[..., None]).sum((0, 1))  # [3], of this rank
        metrics = {
            "accuracy": right.sum() / count.sum().clamp(min=1),
            "rewarding": self.mean((unroll.rewards != 0).to(logits.dtype), unroll.valid[1:]),
        }
        present = (count > 0).sum()
        if present > 1:  # one class alone is found by saying it always, and would hide what the others say
            metrics["balanced_accuracy"] = (right / count.clamp(min=1)).sum() / present
        return loss, metrics


def whole_windows(is_first: Tensor, valid: Tensor, n: int) -> Tensor:
    """Where n rows and the reward behind the last of them are of one episode and count.

    An episode may begin with the first of the rows, and end with the reward.

    Args:
        is_first: bool [T + 1, B].
        valid: bool [T + 1, B].
        n: rows in a window.

    Returns:
        Bool [T - n + 1, B]; row i speaks of the rows i .. i + n - 1.
    """
    windows = len(is_first) - n
    usable = valid[n:].clone()  # the action behind the last row was done
    for k in range(n):
        usable &= valid[k : k + windows]
        if k:
            usable &= ~is_first[k : k + windows]
    return usable

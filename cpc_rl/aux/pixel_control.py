"""Pixel control (Jaderberg et al. 2017, UNREAL, section 3.1): how much can the agent change each part of a picture?"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cpc_rl.aux.base import AuxConfig, AuxSizes, SamplingLoss, Unroll
from cpc_rl.aux.predictive import Anchors, drawn_steps
from cpc_rl.networks import ActorCritic
from cpc_rl.returns import n_step_returns

CHANNELS = 32  # of the map that the deconvolution starts from (ibid., appendix A)
WINDOW = 4  # of the deconvolution, in cells; its stride is 2


class PixelControlConfig(AuxConfig):
    """Pixel control: action values of changing the pixels in each cell of the picture."""

    weight: float = Field(
        default=1.0, ge=0, le=1000, description="Weight of the loss beside the A2C terms, for each row."
    )
    cell: int = Field(
        default=4, ge=1, le=256, description="Height and width, in pixels, of a cell whose change is a reward."
    )
    discount: float = Field(default=0.9, ge=0, le=1, description="Discount of pixel changes to come, per agent step.")
    anchors: Anchors = Field(
        default=20,
        description="Time steps of the unroll drawn anew at each update to learn from (an unbiased estimate of the "
        "loss over all of them, at a fraction of the cost), or `all`.",
    )


class PixelControl(SamplingLoss):
    """Q of the action taken, for each cell, from c; gradients reach core and encoder.

    The reward of a cell is the mean absolute change of its pixels, the return the longest that the unroll allows, with
    the best action's Q of the last row behind it.
    """

    Config = PixelControlConfig
    config: PixelControlConfig
    needs = frozenset({"obs", "c", "actions", "is_first", "valid"})
    ranks = "own"

    def __init__(self, config: PixelControlConfig, sizes: AuxSizes, network: ActorCritic, seed: int) -> None:
        """Raises ValueError if observations are no pictures, or smaller than four cells."""
        super().__init__(config, sizes, network, seed)
        self.cells = grid(sizes.obs_shape, config.cell)  # h, w
        self.head = DuelingDeconvolution(sizes.hidden, sizes.num_actions, *self.cells)

    def forward(self, unroll: Unroll) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AuxLoss`. Metrics are `change`, `returns` and `value`, means over steps and cells."""
        follows = unroll.valid[1:] & ~unroll.is_first[1:]  # [T, B], both frames of a change are of one episode
        with torch.no_grad():
            change = pixel_changes(unroll.obs, self.config.cell)  # [T, B, h, w]
            best = self.head(unroll.c[-1]).amax(1)  # [B, h, w]
            returns = self.returns(change, follows, best)  # [T, B, h, w]
        drawn = drawn_steps(self.config.anchors, len(follows), self.generator)
        steps = (torch.arange(len(follows)) if drawn is None else drawn).to(follows.device)  # [S]
        value = self.head.taken(unroll.c[steps], unroll.actions[steps])  # [S, B, h, w]
        loss = 0.5 * (value - returns[steps]).square()  # [S, B, h, w]

        def mean(x: Tensor) -> Tensor:
            """Of what is known at the drawn steps; each stands for T / S of all, whose number divides."""
            every = x.new_zeros(follows.shape).index_copy(0, steps, x.mean((2, 3)))  # [T, B]
            return self.mean(every, follows) * (len(follows) / len(steps))

        return mean(loss), {
            "change": self.mean(change.mean((2, 3)), follows),
            "returns": self.mean(returns.mean((2, 3)), follows),
            "value": mean(value.detach()),
        }

    def returns(self, change: Tensor, follows: Tensor, best: Tensor) -> Tensor:
        """Discounted changes [T, B, h, w] up to the end of the episode, or of the unroll and `best` [B, h, w] then."""
        values = torch.cat([torch.zeros_like(change), best[None]])  # [T + 1, B, h, w]; 0 behind an episode's last frame
        discount = change.new_full((len(change), 1, 1, 1), self.config.discount)
        return n_step_returns(change, discount, follows[..., None, None], values)


class DuelingDeconvolution(nn.Module):
    """Q of each action and cell: a fully connected map, then a value and an advantage deconvolution side by side."""

    def __init__(self, hidden: int, num_actions: int, height: int, width: int) -> None:
        """`hidden` is the size of c; `height` and `width` of the grid of cells are even, at least 4."""
        super().__init__()
        self.cells = (height, width)
        self.map = (height // 2 - 1, width // 2 - 1)
        self.expand = nn.Linear(hidden, self.map[0] * self.map[1] * CHANNELS)
        self.value = nn.ConvTranspose2d(CHANNELS, 1, WINDOW, stride=2)
        self.advantage = nn.ConvTranspose2d(CHANNELS, num_actions, WINDOW, stride=2)

    def filters(self) -> tuple[Tensor, Tensor]:
        """Weight [32, A, 4, 4] and bias [A] that give Q = V + A - mean of A at once, for all of it is linear."""
        value, advantage = self.value, self.advantage
        assert value.bias is not None and advantage.bias is not None
        weight = value.weight + advantage.weight - advantage.weight.mean(1, keepdim=True)
        return weight, value.bias + advantage.bias - advantage.bias.mean()

    def features(self, c: Tensor) -> Tensor:
        """[N, hidden] -> [N, P, 32], of the P places of the map."""
        return F.relu(self.expand(c)).view(len(c), -1, CHANNELS)

    def forward(self, c: Tensor) -> Tensor:
        """[N, hidden] -> Q of every action [N, A, h, w]."""
        x = self.features(c).transpose(1, 2).reshape(-1, CHANNELS, *self.map)  # [N, 32, h / 2 - 1, w / 2 - 1]
        return F.conv_transpose2d(x, *self.filters(), stride=2)  # [N, A, h, w]

    def taken(self, c: Tensor, actions: Tensor) -> Tensor:
        """Q of one action each, [..., hidden] and [...] -> [..., h, w]; a third of the time of all of them."""
        weight, bias = self.filters()
        each = weight.transpose(0, 1).flatten(2)[actions.flatten()]  # [N, 32, 16], one filter for each row
        windows = self.features(c.flatten(0, -2)) @ each  # [N, P, 16]
        added = F.fold(windows.transpose(1, 2), self.cells, WINDOW, stride=2)[:, 0]  # [N, h, w]
        return (added + bias[actions.flatten()][:, None, None]).view(*actions.shape, *self.cells)


def grid(shape: tuple[int, ...], cell: int) -> tuple[int, int]:
    """Height and width, in cells, of the largest central crop of two cells' multiples; 20 x 20 for 84 x 84 pixels.

    Raises:
        ValueError: `shape` is none of pictures, or of pictures smaller than four cells.
    """
    if len(shape) != 3:
        raise ValueError(f"cell {cell}: observations of shape {shape} are no pictures")
    height, width = (pixels // (2 * cell) * 2 for pixels in shape[:2])
    if min(height, width) < 4:
        raise ValueError(f"cell {cell}: observations of shape {shape} must be at least {4 * cell} x {4 * cell} pixels")
    return height, width


def pixel_changes(obs: Tensor, cell: int) -> Tensor:
    """Mean absolute change of each cell between consecutive frames, 0 to 1: uint8 [T + 1, B, H, W, C] -> [T, B, h, w].

    One step at a time, and in bytes as far as they go: only one step's change is ever held pixel by pixel.
    """
    batch, height, width, channels = obs.shape[1:]
    h, w = grid((height, width, channels), cell)
    top, left = (height - h * cell) // 2, (width - w * cell) // 2
    crop = obs[:, :, top : top + h * cell, left : left + w * cell]  # [T + 1, B, h * cell, w * cell, C]
    column = torch.arange(w * cell * channels, device=obs.device) // (cell * channels)
    pool = (column[:, None] == torch.arange(w, device=obs.device)).float()  # [w * cell * C, w]
    sums = []
    for before, after in pairwise(crop):
        change = torch.maximum(before, after) - torch.minimum(before, after)  # uint8: what would be negative wraps
        lines = change.reshape(batch * h, cell, -1)  # [B * h, cell, w * cell * C]
        total = lines[:, 0].float()  # [B * h, w * cell * C]
        for k in range(1, cell):
            total += lines[:, k]
        sums.append(total @ pool)  # [B * h, w]
    return torch.stack(sums).view(-1, batch, h, w) / (255 * cell * cell * channels)  # [T, B, h, w]

"""IMPALA's actor-critic: convolutional encoder, LSTM, linear policy and baseline (Espeholt et al. 2018, figure 3).

CPC reads two of its layers: z, the encoder's output, and c, the LSTM's output (van den Oord et al. 2018, section 3.4).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from configs import Frozen

State = tuple[Tensor, Tensor]  # LSTM (h, c), each [B, D]


class NetworkConfig(Frozen):
    """Encoder, recurrent core and heads."""

    encoder: Literal["shallow", "deep"] = Field(
        default="shallow",
        description="Of pictures: IMPALA's 2-layer network (1.1 M parameters) or its 15-layer residual one (1.5 M). "
        "Observations that are vectors get two fully connected layers.",
    )
    core: Literal["lstm", "feedforward"] = Field(
        default="lstm", description="`lstm` remembers; `feedforward` replaces it by a layer of the same width."
    )
    features: int = Field(default=256, ge=1, le=4096, description="Size of the encoder's output z.")
    hidden: int = Field(default=256, ge=1, le=4096, description="Size of the core's output c.")


class ActorCriticOutput(NamedTuple):
    """What one pass over [T, B] rows gives."""

    logits: Tensor  # [T, B, A]
    value: Tensor  # [T, B]
    z: Tensor  # [T, B, features], encoder output
    c: Tensor  # [T, B, hidden], core output
    state: State  # after row T - 1


def init_fan_in_(module: nn.Module) -> None:
    """Sonnet's default: weights from a normal of standard deviation 1/sqrt(fan-in) cut at two, biases zero."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        std = 1.0 / math.sqrt(module.weight[0].numel())
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class PixelConv2d(nn.Conv2d):
    """A convolution over bytes: x / 255 * w is computed as x * (w / 255), which saves a pass over all pixels."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 [N, H, W, C] -> floats [N, out, H', W'], channels last in memory like the pixels."""
        x = pixels.permute(0, 3, 1, 2).to(self.weight.dtype)  # [N, C, H, W]
        return self._conv_forward(x, self.weight / 255, self.bias)  # [N, out, H', W']


class ShallowEncoder(nn.Module):
    """Conv 8x8/4 (16), conv 4x4/2 (32), fully connected; ReLU after each, no padding."""

    def __init__(self, height: int, width: int, channels: int, features: int) -> None:
        """Sizes of the picture and of the output."""
        super().__init__()
        rows, columns = (((n - 8) // 4 + 1 - 4) // 2 + 1 for n in (height, width))
        self.conv1 = PixelConv2d(channels, 16, 8, stride=4)
        self.conv2 = nn.Conv2d(16, 32, 4, stride=2)
        self.fc = nn.Linear(rows * columns * 32, features)

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 [N, H, W, C] -> [N, features]."""
        x = F.relu(self.conv1(pixels))  # [N, 16, h1, w1]
        x = F.relu(self.conv2(x))  # [N, 32, h2, w2]
        x = x.permute(0, 2, 3, 1).flatten(1)  # [N, h2 * w2 * 32], a view: channels are last in memory
        return F.relu(self.fc(x))  # [N, features]


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x)))), both 3x3."""

    def __init__(self, channels: int) -> None:
        """`channels` in and out."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> same."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class DeepEncoder(nn.Module):
    """Three sections of 16, 32, 32 channels: conv 3x3, max-pool 3x3/2, two residual blocks; then fully connected."""

    def __init__(self, height: int, width: int, channels: int, features: int) -> None:
        """Sizes of the picture and of the output."""
        super().__init__()
        layers: list[nn.Module] = []
        for section, out in enumerate((16, 32, 32)):
            layers.append((nn.Conv2d if section else PixelConv2d)(channels, out, 3, padding=1))
            # Together these two arguments are TensorFlow's SAME padding for a window of 3 and a stride of 2.
            layers.append(nn.MaxPool2d(3, 2, padding=(height % 2, width % 2), ceil_mode=True))
            layers += [ResidualBlock(out), ResidualBlock(out)]
            channels, height, width = out, (height + 1) // 2, (width + 1) // 2
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(height * width * channels, features)

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 [N, H, W, C] -> [N, features]."""
        x = F.relu(self.layers(pixels))  # [N, 32, H/8, W/8]
        x = x.permute(0, 2, 3, 1).flatten(1)  # [N, H/8 * W/8 * 32]
        return F.relu(self.fc(x))  # [N, features]


class VectorEncoder(nn.Module):
    """Two fully connected layers; ReLU after each. For observations that are not pictures."""

    def __init__(self, inputs: int, features: int) -> None:
        """Sizes of the observation and of the output."""
        super().__init__()
        self.fc1 = nn.Linear(inputs, features)
        self.fc2 = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Floats [N, inputs] -> [N, features]."""
        return F.relu(self.fc2(F.relu(self.fc1(x))))


def build_encoder(config: NetworkConfig, obs_shape: tuple[int, ...]) -> nn.Module:
    """The encoder for observations of this shape, (H, W, C) or (F,). Raises ValueError for pictures too small."""
    if len(obs_shape) == 1:
        return VectorEncoder(obs_shape[0], config.features)
    height, width, channels = obs_shape
    if config.encoder == "shallow" and min(height, width) < 20:
        raise ValueError(f"picture {height}x{width}: the shallow encoder needs at least 20x20 pixels")
    return {"shallow": ShallowEncoder, "deep": DeepEncoder}[config.encoder](height, width, channels, config.features)


class RecurrentCore(nn.Module):
    """LSTM over [T, B] rows whose state is zeroed in front of each row that begins an episode."""

    def __init__(self, inputs: int, hidden: int) -> None:
        """Sizes; the forget gates start at bias 1, as in IMPALA's TensorFlow code."""
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden)
        weight_ih, weight_hh, bias_ih, bias_hh = self.lstm.all_weights[0]
        std = 1.0 / math.sqrt(inputs + hidden)
        for weight in (weight_ih, weight_hh):
            nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)
        for bias in (bias_ih, bias_hh):
            nn.init.zeros_(bias)
        with torch.no_grad():
            bias_ih[hidden : 2 * hidden] = 1.0  # torch orders the gates i, f, g, o

    def forward(self, x: Tensor, is_first: Tensor, state: State) -> tuple[Tensor, State]:
        """`x` [T, B, inputs], `is_first` [T, B] bool, state before row 0 -> outputs [T, B, hidden], state after T - 1.

        Episodes are long beside an unroll, so few rows hold a reset: one fused call runs from each such row to the
        next, which gives what `step_by_step` gives at a fraction of the time.
        """
        resets = is_first.any(dim=1).nonzero().flatten().tolist()  # the rows where some environment begins anew
        bounds = [0, *(t for t in resets if t > 0), x.shape[0]]
        outputs = []
        for start, stop in pairwise(bounds):
            y, state = self._segment(x[start:stop], is_first[start], state)
            outputs.append(y)
        return torch.cat(outputs) if len(outputs) > 1 else outputs[0], state  # [T, B, hidden]

    def step_by_step(self, x: Tensor, is_first: Tensor, state: State) -> tuple[Tensor, State]:
        """The reference for `forward`: one row at a time."""
        outputs = []
        for t in range(x.shape[0]):
            y, state = self._segment(x[t : t + 1], is_first[t], state)
            outputs.append(y)
        return torch.cat(outputs), state  # [T, B, hidden]

    def _segment(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, State]:
        """Rows without a reset after the first one; `reset` [B] tells where row 0 begins an episode."""
        keep = ~reset[:, None]
        h, c = (torch.where(keep, s, 0.0) for s in state)  # [B, hidden] each
        if x.shape[0] == 1:  # acting: on a CPU the cell takes half the time of a sequence of one
            h, c = torch.lstm_cell(x[0], (h, c), *self.lstm.all_weights[0])
            return h[None], (h, c)  # [1, B, hidden]
        y, (h, c) = self.lstm(x, (h[None], c[None]))  # [T, B, hidden]
        return y, (h[0], c[0])


class ActorCritic(nn.Module):
    """Encoder -> core fed with z, the one-hot last action and the clipped last reward -> policy logits and value."""

    def __init__(self, config: NetworkConfig, obs_shape: tuple[int, ...], num_actions: int) -> None:
        """`obs_shape` is (H, W, C) or (F,). Raises ValueError if the picture is too small for the encoder."""
        super().__init__()
        self.config = config
        self.num_actions = num_actions
        self.encoder = build_encoder(config, obs_shape)
        inputs = config.features + num_actions + 1
        self.core = RecurrentCore(inputs, config.hidden) if config.core == "lstm" else None
        self.dense = nn.Linear(inputs, config.hidden) if config.core == "feedforward" else None
        self.policy = nn.Linear(config.hidden, num_actions)
        self.baseline = nn.Linear(config.hidden, 1)
        self.apply(init_fan_in_)

    def initial_state(self, num_envs: int, device: torch.device | str = "cpu") -> State:
        """Zeros: (h, c), each [B, hidden]."""
        zeros = torch.zeros(num_envs, self.config.hidden, device=device)  # [B, hidden]
        return zeros, zeros.clone()

    def forward(
        self, obs: Tensor, last_action: Tensor, last_reward: Tensor, is_first: Tensor, state: State
    ) -> ActorCriticOutput:
        """One pass over T rows of B environments, the same while acting (T = 1) and while learning.

        Args:
            obs: uint8 [T, B, H, W, C] or float32 [T, B, F].
            last_action: int64 [T, B], the action that led to `obs`; not zeroed at episode ends (as in IMPALA).
            last_reward: float [T, B], the reward that came with `obs`, raw: it is clipped to [-1, 1] here.
            is_first: bool [T, B], where an episode begins: the state in front of that row is zeroed.
            state: of the core before row 0.
        """
        z = self.encoder(obs.flatten(0, 1)).unflatten(0, obs.shape[:2])  # [T, B, features]
        action = F.one_hot(last_action, self.num_actions).to(z.dtype)  # [T, B, A]
        x = torch.cat([z, action, last_reward.clamp(-1, 1)[..., None]], dim=-1)  # [T, B, features + A + 1]
        if self.core is not None:
            c, state = self.core(x, is_first, state)  # [T, B, hidden]
        else:
            assert self.dense is not None
            c = F.relu(self.dense(x))  # [T, B, hidden]
        return ActorCriticOutput(self.policy(c), self.baseline(c)[..., 0], z, c, state)

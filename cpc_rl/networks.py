"""IMPALA's actor-critic: convolutional encoder, LSTM, linear policy and baseline (Espeholt et al. 2018, figure 3).

CPC reads two of its layers: z, the encoder's output, and c, the LSTM's output (van den Oord et al. 2018, section 3.4).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor, nn

from configs import Frozen
from cpc_rl.encoders import ENCODERS, VectorEncoder

State = tuple[Tensor, Tensor]  # LSTM (h, c), each [B, D]


class NetworkConfig(Frozen):
    """Encoder, recurrent core and heads."""

    encoder: str = Field(
        default="shallow",
        description="Encoder of pictures: `shallow`, IMPALA's 2-layer network (1.1 M parameters), or `deep`, its "
        "15-layer residual one (1.5 M). Observations that are vectors get two fully connected layers.",
    )
    core: Literal["lstm", "feedforward"] = Field(
        default="lstm",
        description="Core behind the encoder: `lstm` remembers; `feedforward`, a layer of the same width, does not.",
    )
    features: int = Field(default=256, ge=1, le=4096, description="Size of the encoder's output z.")
    hidden: int = Field(default=256, ge=1, le=4096, description="Size of the core's output c.")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Precision that the encoder of pictures computes in. `bfloat16` is faster on GPUs and on CPUs that "
        "have it (`lscpu` shows avx512_bf16 or amx_bf16), slower on others. All else is float32.",
    )

    @field_validator("encoder")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ENCODERS:
            raise ValueError(f"allowed are {', '.join(ENCODERS)}")
        return name


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


def build_encoder(config: NetworkConfig, obs_shape: tuple[int, ...]) -> nn.Module:
    """The encoder for observations of this shape, (H, W, C) or (F,). Raises ValueError for pictures too small."""
    if len(obs_shape) == 1:
        return VectorEncoder(obs_shape[0], config.features)
    height, width, channels = obs_shape
    kind = ENCODERS[config.encoder]
    if min(height, width) < kind.smallest:
        least = f"{kind.smallest}x{kind.smallest}"
        raise ValueError(f"picture {height}x{width}: the {config.encoder} encoder needs at least {least} pixels")
    return kind(height, width, channels, config.features, getattr(torch, config.precision))


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
        if x.shape[0] == 1:  # acting, which must not wait for a GPU
            return self._segment(x, is_first[0], state)
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
        self,
        obs: Tensor,
        last_action: Tensor,
        last_reward: Tensor,
        is_first: Tensor,
        state: State,
        z: Tensor | None = None,
    ) -> ActorCriticOutput:
        """One pass over T rows of B environments, the same while acting (T = 1) and while learning.

        Args:
            obs: uint8 [T, B, H, W, C] or float32 [T, B, F].
            last_action: int64 [T, B], the action that led to `obs`; not zeroed at episode ends (as in IMPALA).
            last_reward: float [T, B], the reward that came with `obs`, raw: it is clipped to [-1, 1] here.
            is_first: bool [T, B], where an episode begins: the state in front of that row is zeroed.
            state: of the core before row 0.
            z: [T, B, features], the encoder's output where it is known already.
        """
        if z is None:
            z = self.encoder(obs.flatten(0, 1)).unflatten(0, obs.shape[:2])  # [T, B, features]
        each = torch.arange(self.num_actions, device=z.device)
        action = (last_action[..., None] == each).to(z.dtype)  # one-hot [T, B, A]; torch's own looks at the values
        x = torch.cat([z, action, last_reward.clamp(-1, 1)[..., None]], dim=-1)  # [T, B, features + A + 1]
        if self.core is not None:
            c, state = self.core(x, is_first, state)  # [T, B, hidden]
        else:
            assert self.dense is not None
            c = F.relu(self.dense(x))  # [T, B, hidden]
        return ActorCriticOutput(self.policy(c), self.baseline(c)[..., 0], z, c, state)

"""The patch encoder: a pre-activation ResNet cut off after its third stack, without batch normalisation.

Batch normalisation lets patches of one picture find each other by the batch's statistics, so CPC does without (2018) or
with layer normalisation (v2, where it is worth 2 points).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen

Norm = Literal["none", "layer", "batch"]
Size = Annotated[int, Field(ge=1, le=65_536)]


class EncoderConfig(Frozen):
    """The encoder of patches (z). Defaults: ResNet-v2-101 up to its third stack, 27.5 M parameters."""

    stem: tuple[Size, Size, Size] = Field(
        default=(64, 7, 2), description="First convolution: channels, kernel, stride (all at least 1)."
    )
    pool: bool = Field(default=True, description="3 x 3 max-pooling, stride 2, behind the first convolution.")
    blocks: tuple[Size, ...] = Field(default=(3, 4, 23), description="Residual blocks of each stack.")
    bottlenecks: tuple[Size, ...] = Field(
        default=(64, 128, 256), description="Channels inside the blocks of each stack."
    )
    maps: tuple[Size, ...] = Field(
        default=(256, 512, 1024), description="Channels each stack puts out; z has the last."
    )
    norm: Norm = Field(
        default="none",
        description="Normalisation before each ReLU: `none`, `layer` (over all channels and pixels of a patch), or "
        "`batch`, by which patches of a picture can find each other: better at the task, worse at what it is for.",
    )

    @model_validator(mode="after")
    def _fits(self) -> EncoderConfig:
        if not self.blocks or not len(self.blocks) == len(self.bottlenecks) == len(self.maps):
            raise ValueError("--blocks, --bottlenecks and --maps must have one number for each stack")
        return self


def normalise(norm: Norm, channels: int) -> nn.Module:
    """What comes before each ReLU."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1, channels) if norm == "layer" else nn.Identity()


class Bottleneck(nn.Module):
    """x + conv1(conv3(conv1(x))), each behind normalisation and ReLU (He et al. 2016): pre-activation."""

    def __init__(self, inputs: int, width: int, maps: int, stride: int, norm: Norm) -> None:
        super().__init__()
        bias = norm == "none"
        self.norms = nn.ModuleList(normalise(norm, c) for c in (inputs, width, width))
        self.reduce = nn.Conv2d(inputs, width, 1, bias=bias)
        self.conv = nn.Conv2d(width, width, 3, stride, padding=1, bias=bias)
        self.expand = nn.Conv2d(width, maps, 1)
        plain = stride == 1 and inputs == maps
        self.shortcut = None if plain else nn.Conv2d(inputs, maps, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        h = F.relu(self.norms[0](x))
        straight = x if self.shortcut is None else self.shortcut(h)
        h = self.conv(F.relu(self.norms[1](self.reduce(h))))
        return straight + self.expand(F.relu(self.norms[2](h)))


class ResNet(nn.Module):
    """g_enc: pictures or patches [N, 3, h, w] -> maps [N, D, h', w']."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        channels, kernel, stride = config.stem
        self.stem = nn.Conv2d(3, channels, kernel, stride, padding=kernel // 2)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if config.pool else nn.Identity()
        stacks: list[nn.Module] = []
        for i, (count, width, maps) in enumerate(zip(config.blocks, config.bottlenecks, config.maps, strict=True)):
            for j in range(count):
                stacks.append(Bottleneck(channels, width, maps, 2 if i and not j else 1, config.norm))
                channels = maps
        self.stacks = nn.Sequential(*stacks)
        self.norm = normalise(config.norm, channels)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Encode, without pooling over pixels."""
        return F.relu(self.norm(self.stacks(self.pool(self.stem(x)))))


def initialise(module: nn.Module) -> None:
    """He's weights; the last convolution of each residual branch is scaled by 1 / sqrt(number of branches).

    Without normalisation the variance would otherwise double in every block, by 2^30 in the paper's network.
    """
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d) and not conv.weight.is_meta:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
    branches = [block for block in module.modules() if isinstance(block, Bottleneck)]
    for block in branches:
        if not block.expand.weight.is_meta:
            block.expand.weight.data.mul_(1 / math.sqrt(len(branches)))

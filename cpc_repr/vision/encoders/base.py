"""What every encoder is: pictures or patches in, maps out, in blocks that can be looked at and trained one by one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

from cpc_repr.vision.encoders.config import EncoderConfig, Norm

Depth = tuple[int, int, int, int]


class Encoder(nn.Module, ABC):
    """g_enc: pictures or patches [N, 3, h, w] -> maps [N, D, h', w'].

    Attributes:
        sizes: Channels of the maps that each block puts out; the last is D.
    """

    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """D."""
        return self.sizes[-1]

    @abstractmethod
    def parts(self) -> Iterable[nn.Module]:
        """The blocks, one after the other; the first begins with the picture, the last ends with D."""

    def forward(self, x: Tensor) -> Tensor:
        """Encode, without pooling over pixels."""
        for part in self.parts():
            x = part(x)
        return x

    def maps(self, x: Tensor, isolate: bool = False) -> list[Tensor]:
        """The maps after each block, [N, sizes[i], h_i, w_i]; with `isolate` no gradient goes from block to block."""
        outputs: list[Tensor] = []
        for part in self.parts():
            x = part(x.detach() if isolate else x)
            outputs.append(x)
        return outputs


class FirstBlocks(Encoder):
    """The first blocks of another encoder, with its weights."""

    def __init__(self, whole: Encoder, count: int) -> None:
        super().__init__()
        self.sizes = whole.sizes[:count]
        self.blocks = nn.ModuleList([*whole.parts()][:count])

    def parts(self) -> list[nn.Module]:
        """Those of the whole."""
        return [*self.blocks]


class Plan(NamedTuple):
    """Sizes of a residual network of four stages."""

    root: int  # channels of the first convolution
    kernel: int  # its kernel
    stride: int  # its stride
    pool: bool  # whether 3 x 3 max-pooling of stride 2 follows it
    strides: tuple[int, ...]  # of the stages
    depth: Depth  # blocks of each stage
    widths: tuple[int, ...]  # channels of each stage, four times as many where blocks are bottlenecks


def plan(config: EncoderConfig, depth: Depth, small: Depth) -> Plan:
    """Sizes for what --inputs says; `depth` as published, `small` on a processor."""
    tiny, patches = config.inputs == "small", config.inputs == "patches"
    root = (4 if tiny else 16) * config.widen
    return Plan(
        root=root,
        kernel=3 if tiny else 7,
        stride=1 if patches else 2,
        pool=not tiny,
        strides=(1, 2, 2, 1 if patches else 2),
        depth=small if tiny else depth,
        widths=tuple(root * 2**i for i in range(4)),
    )


def normalise(norm: Norm, channels: int) -> nn.Module:
    """What comes before each ReLU."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1, channels) if norm == "layer" else nn.Identity()


def initialise(module: nn.Module, last: Iterable[nn.Conv2d] = ()) -> None:
    """He's weights; `last`, the last convolution of each residual branch, is scaled by 1 / sqrt(number of branches).

    Without normalisation the variance would otherwise double in every block, by 2^30 in the paper's network.
    """
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d) and not conv.weight.is_meta:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
    branches = [*last]
    for conv in branches:
        if not conv.weight.is_meta:
            conv.weight.data.mul_(1 / math.sqrt(len(branches)))

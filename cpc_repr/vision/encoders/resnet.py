"""Pre-activation ResNets (He et al. 2016, v2): CPC's, cut off after its third stack, and ResNet50 v2.

Batch normalisation lets patches of one picture find each other by the batch's statistics, so CPC does without (2018) or
with layer normalisation (v2, where it is worth 2 points).
"""

from __future__ import annotations

from itertools import accumulate, pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.vision.encoders.base import Encoder, initialise, normalise, plan
from cpc_repr.vision.encoders.config import EncoderConfig, Norm


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
        return (x if self.shortcut is None else self.shortcut(h)) + self.branch(h)

    def branch(self, h: Tensor) -> Tensor:
        """What is added, computed from x behind its normalisation and ReLU."""
        h = self.conv(F.relu(self.norms[1](self.reduce(h))))
        y: Tensor = self.expand(F.relu(self.norms[2](h)))
        return y


class ResNet(Encoder):
    """The network of `config`'s stacks, each but the first of which halves the maps; z is behind a last ReLU."""

    def __init__(self, config: EncoderConfig, last_relu: bool = True, last_stride: int = 2) -> None:
        """Without `last_relu` z is what it would see; `last_stride` is that of the last stack."""
        super().__init__()
        channels, kernel, stride = config.stem
        self.sizes, self.counts = config.maps, config.blocks
        self.stem = nn.Conv2d(3, channels, kernel, stride, padding=kernel // 2)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if config.pool else nn.Identity()
        stacks: list[Bottleneck] = []
        strides = [1, *[2] * (len(config.blocks) - 1)]
        if len(strides) > 1:
            strides[-1] = last_stride
        for count, width, maps, step in zip(config.blocks, config.bottlenecks, config.maps, strides, strict=True):
            for j in range(count):
                stacks.append(Bottleneck(channels, width, maps, 1 if j else step, config.norm))
                channels = maps
        self.stacks = nn.Sequential(*stacks)
        self.norm = normalise(config.norm, channels)
        self.relu = nn.ReLU() if last_relu else nn.Identity()
        initialise(self, [block.expand for block in stacks])

    def parts(self) -> list[nn.Module]:
        """The stacks."""
        stacks = [[*self.stacks[a:b]] for a, b in pairwise(accumulate(self.counts, initial=0))]
        stacks[0] = [self.stem, self.pool, *stacks[0]]
        stacks[-1] += [self.norm, self.relu]
        return [nn.Sequential(*stack) for stack in stacks]


def resnet50_v2(config: EncoderConfig, last_relu: bool = True) -> ResNet:
    """ResNet50 v2 with four stages, as wide as `config` says; batch normalisation if `config.norm` says so."""
    sizes = plan(config, depth=(3, 4, 6, 3), small=(1, 1, 1, 1))
    whole = EncoderConfig(
        stem=(sizes.root, sizes.kernel, sizes.stride),
        pool=sizes.pool,
        blocks=sizes.depth,
        bottlenecks=sizes.widths,
        maps=tuple(4 * width for width in sizes.widths),
        norm=config.norm,
    )
    return ResNet(whole, last_relu, sizes.strides[-1])

"""ResNets whose blocks end with a ReLU (He et al. 2015, v1): torchvision's blocks, in any width, and without skips.

At the standard width they are torchvision's networks without their classifier, down to the names of the weights. The
stride is in the 3 x 3 convolutions, in torchvision as in the code of Kolesnikov et al. 2019.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from cpc_repr.packages import optional_module
from cpc_repr.vision.encoders.base import Encoder, Plan, initialise, normalise, plan
from cpc_repr.vision.encoders.config import EncoderConfig, Norm


class Nothing(nn.Module):
    """In place of a skip connection."""

    def forward(self, x: Tensor) -> Tensor:
        """0, whatever x is."""
        return x.new_zeros(())


class TorchvisionResNet(Encoder):
    """A first convolution and four stages of torchvision's blocks."""

    def __init__(self, block: Any, sizes: Plan, norm: Norm, skips: bool = True) -> None:
        """`block` is torchvision's `BasicBlock` or `Bottleneck`; without `skips` nothing is added to its branch."""
        super().__init__()
        norm_layer = partial(normalise, norm)
        self.sizes = tuple(width * block.expansion for width in sizes.widths)
        self.conv1 = nn.Conv2d(3, sizes.root, sizes.kernel, sizes.stride, padding=sizes.kernel // 2, bias=False)
        self.bn1 = norm_layer(sizes.root)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if sizes.pool else nn.Identity()
        channels, stages, branches = sizes.root, [], []
        for width, size, count, stride in zip(sizes.widths, self.sizes, sizes.depth, sizes.strides, strict=True):
            blocks = []
            for step in [stride] + [1] * (count - 1):
                side: nn.Module | None = None if skips else Nothing()
                if skips and (step > 1 or channels != size):
                    side = nn.Sequential(nn.Conv2d(channels, size, 1, step, bias=False), norm_layer(size))
                blocks.append(block(channels, width, step, side, norm_layer=norm_layer))
                channels = size
            stages.append(nn.Sequential(*blocks))
            branches += [b.conv3 if hasattr(b, "conv3") else b.conv2 for b in blocks]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        initialise(self, branches if skips else ())

    def parts(self) -> list[nn.Module]:
        """The stages."""
        first = nn.Sequential(self.conv1, self.bn1, self.relu, self.maxpool, self.layer1)
        return [first, self.layer2, self.layer3, self.layer4]


def resnet50_v1(config: EncoderConfig) -> TorchvisionResNet:
    """ResNet50. Raises ValueError without torchvision."""
    sizes = plan(config, depth=(3, 4, 6, 3), small=(1, 1, 1, 1))
    return TorchvisionResNet(_blocks().Bottleneck, sizes, config.norm)


def resnet18(config: EncoderConfig, skips: bool = True) -> TorchvisionResNet:
    """ResNet18, whose depth is the same for small pictures. Raises ValueError without torchvision."""
    sizes = plan(config, depth=(2, 2, 2, 2), small=(2, 2, 2, 2))
    return TorchvisionResNet(_blocks().BasicBlock, sizes, config.norm, skips)


def _blocks() -> Any:
    return optional_module("torchvision.models.resnet", "vision")

"""VGG19 with batch normalisation (Simonyan & Zisserman 2015): torchvision's convolutions, in any width."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from cpc_repr.packages import optional_module
from cpc_repr.vision.encoders.base import Encoder, initialise, normalise
from cpc_repr.vision.encoders.config import EncoderConfig

STANDARD = 8  # widening factor of VGG as published: 64 channels in the first convolution


class VGG19(Encoder):
    """Five blocks of convolutions, without the pooling behind the last one and without the fully connected layers."""

    def __init__(self, config: EncoderConfig) -> None:
        """A network of the width that `config` says. Raises ValueError without torchvision."""
        super().__init__()
        vgg = optional_module("torchvision.models.vgg", "vision")
        less = 4 if config.inputs == "small" else 1
        layers = [width if width == "M" else width * config.widen // (STANDARD * less) for width in vgg.cfgs["E"]]
        self.features: nn.Sequential = vgg.make_layers(layers[:-1], batch_norm=True)
        self.starts = [0]  # of the blocks
        for i, layer in enumerate(self.features):
            if isinstance(layer, nn.BatchNorm2d):
                self.features[i] = normalise(config.norm, layer.num_features)
            if isinstance(layer, nn.MaxPool2d):
                layer.ceil_mode = True  # nothing of small maps is left out
                self.starts.append(i)
        self.sizes = tuple(channels for channels, following in pairwise(layers) if following == "M")
        initialise(self)

    def parts(self) -> list[nn.Module]:
        """The blocks; each but the first begins with the pooling of what is before it."""
        return [self.features[a:b] for a, b in pairwise([*self.starts, len(self.features)])]

"""Networks that turn pictures and patches into features, by name; a file a family."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from configs import UsageError
from cpc_repr.vision.encoders.base import Encoder
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.resnet import ResNet, resnet50_v2
from cpc_repr.vision.encoders.revnet import RevNet50
from cpc_repr.vision.encoders.torchvision_resnet import resnet18, resnet50_v1
from cpc_repr.vision.encoders.vgg import VGG19

ENCODERS: dict[str, Callable[[EncoderConfig], Encoder]] = {
    "resnet": ResNet,
    "resnet18": resnet18,
    "resnet18_no_skip": partial(resnet18, skips=False),
    "resnet50_v1": resnet50_v1,
    "resnet50_v2": resnet50_v2,
    "resnet50_v2_no_relu": partial(resnet50_v2, last_relu=False),
    "revnet50": RevNet50,
    "revnet50_no_relu": partial(RevNet50, last_relu=False),
    "vgg19_bn": VGG19,
}


def make_encoder(config: EncoderConfig) -> Encoder:
    """The network that `config` names.

    Raises:
        UsageError: There is none of that name.
        ValueError: A package is missing.
    """
    if config.encoder not in ENCODERS:
        raise UsageError(f"--encoder {config.encoder}: there are {', '.join(ENCODERS)}")
    return ENCODERS[config.encoder](config)


__all__ = ["ENCODERS", "Encoder", "EncoderConfig", "make_encoder"]

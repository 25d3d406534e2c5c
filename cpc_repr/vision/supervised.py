"""The encoder on whole pictures, trained end to end on labels."""

from __future__ import annotations

from torch import Tensor, nn

from cpc_repr.objective import Labelled, Supervised
from cpc_repr.training import seeded
from cpc_repr.vision.data.grid import normalised
from cpc_repr.vision.encoders.resnet import EncoderConfig, ResNet
from cpc_repr.vision.pretext.base import PictureSetup


class PictureClassifier(nn.Module):
    """The encoder with a linear classifier on its mean: training on pixels.

    It has batch normalisation, whatever the method's encoder has: supervised networks do best with it, and an upper
    bound should.
    """

    def __init__(self, config: EncoderConfig, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = ResNet(config.model_copy(update={"norm": "batch"}))
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(config.maps[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, classes] of images uint8 [B, 3, S, S]."""
        return self.classify(self.dropout(self.encoder(normalised(images)).mean((-2, -1))))


def supervised_objective(setup: PictureSetup, classes: int) -> Supervised:
    """The encoder on all labels, with random crops and mirror images."""
    network = seeded(setup.seed, lambda: PictureClassifier(setup.encoder, classes))
    batches = setup.batches(setup.train)

    def read(number: int) -> Labelled:
        return Labelled(*batches(number))

    return Supervised(network, read, setup.optimiser, setup.updates, setup.device, setup.reads_files)

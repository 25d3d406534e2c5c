"""The encoder on whole pictures, trained end to end on labels."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from cpc_repr.context import Context
from cpc_repr.objective import Labelled, Supervised
from cpc_repr.vision.data.grid import normalised
from cpc_repr.vision.data.pictures import Pictures
from cpc_repr.vision.encoders import make_encoder
from cpc_repr.vision.encoders.base import Encoder
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.pretext.base import picture_batches


def supervised_encoder(config: EncoderConfig) -> Encoder:
    """The network that `config` names, with batch normalisation whatever it says.

    Supervised networks do best with it, and an upper bound should.
    """
    return make_encoder(config.model_copy(update={"norm": "batch"}))


class PictureClassifier(nn.Module):
    """The encoder with a linear classifier on its mean: training on pixels."""

    def __init__(self, config: EncoderConfig, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = supervised_encoder(config)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(self.encoder.size, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, classes] of images uint8 [B, 3, S, S]."""
        return self.classify(self.dropout(self.encoder(normalised(images)).mean((-2, -1))))


def supervised_objective(context: Context[Any, Pictures]) -> Supervised:
    """The encoder on all labels, with random crops and mirror images."""
    batches = picture_batches(context, context.data.train)
    config, classes = context.config, len(context.data.classes)
    return Supervised(context, lambda: PictureClassifier(config.model, classes), lambda n: Labelled(*batches(n)))

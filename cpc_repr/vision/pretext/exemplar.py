"""Exemplar: which crops are of the same picture? (Dosovitskiy et al. 2014, with triplets as Kolesnikov et al. 2019)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from configs import Frozen, UsageError
from cpc_repr.context import Context
from cpc_repr.objective import Losses
from cpc_repr.vision.data.batches import augmented
from cpc_repr.vision.data.grid import normalised
from cpc_repr.vision.data.pictures import Pictures
from cpc_repr.vision.pretext.base import map_representation
from cpc_repr.vision.pretext.task import GRID, Chance, HeadedEncoder, PretextTask


class ExemplarConfig(Frozen):
    """Settings of the method that finds crops of the same picture."""

    crops: int = Field(default=8, ge=2, le=1024, description="Crops of each picture of a batch.")
    margin: float = Field(
        default=0.5, gt=0, lt=4, description="Distance by which crops of other pictures shall lie farther, squared."
    )
    embedding: int = Field(default=1000, ge=1, le=65_536, description="Numbers that each crop is mapped to.")


def triplet_loss(embeddings: Tensor, crops: int, margin: float) -> Losses:
    """The mean of max(0, margin + d(anchor, positive) - d(anchor, negative)) over anchors and their positives.

    d is the squared Euclidean distance. The negative is semi-hard (Schroff et al. 2015): the nearest of those that lie
    farther than the positive, or the farthest where none does.

    Args:
        embeddings: Of length 1, [N, E], the `crops` of a picture one after another.
        crops: At least 2, of at least 2 pictures.
        margin: See above.

    Returns:
        The loss, and how often the nearest crop is of the same picture (`accuracy`).
    """
    n = len(embeddings)
    picture = torch.arange(n, device=embeddings.device) // crops
    same = picture[:, None] == picture  # [N, N]
    distance = 2 - 2 * embeddings @ embeddings.T  # [N, N]
    positive, farther = distance[same].view(n, crops), distance[~same].view(n, n - crops).sort(1).values
    place = torch.searchsorted(farther.detach(), positive.detach(), right=True).clamp_max(n - crops - 1)
    violation = F.relu(margin + positive - farther.gather(1, place))  # [N, crops]
    itself = torch.eye(n, dtype=torch.bool, device=embeddings.device)
    nearest = distance.detach().masked_fill(itself, torch.inf).argmin(1)
    return violation[~itself[same].view(n, crops)].mean(), {"accuracy": (picture[nearest] == picture).float().mean()}


class Exemplar(PretextTask):
    """Crops of a picture, each augmented by itself, are brought together, those of others apart."""

    Config = ExemplarConfig
    title = "exemplar"
    rows: ClassVar = {"exemplar": "exemplar"}
    look = staticmethod(map_representation)
    unread: ClassVar = PretextTask.unread | GRID

    @classmethod
    def check(cls, config: Any) -> None:
        """There must be another picture in a batch."""
        if config.train.batch_size < 2:
            raise UsageError("--batch-size 1: --method exemplar tells pictures apart, so at least 2")

    def __init__(self, context: Context[Any, Pictures]) -> None:
        """See `Objective`."""
        self.config: ExemplarConfig = context.config.exemplar
        encoder, views = context.config.model, self.config.crops
        super().__init__(context, lambda: HeadedEncoder(encoder, self.config.embedding), views=views)

    @property
    def chance(self) -> Chance:
        """Where all crops lie in one place."""
        crops = self.config.crops
        return Chance(self.config.margin, (crops - 1) / (crops * self.context.config.train.batch_size - 1))

    def loss(self, batch: Tensor, number: int) -> Losses:
        """Triplets of crops, uint8 [B * crops, 3, S, S]."""
        images = augmented(batch.to(self.context.device), self.context.config.augment, self.draws(number, 2))
        embeddings = F.normalize(self.module(normalised(images)), dim=1)  # [B * crops, E]
        return triplet_loss(embeddings, self.config.crops, self.config.margin)

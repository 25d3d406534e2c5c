"""Relative patch location: on which of eight sides of the middle is a patch? (Doersch et al. 2015)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from cpc_repr.context import Context
from cpc_repr.objective import Losses
from cpc_repr.vision.data.pictures import Pictures
from cpc_repr.vision.pretext.puzzle import CELLS, CENTRE, Puzzle, PuzzleConfig, PuzzleNetwork
from cpc_repr.vision.pretext.task import Chance, classification

NEIGHBOURS = tuple(cell for cell in range(CELLS) if cell != CENTRE)


class RelativeLocationConfig(PuzzleConfig):
    """Settings of the method that tells where a patch lies."""


def neighbour_pairs(embeddings: Tensor) -> Tensor:
    """Each neighbour, then the centre: [B, 9, E] -> [B, 8, 2 E]."""
    neighbours = embeddings[:, NEIGHBOURS]  # [B, 8, E]
    return torch.cat([neighbours, embeddings[:, CENTRE, None].expand_as(neighbours)], dim=-1)


def location_loss(logits: Tensor) -> Losses:
    """Cross-entropy of logits [B, 8, 8] for the places in the order of `neighbour_pairs`."""
    return classification(logits, torch.arange(len(NEIGHBOURS), device=logits.device).expand(logits.shape[:2]))


class RelativeLocation(Puzzle):
    """All eight pairs of a picture are in one batch."""

    Config = RelativeLocationConfig
    title = "relative location"
    rows: ClassVar = {"relative_location": "relative location"}
    chance = Chance(math.log(len(NEIGHBOURS)), 1 / len(NEIGHBOURS))

    def __init__(self, context: Context[Any, Pictures]) -> None:
        """See `Objective`."""
        config, classes = context.config, len(NEIGHBOURS)
        super().__init__(context, lambda: PuzzleNetwork(config.model, config.relative_location, 2, classes))

    def loss(self, batch: Tensor, number: int) -> Losses:
        """Cross-entropy of the places."""
        return location_loss(self.answer(neighbour_pairs(self.embed(batch, number)), number))

"""Rotation: by which quarter turn was a picture turned? (Gidaris et al. 2018, as Kolesnikov et al. 2019 have it)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from cpc_repr.context import Context
from cpc_repr.objective import Losses
from cpc_repr.vision.data.batches import augmented
from cpc_repr.vision.data.grid import normalised
from cpc_repr.vision.data.pictures import Pictures
from cpc_repr.vision.pretext.base import map_representation
from cpc_repr.vision.pretext.task import GRID, Chance, HeadedEncoder, PretextTask, classification

TURNS = 4


def turned(pictures: Tensor) -> Tensor:
    """All quarter turns of pictures [B, 3, S, S], anticlockwise: [4, B, 3, S, S], from none to three."""
    return torch.stack([pictures.rot90(turn, (-2, -1)) for turn in range(TURNS)])


def rotation_loss(logits: Tensor) -> Losses:
    """Cross-entropy of logits [4, B, 4] for the turns in the order of `turned`."""
    answers = torch.arange(TURNS, device=logits.device)[:, None].expand(logits.shape[:2])  # [4, B]
    return classification(logits, answers)


class Rotation(PretextTask):
    """All four turns of every picture are in one batch, so that no turn is more frequent than another."""

    title = "rotation"
    rows: ClassVar = {"rotation": "rotation"}
    look = staticmethod(map_representation)
    unread: ClassVar = PretextTask.unread | GRID
    chance = Chance(math.log(TURNS), 1 / TURNS)

    def __init__(self, context: Context[Any, Pictures]) -> None:
        """See `Objective`."""
        super().__init__(context, lambda: HeadedEncoder(context.config.model, TURNS))

    def loss(self, batch: Tensor, number: int) -> Losses:
        """Cross-entropy of the turns; pictures are augmented before they are turned."""
        images = augmented(batch.to(self.context.device), self.context.config.augment, self.draws(number, 2))
        pictures = turned(normalised(images))  # [4, B, 3, S, S]
        logits = self.module(pictures.flatten(0, 1))  # [4 * B, 4]
        return rotation_loss(logits.view(TURNS, -1, TURNS))

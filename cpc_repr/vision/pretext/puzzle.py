"""What tasks on the 3 x 3 cells of a picture share (Kolesnikov et al. 2019).

In training a random square of each cell is looked at, so that no edge goes on from one cell to the next, and each is
standardised by itself, so that brightness and contrast do not give its place away.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen, UsageError
from cpc_repr.vision.data.augment import AugmentConfig
from cpc_repr.vision.data.batches import augmented
from cpc_repr.vision.data.grid import ViewConfig, cut
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.pretext.base import PLAIN, PictureRepresentation
from cpc_repr.vision.pretext.task import HeadedEncoder, PretextTask

SIDE = 3
CELLS = SIDE * SIDE
CENTRE = CELLS // 2


class PuzzleConfig(Frozen):
    """Sizes of the network on the encoder."""

    embedding: int = Field(default=1000, ge=1, le=65_536, description="Numbers that each patch is mapped to.")
    hidden: int = Field(default=4096, ge=1, le=65_536, description="Units of the hidden layer on joined patches.")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="Dropout behind the hidden layer.")


def standardised(patches: Tensor) -> Tensor:
    """Each patch uint8 [..., 3, s, s] with mean 0 and deviation 1 over its numbers, n of them, float.

    A deviation below 1 / sqrt(n) counts as that (as in TensorFlow's function of this name): a blank patch becomes 0.
    """
    x = patches.float()
    deviation, mean = torch.std_mean(x, dim=(-3, -2, -1), correction=0, keepdim=True)
    return (x - mean) / deviation.clamp_min(x.shape[-3:].numel() ** -0.5)


def middle_cells(images: Tensor, view: ViewConfig) -> Tensor:
    """Patches to evaluate on, uint8 [B, 3, 3, 3, s, s]: side by side, in the middle of images uint8 [B, 3, S, S]."""
    seen = view.seen
    side = SIDE * seen
    start = (view.crop - side) // 2
    plain = view.model_copy(update={"crop": side, "patch": seen, "stride": seen, "jitter": 0})
    return cut(images[..., start : start + side, start : start + side], plain)


def cell_representation(model: PatchEncoder, view: ViewConfig) -> PictureRepresentation:
    """Z of each of the nine standardised patches."""

    def cells(images: Tensor, draws: torch.Generator | None, augment: AugmentConfig = PLAIN, /) -> Tensor:
        patches = middle_cells(images, view) if draws is None else augmented(cut(images, view, draws), augment, draws)
        z: Tensor = model(standardised(patches))
        return z

    return PictureRepresentation(model.encoder, model.size, cells)


class PuzzleNetwork(HeadedEncoder):
    """An embedding of every patch; a hidden layer and classes on joined ones."""

    def __init__(self, encoder: EncoderConfig, config: PuzzleConfig, joined: int, classes: int) -> None:
        """For `joined` patches at once."""
        super().__init__(encoder, config.embedding)
        self.dropout = config.dropout
        self.hidden = nn.Linear(joined * config.embedding, config.hidden)
        self.norm = nn.BatchNorm1d(config.hidden)
        self.classify = nn.Linear(config.hidden, classes)

    def embed(self, patches: Tensor) -> Tensor:
        """Patches float [B, 3, 3, 3, s, s] -> [B, 9, E], row by row."""
        return self(patches.flatten(0, 2)).view(-1, CELLS, self.head.out_features)

    def answer(self, joined: Tensor, draws: torch.Generator) -> Tensor:
        """Logits [B, M, classes] of joined embeddings [B, M, joined * E]; `draws`, on the CPU, are of the dropout."""
        h = F.relu(self.norm(self.hidden(joined).flatten(0, 1)))  # [B * M, hidden]
        if self.training:
            kept = torch.rand(h.shape, generator=draws) >= self.dropout
            h = h * kept.to(h.device) / (1 - self.dropout)
        logits: Tensor = self.classify(h).view(*joined.shape[:2], -1)
        return logits


class Puzzle(PretextTask):
    """A task on the nine cells of a picture."""

    look = staticmethod(cell_representation)

    @classmethod
    def check(cls, config: Any) -> None:
        """The grid must be of 3 x 3 cells that do not overlap."""
        view: ViewConfig = config.view
        if view.cells != SIDE or view.stride < view.patch:
            raise UsageError(
                f"--method {config.method}: 3 x 3 cells without overlap; --crop {view.crop}, --patch {view.patch}, "
                f"--stride {view.stride} are {view.cells} x {view.cells}; see --preset small-{config.method}"
            )

    def embed(self, images: Tensor, number: int) -> Tensor:
        """Embeddings [B, 9, E] of images uint8 [B, 3, S, S]."""
        config, draws = self.context.config, self.draws(number, 2)
        patches = augmented(cut(images.to(self.context.device), config.view, draws), config.augment, draws)
        return self._network.embed(standardised(patches))

    def answer(self, joined: Tensor, number: int) -> Tensor:
        """Logits of joined embeddings."""
        return self._network.answer(joined, self.draws(number, 6))

    @property
    def _network(self) -> PuzzleNetwork:
        return cast(PuzzleNetwork, self.module)

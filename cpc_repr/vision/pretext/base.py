"""What every method on pictures is built from, and what it gives to probes and transfer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from cpc_repr.objective import Objective
from cpc_repr.vision.data.augment import AugmentConfig
from cpc_repr.vision.data.batches import PictureBatches, patches, plain_patches
from cpc_repr.vision.data.grid import ViewConfig
from cpc_repr.vision.data.pictures import Split
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.encoders.resnet import EncoderConfig
from cpc_rl.optim import OptimiserConfig

B = TypeVar("B")


class PictureSetup(NamedTuple):
    """Data, sizes and lengths."""

    train: Split
    test: Split
    view: ViewConfig
    augment: AugmentConfig
    encoder: EncoderConfig
    optimiser: OptimiserConfig
    updates: int
    batch_size: int
    test_batches: int
    units: int  # in the picture of what excites them
    seed: int
    device: torch.device
    reads_files: bool

    def batches(self, split: Split) -> PictureBatches:
        """Random views of the pictures of `split`."""
        return PictureBatches(split, self.view, self.batch_size, self.seed)


class PictureRepresentation(NamedTuple):
    """An encoder as probes and transfer see it."""

    encoder: nn.Module  # pictures or patches, as `grid.normalised` makes them, [N, 3, h, w] -> maps [N, D, h', w']
    size: int  # D
    # Pictures uint8 [B, 3, S, S] -> z [B, H, W, D] of H x W places; with a generator as they are trained on, without
    # augmentation; with None as they are judged.
    cells: Callable[[Tensor, torch.Generator | None], Tensor]


class PictureObjective(Objective[B, PictureRepresentation], Generic[B]):
    """A method on pictures: a file of this package, and a line in `METHODS`."""

    def __init__(self, module: nn.Module, setup: PictureSetup) -> None:
        """Train `module`."""
        self.module, self.setup = module.to(setup.device), setup
        self.optimiser, self.updates, self.reads_files = setup.optimiser, setup.updates, setup.reads_files


def patch_representation(model: PatchEncoder, view: ViewConfig) -> PictureRepresentation:
    """Z of every patch of the grid."""

    def cells(images: Tensor, draws: torch.Generator | None) -> Tensor:
        x = plain_patches(images, view) if draws is None else patches(images, view, AugmentConfig(), draws)
        z: Tensor = model(x)
        return z

    return PictureRepresentation(model.encoder, model.size, cells)

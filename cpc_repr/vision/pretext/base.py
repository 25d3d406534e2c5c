"""What every method on pictures is built from, and what it gives to probes and transfer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from cpc_repr.context import Context
from cpc_repr.objective import Objective
from cpc_repr.vision.data.augment import AugmentConfig
from cpc_repr.vision.data.batches import PictureBatches, augmented, patches, plain_patches
from cpc_repr.vision.data.grid import ViewConfig, normalised
from cpc_repr.vision.data.pictures import Pictures, Split
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_rl.optim import OptimiserConfig

B = TypeVar("B")
PLAIN = AugmentConfig()


class Cells(Protocol):
    """Pictures uint8 [B, 3, S, S] -> z [B, H, W, D] of H x W places."""

    def __call__(self, images: Tensor, draws: torch.Generator | None, augment: AugmentConfig = PLAIN, /) -> Tensor:
        """As they are judged; with `draws` as they are trained on, and augmented as `augment` says."""
        ...


class PictureRepresentation(NamedTuple):
    """An encoder as probes and transfer see it."""

    encoder: nn.Module  # pictures or patches, as `grid.normalised` makes them, [N, 3, h, w] -> maps [N, D, h', w']
    size: int  # D
    cells: Cells


class PictureObjective(Objective[B, PictureRepresentation], Generic[B]):
    """A method on pictures: a file of this package, and a line in `METHODS`.

    Attributes:
        ablations: Those that it has, of `--ablation`.
        borrowed: Sections of other methods whose settings it reads too.
        unread: Keys of further settings that it does not read; flags of them are refused.
    """

    ablations: ClassVar[tuple[str, ...]] = ("augmentation", "norm", "skip")
    borrowed: ClassVar[frozenset[str]] = frozenset()
    unread: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        context: Context[Any, Pictures],
        build: Callable[[], nn.Module],
        optimiser: OptimiserConfig | None = None,
        views: int = 1,
    ) -> None:
        """See `Objective`; trains on the pictures without labels where there are any, else on the training pictures.

        `views` are made of each picture of a batch, one after another.
        """
        super().__init__(context, build, optimiser)
        self.pictures = picture_batches(context, context.data.unlabeled or context.data.train, views)
        self.test_pictures = picture_batches(context, context.data.test, views)

    @staticmethod
    def look(model: PatchEncoder, view: ViewConfig) -> PictureRepresentation:
        """What a trained encoder gives to probes, and to who loads it."""
        return patch_representation(model, view)

    def blocks(self) -> list[PictureRepresentation]:
        """What each block of the encoder gives, as `look` has it; the last is the encoder."""
        model, view = cast(PatchEncoder, self.module.model), self.context.config.view
        return [self.look(model.first(i + 1), view) for i in range(len(model.encoder.sizes))]

    def representations(self) -> Mapping[str, PictureRepresentation]:
        """The encoder, as `look` has it."""
        (row,) = self.rows
        return {row: self.look(cast(PatchEncoder, self.module.model), self.context.config.view)}


def picture_batches(context: Context[Any, Pictures], split: Split, views: int = 1) -> PictureBatches:
    """Random views of the pictures of `split`, as training sees them."""
    config = context.config
    return PictureBatches(split, config.view, config.train.batch_size, config.run.seed, views=views)


def patch_representation(model: PatchEncoder, view: ViewConfig) -> PictureRepresentation:
    """Z of every patch of the grid."""

    def cells(images: Tensor, draws: torch.Generator | None, augment: AugmentConfig = PLAIN, /) -> Tensor:
        x = plain_patches(images, view) if draws is None else patches(images, view, augment, draws)
        z: Tensor = model(x)
        return z

    return PictureRepresentation(model.encoder, model.size, cells)


def map_representation(model: PatchEncoder, view: ViewConfig) -> PictureRepresentation:
    """The encoder's maps of the whole picture, which is augmented as one patch."""

    def cells(images: Tensor, draws: torch.Generator | None, augment: AugmentConfig = PLAIN, /) -> Tensor:
        images = images if draws is None else augmented(images, augment, draws)
        maps: Tensor = model.encoder(normalised(images).contiguous(memory_format=torch.channels_last))
        return maps.permute(0, 2, 3, 1)

    return PictureRepresentation(model.encoder, model.size, cells)

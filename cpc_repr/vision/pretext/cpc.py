"""CPC on the grid of patches: the encoder, a context network for each direction, and the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from configs import Frozen, UsageError
from cpc_repr import cpc_loss
from cpc_repr.context import Context
from cpc_repr.objective import Losses, Stage, count_parameters
from cpc_repr.offsets import live_offsets, offset_metrics, offsets_stage
from cpc_repr.sequences import check_negatives
from cpc_repr.vision.ablations import ABLATIONS
from cpc_repr.vision.data.batches import patches, plain_patches
from cpc_repr.vision.data.pictures import Pictures
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.encoders.pixelcnn import PixelCNN
from cpc_repr.vision.figures import figure_5
from cpc_repr.vision.pretext.base import PictureObjective
from cpc_repr.vision.throughput import describe_speed, throughput
from cpc_rl.infonce import CPC, PerOffset, linear_heads
from cpc_rl.negatives import Negatives


def _down(z: Tensor) -> Tensor:
    return z


def _up(z: Tensor) -> Tensor:
    return z.flip(1)


def _right(z: Tensor) -> Tensor:
    return z.transpose(1, 2)


def _left(z: Tensor) -> Tensor:
    return z.flip(2).transpose(1, 2)


# Each turns a grid [B, H, W, D] so that what is to be predicted lies below. The order is that of CPC v2's Figure 3:
# top-down, then bottom-up too, then sideways.
DIRECTIONS: dict[str, Callable[[Tensor], Tensor]] = {"down": _down, "up": _up, "right": _right, "left": _left}


class VisionCPCConfig(Frozen):
    """The contrastive task. Defaults: CPC v1; v2 has offset 3, four directions, targets of 64, scale 0.1, a bias."""

    offsets: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        default=(1, 2, 3, 4, 5),
        description="Rows below that are predicted, counted from the patch; 2 3 4 5 6 leaves out the one whose patches "
        "overlap by half.",
    )
    directions: int = Field(
        default=1,
        ge=1,
        le=4,
        description="Number of directions among down, up, right, left; each with networks of its own.",
    )
    context_width: int = Field(default=256, ge=1, le=8192, description="Channels inside the context network.")
    context_blocks: int = Field(
        default=5, ge=1, le=100, description="Blocks of the context network; each sees one more row above."
    )
    target: int | None = Field(
        default=None, ge=1, le=8192, description="Map z to so many numbers, which are predicted; none: z itself."
    )
    scale: float = Field(default=1.0, gt=0, le=1000, description="Factor of the predictions.")
    bias: bool = Field(default=False, description="Whether predictions have a bias: a prior over latents.")
    negatives: Negatives = Negatives()

    @model_validator(mode="after")
    def _fits(self) -> VisionCPCConfig:
        if not self.offsets or len({*self.offsets}) < len(self.offsets):
            raise ValueError(f"--offsets must be different numbers, got {self.offsets}")
        return self


class Direction(nn.Module):
    """Context network, target map and heads of one direction; the grid comes turned as `DIRECTIONS` says."""

    def __init__(self, maps: int, config: VisionCPCConfig, context: nn.Module | None = None) -> None:
        """For z of `maps` numbers; `context` is None for the network that `config` describes."""
        super().__init__()
        self.config = config
        size = config.target or maps
        self.context = PixelCNN(maps, config.context_width, config.context_blocks) if context is None else context
        self.target: nn.Module = nn.Identity() if config.target is None else nn.Linear(maps, size)
        self.heads = linear_heads(maps, size, len(config.offsets), bias=config.bias)

    def forward(self, z: Tensor, generator: torch.Generator | None = None) -> CPC:
        """The loss of predicting rows of z [B, H, W, D] from contexts above them.

        A picture is one sequence, read row by row: k rows below lie k W steps ahead, in the same column.
        """
        config, width = self.config, z.shape[2]
        return cpc_loss(
            self.context(z).flatten(1, 2),
            self.target(z).flatten(1, 2),
            self.heads,
            [k * width for k in config.offsets],
            generator=generator,
            scale=config.scale,
            **config.negatives.options,
        )


class VisionCPCNetwork(nn.Module):
    """The encoder with the networks of all directions."""

    def __init__(self, encoder: EncoderConfig, config: VisionCPCConfig) -> None:
        super().__init__()
        self.model = PatchEncoder(encoder)
        names = list(DIRECTIONS)[: config.directions]
        self.directions = nn.ModuleDict({name: Direction(self.model.size, config) for name in names})

    def forward(self, patches: Tensor, generator: torch.Generator | None = None) -> CPC:
        """The loss of patches float [B, H, W, 3, p, p]."""
        return self.contrast(self.model(patches), generator)

    def contrast(self, z: Tensor, generator: torch.Generator | None = None) -> CPC:
        """The loss of latents [B, H, W, D]."""
        contrasts = [direction(DIRECTIONS[name](z), generator) for name, direction in self.directions.items()]
        offsets = PerOffset(
            *(torch.stack(x).float().mean(0) for x in zip(*(f.per_offset for f in contrasts), strict=True))
        )
        return CPC(torch.stack([f.loss for f in contrasts]).sum(), offsets)


def check_rows(config: Any) -> None:
    """Raise UsageError if rows of the grid cannot be predicted as `config.cpc` says."""
    cells, farthest = config.view.cells, max(config.cpc.offsets)
    if farthest >= cells:
        raise UsageError(f"--offsets {farthest}: a grid of {cells} rows has offsets up to {cells - 1}")
    check_negatives(config.cpc.negatives, config.train.batch_size)


class VisionCPC(PictureObjective[Tensor]):
    """CPC on the pictures without labels, where there are any, else on the training pictures."""

    Config = VisionCPCConfig
    title = "CPC"
    rows: ClassVar = {"cpc": "CPC"}
    ablations: ClassVar = tuple(ABLATIONS)

    @classmethod
    def check(cls, config: Any) -> None:
        """Offsets must fit into the grid, and something must be left to tell apart."""
        check_rows(config)

    def __init__(self, context: Context[Any, Pictures]) -> None:
        """See `Objective`."""
        self.config: VisionCPCConfig = context.config.cpc
        super().__init__(context, lambda: VisionCPCNetwork(context.config.model, self.config))
        self.live = live_offsets(self.config.offsets)

    def describe(self) -> str:
        """Sizes, grid and directions."""
        cells, size = self.context.config.view.cells, count_parameters(self._model)
        return (
            f"{super().describe()}, {size / 1e6:.2f} M of them in the encoder, grid of {cells} x {cells}, "
            f"{self.config.directions} of {len(DIRECTIONS)} directions"
        )

    def batch(self, number: int) -> Tensor:
        """Pictures, uint8 [B, 3, S, S]."""
        return self.pictures(number).images

    def loss(self, batch: Tensor, number: int) -> Losses:
        """InfoNCE, summed over directions."""
        result = self._contrast(batch, number)
        return result.loss, offset_metrics(result.per_offset, self.config.offsets)

    def diagnostics(self) -> Iterator[Stage]:
        """Contrastive accuracy of each offset; what excites units of z (Figure 5); pictures a second."""
        context = self.context
        yield offsets_stage(
            self,
            lambda number: self._contrast(self.test_pictures(number).images, number).per_offset,
            self.config.offsets,
            "rows of the grid",
            "accuracy_per_offset.png",
        )
        if context.config.has_baselines:
            path = context.run.report / "units.png"
            yield Stage("units.png", lambda: figure_5(path, context, self._model))
            yield Stage("throughput", self._throughput, show=lambda speed: context.say(describe_speed(speed)))

    @property
    def _model(self) -> PatchEncoder:
        return cast(VisionCPCNetwork, self.module).model

    def _contrast(self, images: Tensor, number: int) -> CPC:
        config = self.context.config
        x = patches(images.to(self.context.device), config.view, config.augment, self.draws(number, 2))
        result: CPC = self.module(x, self.draws(number, 3))
        return result

    def _throughput(self) -> dict[str, float]:
        fresh = VisionCPC(self.context)  # the trained one is frozen
        images = fresh.batch(0).to(self.context.device)
        x = plain_patches(images, self.context.config.view)
        return throughput(len(images), lambda: fresh.loss(images, 0)[0], lambda: fresh._model(x).sum())

"""CPC on the grid of patches: the encoder, a context network for each direction, and the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from configs import Frozen
from cpc_repr import cpc_loss
from cpc_repr.vision.pixelcnn import PixelCNN
from cpc_repr.vision.resnet import Encoder, EncoderConfig
from cpc_rl.infonce import CPC, PerOffset, linear_heads


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


class CPCConfig(Frozen):
    """The contrastive task. Defaults: CPC v1; v2 has offset 3, four directions, targets of 64, scale 0.1, a bias."""

    offsets: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        default=(1, 2, 3, 4, 5),
        description="Predict the rows so far below; 2 3 4 5 6 leaves out the row whose patches overlap by half.",
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
    num_negatives: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="Draw so many of the batch's patches at each update; none: use all of them.",
    )
    candidates: Literal["all", "exclude_own", "own"] = Field(
        default="all",
        description="Negatives: `all` patches of the batch's pictures, all but those of the anchor's own picture "
        "(`exclude_own`), or those of its `own` picture only.",
    )

    @model_validator(mode="after")
    def _fits(self) -> CPCConfig:
        if not self.offsets or len({*self.offsets}) < len(self.offsets):
            raise ValueError(f"--offsets must be different numbers, got {self.offsets}")
        return self


class Direction(nn.Module):
    """Context network, target map and heads of one direction; the grid comes turned as `DIRECTIONS` says."""

    def __init__(self, maps: int, config: CPCConfig) -> None:
        super().__init__()
        self.config = config
        size = config.target or maps
        self.context = PixelCNN(maps, config.context_width, config.context_blocks)
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
            pool="sequence" if config.candidates == "own" else "batch",
            exclude_own=config.candidates == "exclude_own",
            num_negatives=config.num_negatives,
            generator=generator,
            scale=config.scale,
        )


class VisionModel(nn.Module):
    """g_enc on every patch of a grid."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)

    @property
    def size(self) -> int:
        """Numbers in one z."""
        return self.config.maps[-1]

    def forward(self, patches: Tensor) -> Tensor:
        """Encode patches, float [B, H, W, 3, p, p] of `grid.normalised`: z [B, H, W, D], averaged over pixels."""
        grid = patches.shape[:3]
        x = patches.flatten(0, 2).contiguous(memory_format=torch.channels_last)
        z: Tensor = self.encoder(x).mean((-2, -1))
        return z.view(*grid, -1)


class Contrast(NamedTuple):
    """What one batch gives."""

    loss: Tensor  # summed over directions
    per_offset: PerOffset  # averaged over directions


class CPCModel(nn.Module):
    """The encoder with the networks of all directions."""

    def __init__(self, encoder: EncoderConfig, config: CPCConfig) -> None:
        super().__init__()
        self.model = VisionModel(encoder)
        names = list(DIRECTIONS)[: config.directions]
        self.directions = nn.ModuleDict({name: Direction(self.model.size, config) for name in names})

    def forward(self, patches: Tensor, generator: torch.Generator | None = None) -> Contrast:
        """The loss of patches float [B, H, W, 3, p, p]."""
        return self.contrast(self.model(patches), generator)

    def contrast(self, z: Tensor, generator: torch.Generator | None = None) -> Contrast:
        """The loss of latents [B, H, W, D]."""
        found = [direction(DIRECTIONS[name](z), generator) for name, direction in self.directions.items()]
        offsets = PerOffset(*(torch.stack(x).float().mean(0) for x in zip(*(f.per_offset for f in found), strict=True)))
        return Contrast(torch.stack([f.loss for f in found]).sum(), offsets)


def parameters(module: nn.Module) -> int:
    """How many numbers a module has learnt."""
    return sum(p.numel() for p in module.parameters())

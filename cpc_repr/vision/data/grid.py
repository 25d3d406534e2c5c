"""From a picture to the grid of patches that CPC sees: resize, crop, flip, grey, cut, jitter.

van den Oord et al. 2018, section 3.2: 300, a random crop of 256, a 7 x 7 grid of 64 x 64 patches that overlap by half,
of each a random 60 x 60 padded back to 64. Hénaff et al. 2020: 300, 260, a 6 x 6 grid of 80 x 80 every 36 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from configs import Frozen

Share = Annotated[float, Field(gt=0, le=1)]
ASPECT = 4 / 3  # width by height of a crop of random size is at most this, at least its inverse (Szegedy et al. 2015)
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as PIL and torchvision have it


class ViewConfig(Frozen):
    """How a picture is looked at."""

    resize: int = Field(default=300, ge=4, le=4096, description="Length the shorter side is brought to.")
    crop: int = Field(
        default=256,
        ge=4,
        le=4096,
        description="Side of the square cut out of the resized picture, at random in training.",
    )
    patch: int = Field(default=64, ge=2, le=1024, description="Side of a patch.")
    stride: int = Field(default=32, ge=1, le=1024, description="Pixels from one patch of the grid to the next.")
    jitter: int = Field(
        default=60,
        ge=0,
        le=1024,
        description="Side of the random square of each patch that is looked at, padded back to a patch; 0: all of it.",
    )
    area: tuple[Share, Share] | None = Field(
        default=None,
        description="Smallest and largest share of the picture that a crop of random size takes in training, brought "
        "to --crop; none: crops of --crop out of --resize.",
    )
    flip: float = Field(default=0.5, ge=0, le=1, description="Probability of a mirror image in training.")
    grey: float = Field(
        default=1.0, ge=0, le=1, description="Probability that a picture loses its colours; at 1 in evaluation too."
    )

    @model_validator(mode="after")
    def _fits(self) -> ViewConfig:
        if not self.jitter <= self.patch <= self.crop <= self.resize:
            sizes = f"{self.jitter}, {self.patch}, {self.crop}, {self.resize}"
            raise ValueError(f"--jitter, --patch, --crop, --resize must not shrink in this order, got {sizes}")
        if (self.crop - self.patch) % self.stride:
            raise ValueError(
                f"--stride {self.stride}: patches of {self.patch} must end where the crop of {self.crop} does, "
                f"so it must divide {self.crop - self.patch}"
            )
        if self.area is not None and self.area[0] > self.area[1]:
            raise ValueError(f"--area {self.area[0]:g} {self.area[1]:g}: the smaller share comes first")
        return self

    @property
    def cells(self) -> int:
        """Patches in a row, and rows: 7 for the paper's 256, 64, 32."""
        return (self.crop - self.patch) // self.stride + 1

    @property
    def seen(self) -> int:
        """Side of what is looked at of a patch."""
        return self.jitter or self.patch


def crop(picture: Tensor, view: ViewConfig, draws: torch.Generator | None) -> Tensor:
    """Resize a picture, uint8 [3, h, w], and cut a square out of it, uint8 [3, S, S].

    Args:
        picture: Any size.
        view: See there.
        draws: Of place, mirroring and loss of colours. None is for evaluation: the centre, not mirrored.
    """
    if draws is None:
        picture = _scaled_crop(picture, view, None)
        mirrored, grey = False, view.grey >= 1
    else:
        u = torch.rand(4, generator=draws).tolist()  # always four, so that no option shifts what another one draws
        mirrored, grey = u[2] < view.flip, u[3] < view.grey
        if view.area is None:
            picture = _scaled_crop(picture, view, u)
        else:
            picture = _sized_crop(picture, view.area, view.crop, [*u[:2], *torch.rand(2, generator=draws).tolist()])
    if mirrored:
        picture = picture.flip(-1)
    return to_grey(picture) if grey else picture.contiguous()


def _scaled_crop(picture: Tensor, view: ViewConfig, u: Sequence[float] | None) -> Tensor:
    """`view.crop` out of `view.resize`; `u` [0, 1): place from the top and from the left; None: the centre."""
    short = min(picture.shape[-2:])
    if short != view.resize:
        picture = resized(picture, [max(view.resize, round(n * view.resize / short)) for n in picture.shape[-2:]])
    rest = [n - view.crop for n in picture.shape[-2:]]
    top, left = (n // 2 if u is None else int(u[i] * (n + 1)) for i, n in enumerate(rest))
    return picture[:, top : top + view.crop, left : left + view.crop]


def _sized_crop(picture: Tensor, area: tuple[float, float], side: int, u: Sequence[float]) -> Tensor:
    """A part of a picture uint8 [3, h, w], brought to [3, side, side].

    Args:
        picture: See above.
        area: Bounds of its share of the picture.
        side: See above.
        u: Four numbers in [0, 1): place from the top and from the left, share, aspect.
    """
    share = area[0] + u[2] * (area[1] - area[0])
    aspect = ASPECT ** (2 * u[3] - 1)
    height, width = picture.shape[-2:]
    size = math.sqrt(share * height * width)
    h, w = min(height, max(1, round(size / math.sqrt(aspect)))), min(width, max(1, round(size * math.sqrt(aspect))))
    top, left = int(u[0] * (height - h + 1)), int(u[1] * (width - w + 1))
    return resized(picture[:, top : top + h, left : left + w], [side, side])


def resized(picture: Tensor, size: list[int]) -> Tensor:
    """A picture uint8 [3, h, w] brought to another height and width."""
    resized = F.interpolate(picture[None].float(), size, mode="bilinear", antialias=True)[0]
    return resized.round().clamp(0, 255).to(torch.uint8)


def to_grey(pictures: Tensor) -> Tensor:
    """Brightness in all three channels, [..., 3, h, w] -> the same, uint8 or float."""
    weights = torch.tensor(GREY, device=pictures.device).view(3, 1, 1)
    grey = (pictures.float() * weights).sum(-3, keepdim=True)
    grey = grey.round() if pictures.dtype == torch.uint8 else grey
    return grey.to(pictures.dtype).expand_as(pictures).contiguous()


def crops(pictures: Sequence[Tensor], view: ViewConfig, draws: torch.Generator | None = None) -> Tensor:
    """`crop` of each picture, uint8 [B, 3, S, S]."""
    return torch.stack([crop(picture, view, draws) for picture in pictures])


def cut(images: Tensor, view: ViewConfig, draws: torch.Generator | None = None) -> Tensor:
    """What is looked at of each patch of the grid.

    Args:
        images: [B, 3, S, S] with S = `view.crop`.
        view: See there.
        draws: Of each patch's jitter, on the CPU; None: the middle of each.

    Returns:
        [B, H, W, 3, s, s] of the same type, s = `view.seen`.
    """
    batch, side, n, seen = images.shape[0], images.shape[-1], view.cells, view.seen
    if images.shape[1:] != (3, view.crop, view.crop):
        raise ValueError(f"images are [B, 3, {view.crop}, {view.crop}], got {[*images.shape]}")
    slack = view.patch - seen
    if draws is None:
        offset = torch.full((2, batch, n, n, 1), slack // 2)
    else:
        offset = torch.randint(slack + 1, (2, batch, n, n, 1), generator=draws)
    origin = torch.arange(n) * view.stride
    inside = torch.arange(seen)
    y = origin[:, None, None] + offset[0] + inside  # [B, H, W, s]
    x = origin[:, None] + offset[1] + inside
    place = (y[..., :, None] * side + x[..., None, :]).flatten(1).to(images.device)  # [B, H * W * s * s]
    flat = images.flatten(2).gather(2, place[:, None].expand(-1, 3, -1))  # [B, 3, H * W * s * s]
    return flat.view(batch, 3, n, n, seen, seen).permute(0, 2, 3, 1, 4, 5)


def normalised(patches: Tensor, side: int = 0) -> Tensor:
    """Turn bytes into numbers around 0, mid grey, and pad with it to `side`, [..., s, s] -> [..., side, side]."""
    x = (patches.float() - 127.5) / 63.75  # in -2..2, of about unit variance
    rest = max(0, side - x.shape[-1])
    return F.pad(x, (rest // 2, rest - rest // 2) * 2)

"""Augmentation of every patch by itself, so that neighbours share less that is easy to see (Hénaff et al. 2020, A.2).

All random numbers come from one generator on the CPU and are drawn for all patches, so that a batch is a function of
its number. Patches with the same operation are worked on together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from configs import Frozen
from cpc_repr.packages import optional_module
from cpc_repr.vision.data.grid import to_grey


class AugmentConfig(Frozen):
    """Augmentation of patches; all off is CPC v1."""

    operations: int = Field(
        default=0, ge=0, le=10, description="Operations of AutoAugment on each patch, drawn anew (v2: 2)."
    )
    elastic: float = Field(default=0.0, ge=0, le=1, description="Probability of an elastic deformation and a shear.")
    histogram: float = Field(default=0.0, ge=0, le=1, description="Probability of another histogram of each colour.")
    colour: float = Field(
        default=0.0, ge=0, le=1, description="Probability of other brightness, contrast, saturation and hue."
    )
    grey: float = Field(default=0.0, ge=0, le=1, description="Probability of a grey patch.")
    drop: float = Field(default=0.0, ge=0, le=1, description="Probability of losing two of the three colours.")

    @property
    def needs_torchvision(self) -> bool:
        """Whether an option is on that torchvision's operations serve."""
        return self.operations > 0 or self.colour > 0


def augment(patches: Tensor, config: AugmentConfig, draws: torch.Generator) -> Tensor:
    """Augment each patch by itself.

    Args:
        patches: uint8 [N, 3, s, s].
        config: See there.
        draws: On the CPU. What is drawn does not depend on the probabilities.

    Returns:
        The same shape and type, in new memory.

    Raises:
        ValueError: torchvision is needed and is not there.
    """
    count, side = len(patches), patches.shape[-1]
    x = patches.clone()
    for _ in range(config.operations):
        x = _autoaugment(x, torch.rand(2, count, generator=draws))
    chance = torch.rand(5, count, generator=draws)
    bends, slants = torch.randn(count, 2, 4, 4, generator=draws), torch.rand(count, 2, generator=draws)
    levels = torch.rand(count, 3, _LEVELS, generator=draws)
    tint = torch.rand(count, 4, generator=draws)
    kept = torch.randint(3, (count,), generator=draws)
    changes: tuple[tuple[float, Callable[[Tensor, Tensor], Tensor]], ...] = (
        (config.elastic, lambda x, at: _elastic(x, bends[at], slants[at], side)),
        (config.histogram, lambda x, at: _histogram(x, levels[at])),
        (config.colour, lambda x, at: _colour(x, tint[at])),
        (config.grey, lambda x, at: to_grey(x)),
        (config.drop, lambda x, at: _drop(x, kept[at])),
    )
    for i, (probability, change) in enumerate(changes):
        at = (chance[i] < probability).nonzero()[:, 0]
        if len(at):
            here = at.to(x.device)
            x[here] = change(x[here], at)
    return x


_LEVELS = 8
Operation = Callable[[Any, Tensor, int], Tensor]  # torchvision's functional, uint8 [n, 3, s, s], sign -> the same


def _warped(t: Any, x: Tensor, angle: float = 0.0, shift: tuple[float, float] = (0, 0), shear: Any = (0, 0)) -> Tensor:
    bilinear = t.InterpolationMode.BILINEAR
    return t.affine(x, angle, [round(v) for v in shift], 1.0, list(shear), bilinear, fill=[128.0] * 3)


# Magnitudes are torchvision's defaults for RandAugment, 9 of 30: "default parameters" is all the paper says.
_STRENGTH = 0.3
_SHEAR = math.degrees(math.atan(0.3 * _STRENGTH))
_TURN = 30.0 * _STRENGTH
_SHIFT = 150.0 / 331.0 * _STRENGTH  # of the side
_GAIN = 0.9 * _STRENGTH
OPERATIONS: dict[str, Operation] = {
    "shear_x": lambda t, x, sign: _warped(t, x, shear=(sign * _SHEAR, 0)),
    "shear_y": lambda t, x, sign: _warped(t, x, shear=(0, sign * _SHEAR)),
    "translate_x": lambda t, x, sign: _warped(t, x, shift=(sign * _SHIFT * x.shape[-1], 0)),
    "translate_y": lambda t, x, sign: _warped(t, x, shift=(0, sign * _SHIFT * x.shape[-1])),
    "rotate": lambda t, x, sign: _warped(t, x, angle=sign * _TURN),
    "auto_contrast": lambda t, x, sign: t.autocontrast(x),
    "invert": lambda t, x, sign: t.invert(x),
    "equalize": lambda t, x, sign: t.equalize(x),
    "solarize": lambda t, x, sign: t.solarize(x, 255.0 * (1 - _STRENGTH)),
    "posterize": lambda t, x, sign: t.posterize(x, 8 - round(4 * _STRENGTH)),
    "contrast": lambda t, x, sign: t.adjust_contrast(x, 1 + sign * _GAIN),
    "colour": lambda t, x, sign: t.adjust_saturation(x, 1 + sign * _GAIN),
    "brightness": lambda t, x, sign: t.adjust_brightness(x, 1 + sign * _GAIN),
    "sharpness": lambda t, x, sign: t.adjust_sharpness(x, 1 + sign * _GAIN),
}


def _autoaugment(x: Tensor, u: Tensor) -> Tensor:
    """One operation on each patch [N, 3, s, s], which `u` [2, N] in [0, 1) picks: which, and its sign."""
    functional = transforms()
    which = (u[0] * len(OPERATIONS)).long()
    for i, operation in enumerate(OPERATIONS.values()):
        for sign in (-1, 1):
            at = ((which == i) & ((u[1] < 0.5) == (sign < 0))).nonzero()[:, 0].to(x.device)
            if len(at):
                x[at] = operation(functional, x[at], sign)
    return x


def _elastic(x: Tensor, bends: Tensor, slants: Tensor, side: int) -> Tensor:
    """Move pixels by smooth noise (a twentieth of the side, interpolated from 4 x 4) and by a shear of up to 0.2."""
    n = len(x)
    theta = torch.eye(2, 3).repeat(n, 1, 1)
    theta[:, 0, 1], theta[:, 1, 0] = (0.4 * slants - 0.2).unbind(1)
    place = F.affine_grid(theta, [n, 3, side, side], align_corners=False)  # [n, s, s, 2]
    moved = F.interpolate(bends, size=(side, side), mode="bicubic", align_corners=True)  # [n, 2, s, s]
    place = (place + 0.1 * moved.permute(0, 2, 3, 1)).to(x.device)
    y = F.grid_sample(x.float(), place, padding_mode="reflection", align_corners=False)
    return y.round().clamp(0, 255).to(torch.uint8)


def _histogram(x: Tensor, levels: Tensor) -> Tensor:
    """Map the values of each channel by a random rising curve through black and white, [n, 3, 8] steps of it."""
    steps = levels.square() + 0.05
    knots = F.pad(steps.cumsum(-1) / steps.sum(-1, keepdim=True), (1, 0))  # [n, 3, 9] from 0 to 1
    table = F.interpolate(knots, size=256, mode="linear", align_corners=True)  # [n, 3, 256]
    table = (255 * table).round().to(torch.uint8).to(x.device)
    return table.gather(2, x.flatten(2).long()).view_as(x)


def _colour(x: Tensor, u: Tensor) -> Tensor:
    """Brightness, contrast and saturation as for Inception, each patch by its own amount, then hue, in 8 steps."""
    u = u.to(x.device)
    y = x.float() + (2 * u[:, 0] - 1).mul(32).view(-1, 1, 1, 1)
    grey = to_grey(y)
    saturation, contrast = ((0.5 + u[:, i]).view(-1, 1, 1, 1) for i in (1, 2))
    y = grey + saturation * (y - grey)
    middle = to_grey(y).mean((-3, -2, -1), keepdim=True)
    y = (middle + contrast * (y - middle)).round().clamp(0, 255).to(torch.uint8)
    step = (u[:, 3] * 8).long()
    for i in range(8):  # torchvision turns all patches it is given by one angle
        at = (step == i).nonzero()[:, 0]
        if len(at):
            y[at] = transforms().adjust_hue(y[at], 0.2 * (2 * i / 7 - 1))
    return y


def _drop(x: Tensor, kept: Tensor) -> Tensor:
    """Leave one channel; the others become mid grey."""
    left = F.one_hot(kept, 3).bool().view(-1, 3, 1, 1).to(x.device)
    return x.where(left, torch.full_like(x, 128))


def transforms() -> Any:
    """Operations on tensors of torchvision. Raises ValueError, which says how to install it, if it is not there."""
    return optional_module("torchvision.transforms.v2.functional", "vision")

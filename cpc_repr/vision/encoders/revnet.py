"""RevNet50 (Gomez et al. 2017, as Kolesnikov et al. 2019 have it): what a stage has seen is computed again in backward.

A unit changes one half of the channels by what it sees in the other, so that it can be undone: a stage keeps its output
alone, however many units it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call
from torch.nn import functional as F

from cpc_repr.vision.encoders.base import Encoder, initialise, normalise, plan
from cpc_repr.vision.encoders.config import EncoderConfig, Norm
from cpc_repr.vision.encoders.resnet import Bottleneck


class Branch(Bottleneck):
    """What a pre-activation bottleneck adds to its input."""

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        return self.branch(F.relu(self.norms[0](x)))


class ReversibleStage(nn.Module):
    """Units (x1, x2) -> (x2, x1 + F(x2)) on the two halves of the channels."""

    def __init__(self, units: int, channels: int, norm: Norm) -> None:
        super().__init__()
        half = channels // 2
        self.branches = nn.ModuleList(Branch(half, half // 4, half, 1, norm) for _ in range(units))

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, h, w] -> the same; nothing in between is kept for the gradient."""
        y: Tensor = _Reversible.apply(x, self, *_learnt(self))
        return y

    def plain(self, x: Tensor) -> Tensor:
        """The same, of which autograd keeps everything."""
        x1, x2 = x.chunk(2, dim=1)
        for branch in self.branches:
            x1, x2 = x2, x1 + branch(x2)
        return torch.cat([x1, x2], dim=1)


class _Reversible(torch.autograd.Function):
    """A stage whose inputs are computed from its outputs, unit by unit, when their gradients are wanted."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stage: ReversibleStage, *parameters: Tensor) -> Tensor:
        y = stage.plain(x)  # autograd is off here
        ctx.stage = stage
        ctx.save_for_backward(y, *parameters)  # parameters: only to have it noticed if they change in between
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        stage: ReversibleStage = ctx.stage
        (y1, y2), (d1, d2) = ctx.saved_tensors[0].chunk(2, dim=1), dy.chunk(2, dim=1)
        slopes: list[Sequence[Tensor]] = []
        for branch in reversed(stage.branches):
            with torch.enable_grad():
                x2 = y1.detach().requires_grad_()
                f = again(branch, x2)
            slope, *others = torch.autograd.grad(f, [x2, *_learnt(branch)], d2)
            slopes.append(others)
            y1, y2 = y2 - f.detach(), y1
            d1, d2 = d2, d1 + slope
        return torch.cat([d1, d2], dim=1), None, *(s for others in reversed(slopes) for s in others)


def again(module: nn.Module, x: Tensor) -> Tensor:
    """`module` on `x` a second time: copies of its buffers take the changes, so that statistics count a batch once."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    y: Tensor = functional_call(module, buffers, (x,))
    return y


def _learnt(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


class Double(nn.Module):
    """From one stage to the next: means over squares of pixels, and zeros on both sides for twice the channels."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] -> [N, 2 C, h / stride, w / stride], rounded up."""
        side = x.shape[1] // 2
        return F.pad(F.avg_pool2d(x, self.stride, ceil_mode=True), (0, 0, 0, 0, side, side))


class RevNet50(Encoder):
    """Four reversible stages between a first convolution of four times ResNet50's channels and a last ReLU."""

    def __init__(self, config: EncoderConfig, last_relu: bool = True) -> None:
        """Without `last_relu` z is what it would see."""
        super().__init__()
        sizes = plan(config, depth=(3, 4, 6, 3), small=(2, 2, 2, 2))
        self.sizes = tuple(4 * width for width in sizes.widths)
        self.stem = nn.Conv2d(3, self.sizes[0], sizes.kernel, sizes.stride, padding=sizes.kernel // 2, bias=False)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if sizes.pool else nn.Identity()
        self.stages = nn.ModuleList(
            ReversibleStage(units, size, config.norm) for units, size in zip(sizes.depth, self.sizes, strict=True)
        )
        self.doubles = nn.ModuleList(Double(stride) for stride in sizes.strides[1:])
        self.norm = normalise(config.norm, self.size)
        self.relu = nn.ReLU() if last_relu else nn.Identity()
        initialise(self, [m.expand for m in self.modules() if isinstance(m, Branch)])

    def parts(self) -> list[nn.Module]:
        """The stages."""
        first, *others = self.stages
        parts = [[self.stem, self.pool, first], *([d, s] for d, s in zip(self.doubles, others, strict=True))]
        parts[-1] += [self.norm, self.relu]
        return [nn.Sequential(*part) for part in parts]

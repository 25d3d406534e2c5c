"""Encoders: from what an environment shows to the features z (Espeholt et al. 2018, figure 3, for pictures)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PixelConv2d(nn.Conv2d):
    """A convolution over bytes: x / 255 * w is computed as x * (w / 255), which saves a pass over all pixels."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 [N, H, W, C] -> floats [N, out, H', W'], channels last in memory like the pixels."""
        x = pixels.permute(0, 3, 1, 2).to(self.weight.dtype)  # [N, C, H, W]
        return self._conv_forward(x, self.weight / 255, self.bias)  # [N, out, H', W']


class Activations(NamedTuple):
    """What the layers of `ShallowEncoder` gave for N pictures, behind their ReLU."""

    conv1: Tensor  # [N, 16, h1, w1], channels last in memory
    conv2: Tensor  # [N, 32, h2, w2], channels last in memory
    fc: Tensor  # [N, features], the encoder's output

    def rows(self, start: int, stop: int) -> Activations:
        """A view of some of the N."""
        return Activations(*(x[start:stop] for x in self))


class ShallowEncoder(nn.Module):
    """Conv 8x8/4 (16), conv 4x4/2 (32), fully connected; ReLU after each, no padding.

    Weights do not change between acting and the update that learns from it, so the update need not run the forward
    pass again: acting writes its activations into `Activations`, and `recall` gives z from there, with its gradient.
    """

    def __init__(self, height: int, width: int, channels: int, features: int) -> None:
        """Sizes of the picture and of the output."""
        super().__init__()
        self.sizes = [(n - 8) // 4 + 1 for n in (height, width)]  # h1, w1
        self.sizes += [(n - 4) // 2 + 1 for n in self.sizes]  # h2, w2
        self.conv1 = PixelConv2d(channels, 16, 8, stride=4)
        self.conv2 = nn.Conv2d(16, 32, 4, stride=2)
        self.fc = nn.Linear(self.sizes[2] * self.sizes[3] * 32, features)

    def forward(self, pixels: Tensor, keep: Activations | None = None) -> Tensor:
        """Uint8 [N, H, W, C] -> [N, features]. Without a gradient it can `keep` its activations for `recall`."""
        conv1, conv2, fc = keep or (None, None, None)
        x = _relu(self.conv1(pixels), conv1)  # [N, 16, h1, w1]
        x = _relu(self.conv2(x), conv2)  # [N, 32, h2, w2]
        x = x.permute(0, 2, 3, 1).flatten(1)  # [N, h2 * w2 * 32], a view: channels are last in memory
        return _relu(self.fc(x), fc)  # [N, features]

    def activations(self, rows: int, device: torch.device) -> Activations:
        """Room for those of `rows` pictures."""
        h1, w1, h2, w2 = self.sizes
        shapes = ((rows, h1, w1, 16), (rows, h2, w2, 32))
        conv1, conv2 = (torch.zeros(shape, device=device).permute(0, 3, 1, 2) for shape in shapes)
        return Activations(conv1, conv2, torch.zeros(rows, self.fc.out_features, device=device))

    def recall(self, pixels: Tensor, kept: Activations) -> Tensor:
        """`forward` of pictures whose activations were kept, under the same weights: [N, features], with gradient."""
        layers = (self.conv1, self.conv2, self.fc)
        z: Tensor = _Recall.apply(pixels, *kept, *(p for layer in layers for p in (layer.weight, layer.bias)))
        return z


def _relu(x: Tensor, out: Tensor | None) -> Tensor:
    return F.relu(x) if out is None else torch.clamp_min(x, 0.0, out=out)


class _Recall(torch.autograd.Function):
    """The backward pass of `ShallowEncoder` on activations that are already there."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, conv1: Tensor, conv2: Tensor, fc: Tensor, *params: Tensor) -> Tensor:
        ctx.save_for_backward(pixels, conv1, conv2, fc, *params)
        return fc.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        pixels, conv1, conv2, fc, w1, _, w2, _, w3, _ = ctx.saved_tensors
        relu_backward = torch.ops.aten.threshold_backward
        grad = relu_backward(grads[0], fc, 0)  # [N, features]
        grad_w3, grad_b3 = grad.T @ conv2.permute(0, 2, 3, 1).flatten(1), grad.sum(0)
        n, channels, height, width = conv2.shape
        grad = relu_backward((grad @ w3).view(n, height, width, channels).permute(0, 3, 1, 2), conv2, 0)
        grad, grad_w2, grad_b2 = _conv_backward(grad, conv1, w2, stride=2, inputs=True)
        grad = relu_backward(grad, conv1, 0)  # [N, 16, h1, w1]
        x = pixels.permute(0, 3, 1, 2).to(w1.dtype)  # [N, C, H, W]
        _, grad_w1, grad_b1 = _conv_backward(grad, x, w1, stride=4, inputs=False)
        return None, None, None, None, grad_w1 / 255, grad_b1, grad_w2, grad_b2, grad_w3, grad_b3


def _conv_backward(grad: Tensor, x: Tensor, weight: Tensor, stride: int, inputs: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by input (if wanted), weight and bias of a convolution without padding."""
    two = [stride, stride]
    result: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        grad, x, weight, [weight.shape[0]], two, [0, 0], [1, 1], False, [0, 0], 1, [inputs, True, True]
    )
    return result


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x)))), both 3x3."""

    def __init__(self, channels: int) -> None:
        """`channels` in and out."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> same."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class DeepEncoder(nn.Module):
    """Three sections of 16, 32, 32 channels: conv 3x3, max-pool 3x3/2, two residual blocks; then fully connected."""

    def __init__(self, height: int, width: int, channels: int, features: int) -> None:
        """Sizes of the picture and of the output."""
        super().__init__()
        layers: list[nn.Module] = []
        for section, out in enumerate((16, 32, 32)):
            layers.append((nn.Conv2d if section else PixelConv2d)(channels, out, 3, padding=1))
            # Together these two arguments are TensorFlow's SAME padding for a window of 3 and a stride of 2.
            layers.append(nn.MaxPool2d(3, 2, padding=(height % 2, width % 2), ceil_mode=True))
            layers += [ResidualBlock(out), ResidualBlock(out)]
            channels, height, width = out, (height + 1) // 2, (width + 1) // 2
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(height * width * channels, features)

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 [N, H, W, C] -> [N, features]."""
        x = F.relu(self.layers(pixels))  # [N, 32, H/8, W/8]
        x = x.permute(0, 2, 3, 1).flatten(1)  # [N, H/8 * W/8 * 32]
        return F.relu(self.fc(x))  # [N, features]


class VectorEncoder(nn.Module):
    """Two fully connected layers; ReLU after each. For observations that are not pictures."""

    def __init__(self, inputs: int, features: int) -> None:
        """Sizes of the observation and of the output."""
        super().__init__()
        self.fc1 = nn.Linear(inputs, features)
        self.fc2 = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Floats [N, inputs] -> [N, features]."""
        return F.relu(self.fc2(F.relu(self.fc1(x))))

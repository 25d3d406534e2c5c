"""Encoders: from what an environment shows to the features z (Espeholt et al. 2018, figure 3, for pictures)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Pictures whose gradients are formed at once: above some 4,500 of 72x96 (float32) oneDNN takes six times as long for
# each, and the copy of the bytes as numbers stays small.
PIECE = 2048


class PixelConv2d(nn.Conv2d):
    """A convolution over bytes: x / 255 * w is computed as x * (w / 255), which saves a pass over all pixels."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Uint8 [N, H, W, C] -> floats [N, out, H', W'], channels last in memory like the pixels."""
        x = _nchw(pixels).to(self.weight.dtype)  # [N, C, H, W]
        return self._conv_forward(x, self.weight / 255, self.bias)  # [N, out, H', W']


class PictureEncoder(nn.Module, ABC):
    """What an encoder of pictures is: a module that maps uint8 [N, H, W, C] to float32 [N, features]."""

    smallest: ClassVar[int] = 1  # pixels of a side, at least

    @abstractmethod
    def __init__(self, height: int, width: int, channels: int, features: int, dtype: torch.dtype) -> None:
        """Sizes of the picture and of the output; `dtype` is what it computes in."""
        super().__init__()


class Weights(NamedTuple):
    """Those of `ShallowEncoder` as it computes with them: in its precision, and conv1 for bytes instead of 0..1."""

    conv1: Tensor  # [16, C, 8, 8], over 255
    bias1: Tensor  # [16]
    conv2: Tensor  # [32, 16, 4, 4]
    bias2: Tensor  # [32]
    fc: Tensor  # [features, h2 * w2 * 32]
    bias3: Tensor  # [features]


class Activations(NamedTuple):
    """What the layers of `ShallowEncoder` gave for T x B pictures, behind their ReLU, in its precision."""

    conv1: Tensor  # [T, B, h1, w1, 16]
    conv2: Tensor  # [T, B, h2, w2, 32]
    fc: Tensor  # [T, B, features]

    def columns(self, start: int, stop: int) -> Activations:
        """A view of some of the B."""
        return Activations(*(x[:, start:stop] for x in self))

    def row(self, t: int) -> Activations:
        """A view of one of the T: [B, ...] each."""
        return Activations(*(x[t] for x in self))


@runtime_checkable
class Recallable(Protocol):
    """An encoder that can keep its activations while acting, so that the update need not run the forward pass again."""

    def __call__(self, pixels: Tensor, keep: Activations | None = None, weights: Weights | None = None) -> Tensor:
        """Uint8 [N, H, W, C] -> [N, features]; without a gradient it can `keep` its activations."""

    def weights(self) -> Weights:
        """Its parameters as it computes with them; to be made once where many small batches follow."""

    def activations(self, rows: int, num_envs: int, device: torch.device) -> Activations:
        """Room for the activations of `rows` x `num_envs` pictures."""

    def recall(self, pixels: Tensor, kept: Activations) -> Tensor:
        """Uint8 [T, B, H, W, C] -> [T, B, features] with gradient, from activations kept under the same weights."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Those of `nn.Module`."""


class ShallowEncoder(PictureEncoder):
    """Conv 8x8/4 (16), conv 4x4/2 (32), fully connected; ReLU after each, no padding.

    Weights do not change between acting and the update that learns from it, so the update need not run the forward
    pass again: acting writes its activations into `Activations`, and `recall` gives z from there, with its gradient.
    """

    smallest = 20

    def __init__(
        self, height: int, width: int, channels: int, features: int, dtype: torch.dtype = torch.float32
    ) -> None:
        """Sizes of the picture and of the output; `dtype` is what it computes in (weights and output are float32)."""
        super().__init__(height, width, channels, features, dtype)
        self.dtype = dtype
        self.sizes = [(n - 8) // 4 + 1 for n in (height, width)]  # h1, w1
        self.sizes += [(n - 4) // 2 + 1 for n in self.sizes]  # h2, w2
        self.conv1 = PixelConv2d(channels, 16, 8, stride=4)
        self.conv2 = nn.Conv2d(16, 32, 4, stride=2)
        self.fc = nn.Linear(self.sizes[2] * self.sizes[3] * 32, features)

    def weights(self) -> Weights:
        """As they are now; to be made once where many small batches follow."""
        conv1, conv2, fc = self.conv1, self.conv2, self.fc
        assert conv1.bias is not None and conv2.bias is not None
        parameters = (conv1.weight / 255, conv1.bias, conv2.weight, conv2.bias, fc.weight, fc.bias)
        return Weights(*(p.to(self.dtype) for p in parameters))

    def forward(self, pixels: Tensor, keep: Activations | None = None, weights: Weights | None = None) -> Tensor:
        """Uint8 [N, H, W, C] -> [N, features]. Without a gradient it can `keep` its activations for `recall`."""
        w = weights or self.weights()
        conv1, conv2, fc = keep or (None, None, None)
        x = _nchw(pixels).to(self.dtype)  # [N, C, H, W]; bytes are exact in bfloat16, too
        x = _relu(F.conv2d(x, w.conv1, w.bias1, stride=4), None if conv1 is None else _nchw(conv1))  # [N, 16, h1, w1]
        x = _relu(F.conv2d(x, w.conv2, w.bias2, stride=2), None if conv2 is None else _nchw(conv2))  # [N, 32, h2, w2]
        x = _nhwc(x).flatten(1)  # [N, h2 * w2 * 32], a view: channels are last in memory
        return _relu(F.linear(x, w.fc, w.bias3), fc).float()  # [N, features]

    def activations(self, rows: int, num_envs: int, device: torch.device) -> Activations:
        """Room for those of `rows` x `num_envs` pictures."""
        h1, w1, h2, w2 = self.sizes
        shapes = ((h1, w1, 16), (h2, w2, 32), (self.fc.out_features,))
        return Activations(*(torch.zeros(rows, num_envs, *shape, dtype=self.dtype, device=device) for shape in shapes))

    def recall(self, pixels: Tensor, kept: Activations) -> Tensor:
        """`forward` of uint8 [T, B, H, W, C] whose activations were kept, under the same weights, with gradient.

        Returns [T, B, features].
        """
        layers = (self.conv1, self.conv2, self.fc)
        z: Tensor = _Recall.apply(pixels, *kept, *(p for layer in layers for p in (layer.weight, layer.bias)))
        return z


def _nchw(x: Tensor) -> Tensor:
    """A view; channels stay last in memory."""
    return x.permute(0, 3, 1, 2)


def _nhwc(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _relu(x: Tensor, out: Tensor | None) -> Tensor:
    return F.relu(x) if out is None else torch.clamp_min(x, 0.0, out=out)


class _Recall(torch.autograd.Function):
    """The backward pass of `ShallowEncoder` on activations that are already there."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, conv1: Tensor, conv2: Tensor, fc: Tensor, *params: Tensor) -> Tensor:
        ctx.save_for_backward(pixels, conv1, conv2, fc, *params)
        return fc.float() if fc.dtype != torch.float32 else fc.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        *kept, w1, _, w2, _, w3, _ = ctx.saved_tensors
        rows = (x.flatten(0, 1) for x in (grads[0], *kept))  # [N, ...] each, N = T * B
        weights = [w.to(kept[-1].dtype) for w in (w1, w2, w3)]
        params = [torch.zeros_like(p) for p in ctx.saved_tensors[4:]]
        for piece in zip(*(x.split(PIECE) for x in rows), strict=True):
            for total, part in zip(params, _shallow_backward(*piece, *weights), strict=True):
                total += part
        params[0] /= 255
        return None, None, None, None, *params


def _shallow_backward(
    grad: Tensor, pixels: Tensor, conv1: Tensor, conv2: Tensor, fc: Tensor, w1: Tensor, w2: Tensor, w3: Tensor
) -> tuple[Tensor, ...]:
    """Gradients by weight and bias of the three layers, given that by z [N, features], for activations of N pictures.

    That of the first weight is for bytes.
    """
    relu_backward = torch.ops.aten.threshold_backward
    grad = relu_backward(grad.to(fc.dtype), fc, 0)  # [N, features]
    grad_w3, grad_b3 = grad.T @ conv2.flatten(1), grad.sum(0)
    grad = relu_backward((grad @ w3).view(conv2.shape), conv2, 0)  # [N, h2, w2, 32]
    grad, grad_w2, grad_b2 = _conv_backward(_nchw(grad), _nchw(conv1), w2, stride=2, inputs=True)
    grad = relu_backward(grad, _nchw(conv1), 0)  # [N, 16, h1, w1]
    _, grad_w1, grad_b1 = _conv_backward(grad, _nchw(pixels).to(fc.dtype), w1, stride=4, inputs=False)
    return grad_w1, grad_b1, grad_w2, grad_b2, grad_w3, grad_b3


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


class DeepEncoder(PictureEncoder):
    """Three sections of 16, 32, 32 channels: conv 3x3, max-pool 3x3/2, two residual blocks; then fully connected."""

    def __init__(
        self, height: int, width: int, channels: int, features: int, dtype: torch.dtype = torch.float32
    ) -> None:
        """Sizes of the picture and of the output; `dtype` is what it computes in (weights and output are float32)."""
        super().__init__(height, width, channels, features, dtype)
        self.dtype = dtype
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
        with torch.autocast(pixels.device.type, self.dtype, enabled=self.dtype != torch.float32):
            x = F.relu(self.layers(pixels))  # [N, 32, H/8, W/8]
            return F.relu(self.fc(_nhwc(x).flatten(1))).float()  # [N, features]


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


# Encoders of pictures by name; one of your own: `ENCODERS["mine"] = Mine` before the agent's `main` runs.
ENCODERS: dict[str, type[PictureEncoder]] = {"shallow": ShallowEncoder, "deep": DeepEncoder}

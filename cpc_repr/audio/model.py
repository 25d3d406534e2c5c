"""The network for raw speech: five strided convolutions, a GRU on top (van den Oord et al. 2018, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen
from cpc_repr.sequences import SequenceModel

RATE = 16_000  # Hz
KERNELS = (10, 8, 4, 4, 4)
STRIDES = (5, 4, 2, 2, 2)
PADDING = (3, 2, 1, 1, 1)  # the paper names none: with these 20480 samples give the 128 frames it counts
HOP = 160  # samples from one frame to the next: 10 ms
Norm = Literal["none", "channel", "batch"]


class SpeechModelConfig(Frozen):
    """The encoder (z) and the context network (c)."""

    channels: int = Field(default=512, ge=1, le=4096, description="Channels of each convolution; the size of z.")
    context: int = Field(default=256, ge=1, le=4096, description="Units of the GRU; the size of c.")
    norm: Norm = Field(
        default="none",
        description="Normalisation behind each convolution: `none` as the paper, `channel` (LayerNorm of each frame), "
        "or `batch` (leaves the plateau at log N soonest: for runs of minutes).",
    )


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of each frame of [B, C, T]: it sees one frame at a time, so nothing leaks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; the shape stays."""
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


class ConvBlock(nn.Module):
    """Convolution, normalisation, ReLU: [B, C, T] -> [B, channels, T']."""

    def __init__(self, inputs: int, channels: int, kernel: int, stride: int, padding: int, norm: Norm) -> None:
        super().__init__()
        # Batch norm takes a bias out again, so that Adam would scale the rounding of its gradient up to full steps: the
        # mean drifts faster than the running statistics follow, and evaluation sees another network than training.
        self.conv = nn.Conv1d(inputs, channels, kernel, stride, padding, bias=norm != "batch")
        norms = {"none": nn.Identity, "channel": ChannelNorm, "batch": nn.BatchNorm1d}
        self.norm = norms[norm](channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to a whole sequence."""
        return F.relu(self.norm(self.conv(x)))

    def inside(self, x: Tensor) -> Tensor:
        """Apply the block without padding: a piece from the middle of a longer sequence."""
        y = F.conv1d(x, self.conv.weight, self.conv.bias, self.conv.stride)
        return F.relu(self.norm(y))


class WaveformEncoder(nn.Module):
    """g_enc: samples [B, n] -> z [B, T, channels], one frame every 160 samples."""

    def __init__(self, channels: int = 512, norm: Norm = "none", kernels: Sequence[int] = KERNELS) -> None:
        """`kernels` is for showing what other readings of the paper give; see `frames`."""
        super().__init__()
        sizes = zip([1] + [channels] * 4, kernels, STRIDES, PADDING, strict=True)
        self.blocks = nn.ModuleList(ConvBlock(inputs, channels, k, s, p, norm) for inputs, k, s, p in sizes)

    def forward(self, samples: Tensor) -> Tensor:
        """Encode whole sequences."""
        return self.layers(samples)[-1]

    def layers(self, samples: Tensor, isolate: bool = False) -> list[Tensor]:
        """Output of each block, [B, T_l, channels].

        Args:
            samples: [B, n].
            isolate: Cut the gradient between blocks (Greedy InfoMax): the values are the same.
        """
        x, outputs = samples.unsqueeze(1), []  # [B, 1, n]
        for block in self.blocks:
            x = block(x.detach() if isolate else x)  # [B, C, T_l]
            outputs.append(x.transpose(1, 2))
        return outputs


class SpeechModel(SequenceModel):
    """g_enc and g_ar: samples [B, n] -> z [B, T, channels], c [B, T, context]."""

    encoder: WaveformEncoder

    def __init__(self, config: SpeechModelConfig) -> None:
        """Of the sizes of `config`."""
        super().__init__(WaveformEncoder(config.channels, config.norm), config.channels, config.context)


def frames(samples: int, kernels: Sequence[int] = KERNELS, padding: Sequence[int] = PADDING) -> int:
    """Frames the encoder makes of so many samples: 128 of 20480.

    Greedy InfoMax's table prints kernel 1 for the last convolution and padding [2, 2, 2, 2, 1]: that would give 130,
    against the 128 it states, so we take the 1 for a misprint of 4.
    """
    for k, s, p in zip(kernels, STRIDES, padding, strict=True):
        samples = (samples + 2 * p - k) // s + 1
    return samples

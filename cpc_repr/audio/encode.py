"""A trained network as a library: `load(run).encode(waveform)` gives z and c; `stream` does the same piece by piece.

from cpc_repr.audio import load

speech = load("runs/NAME")
z, c = speech.encode(waveform)                 # float32 [n] at 16 kHz -> [T, D], [T, H], a row every 10 ms
for z, c in speech.stream(pieces): ...         # the same rows, in bounded memory, from sound of any length
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cpc_repr.audio.model import KERNELS, PADDING, STRIDES, ConvBlock, SpeechModel, SpeechModelConfig
from cpc_repr.sequences import Encoding
from cpc_repr.trained import load_weights, open_trained

Sound = np.ndarray | Tensor


class SpeechEncoder:
    """g_enc and g_ar, frozen."""

    def __init__(self, model: SpeechModel, device: torch.device | str = "cpu") -> None:
        """Take `model` as it is, in evaluation mode, onto `device`."""
        self.model = model.to(device).eval()
        self.device = torch.device(device)

    @torch.no_grad()
    def encode(self, waveform: Sound) -> Encoding:
        """Encode one recording from a zero state.

        Args:
            waveform: float [n] in [-1, 1], mono, 16 kHz.

        Returns:
            z [T, channels] and c [T, context] on the CPU, T = n / 160 or so (`model.frames`); row t looks at the 465
            samples around 160 t + 79, and c_t at all before them too.

        Raises:
            ValueError: Not a mono waveform, or too short for a frame.
        """
        samples = checked(waveform)
        if len(samples) < HALO:
            raise ValueError(f"{len(samples)} samples are too few for a frame: at least {HALO}")
        z, c = self.model(samples[None].to(self.device))
        return Encoding(z[0].cpu(), c[0].cpu())

    def stream(self, pieces: Iterable[Sound]) -> Iterator[Encoding]:
        """Encode one recording that comes in pieces of any size, as `encode` would the whole.

        Convolutions go on across the joints and the GRU keeps its state. Memory is bounded by the largest piece.
        """
        stream = Stream(self.model, self.device)
        for piece in pieces:
            yield from _some(stream.feed(piece))
        yield from _some(stream.finish())


class Stream:
    """One recording under way. Feed it pieces; `finish` gives the last frames, which see the padding at the end."""

    def __init__(self, model: SpeechModel, device: torch.device | str = "cpu") -> None:
        self._gru, self._device = model.gru, torch.device(device)
        blocks = [block for block in model.encoder.blocks if isinstance(block, ConvBlock)]
        self._layers = [_Layer(*layer) for layer in zip(blocks, KERNELS, STRIDES, PADDING, strict=True)]
        self._state: Tensor | None = None  # of the GRU

    def feed(self, piece: Sound) -> Encoding:
        """Frames that `piece` completes, z [T, channels] and c [T, context]; T may be 0."""
        return self._pass(checked(piece), last=False)

    def finish(self) -> Encoding:
        """The frames at the end."""
        return self._pass(torch.empty(0), last=True)

    @torch.no_grad()
    def _pass(self, samples: Tensor, last: bool) -> Encoding:
        x = samples.to(self._device).view(1, 1, -1)  # [1, 1, n]
        for layer in self._layers:
            x = layer(x, last)  # [1, C, T_l]
        z = x.transpose(1, 2)  # [1, T, channels]
        if not z.shape[1]:
            return Encoding(z[0].cpu(), z.new_empty(0, self._gru.hidden_size).cpu())
        c, self._state = self._gru(z, self._state)
        return Encoding(z[0].cpu(), c[0].cpu())


class _Layer:
    """One convolution: keeps the inputs that later outputs still need."""

    def __init__(self, block: ConvBlock, kernel: int, stride: int, padding: int) -> None:
        self._block, self._kernel, self._stride, self._padding = block, kernel, stride, padding
        inputs = block.conv.in_channels
        self._rest = block.conv.weight.new_zeros(1, inputs, padding)  # the padding in front, then what is left over

    def __call__(self, x: Tensor, last: bool) -> Tensor:
        x = torch.cat([self._rest, x], dim=2)
        if last:
            x = torch.cat([x, x.new_zeros(1, x.shape[1], self._padding)], dim=2)
        count = max(0, (x.shape[2] - self._kernel) // self._stride + 1)
        self._rest = x[:, :, count * self._stride :]
        if not count:
            return x.new_empty(1, self._block.conv.out_channels, 0)
        return self._block.inside(x[:, :, : (count - 1) * self._stride + self._kernel])


def load(path: Path | str, device: torch.device | str = "cpu") -> SpeechEncoder:
    """The network of a run directory (its newest checkpoint; the mean of the weights if the run has one).

    Raises:
        UsageError: There is no such run, or it is not one of `python -m cpc_repr.audio`.
        RunFailure: It has no whole checkpoint.
    """
    run, settings = open_trained(path, "audio", {"model", "cpc", "corpus"})
    model = SpeechModel(SpeechModelConfig.model_validate(settings["model"]))
    load_weights(run, model)
    return SpeechEncoder(model, device)


def checked(waveform: Sound) -> Tensor:
    """float32 [n]. Raises ValueError for anything but a finite mono waveform of floats."""
    if isinstance(waveform, str | bytes | PathLike):
        raise ValueError(f"a waveform is float [n], not {waveform!r}: read the file first, with soundfile.read")
    try:
        x = torch.as_tensor(waveform)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"a waveform is float [n], mono, in [-1, 1]; this is a {type(waveform).__name__}") from error
    if x.ndim != 1 or not x.is_floating_point():
        raise ValueError(f"a waveform is float [n], mono, in [-1, 1]; this is {x.dtype} {[*x.shape]}")
    if not bool(x.isfinite().all()):
        raise ValueError("the waveform has samples that are not finite")
    return x.float()


def _halo() -> int:
    """Fewest samples that give a frame."""
    need = 1
    for k, s, p in reversed(list(zip(KERNELS, STRIDES, PADDING, strict=True))):
        need = (need - 1) * s + k - 2 * p
    return need


HALO = _halo()


def _some(encoding: Encoding) -> Iterator[Encoding]:
    if len(encoding.z):
        yield encoding

"""Greedy InfoMax (Löwe et al. 2019): six modules, each trained by its own InfoNCE and by nothing else.

The five convolutions contrast their own outputs, the GRU its state against the last convolution's; each sees what is
below it detached. Ten negatives are drawn from all frames of the batch at each update.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d

from cpc_repr.audio.data import SpeechWindows, Waveforms
from cpc_repr.audio.features import Features, context_features, frozen
from cpc_repr.audio.model import KERNELS, STRIDES, SpeechModel, SpeechModelConfig, frames
from cpc_repr.context import Context
from cpc_repr.objective import Losses, Objective
from cpc_repr.offsets import greedy_losses
from cpc_repr.sequences import Encoding, SequenceCPCConfig, check_task, contrast
from cpc_rl.infonce import CPC, linear_heads

WINDOW = 128  # frames that predict; a convolution below the last one has more of them
NAMES = (*(f"conv{i + 1}" for i in range(len(KERNELS))), "gru")


class GreedyInfoMax(Objective[Tensor, Features]):
    """The sum of six losses, one a module; each module's output is probed."""

    title = "Greedy InfoMax"
    rows: ClassVar = {name: name for name in NAMES}
    live: Mapping[str, str] = {"loss": "loss/total", "first": f"loss/{NAMES[0]}", "last": f"loss/{NAMES[-1]}"}

    @classmethod
    def check(cls, config: Any) -> None:
        """Steps must fit into windows, and something must be left to tell apart."""
        check_task(config.cpc, config.batches.batch_size, frames(config.batches.window))

    def __init__(self, context: Context[Any, Waveforms]) -> None:
        """See `Objective`."""
        config, data = context.config, context.data
        self.config: SequenceCPCConfig = config.cpc
        super().__init__(context, lambda: GreedyNetwork(config.model, self.config.steps))
        self.windows = SpeechWindows(data, data.corpus.train, config.batches, config.run.seed)

    def describe(self) -> str:
        """Method, size and steps ahead."""
        return f"{super().describe()}, {self.config.steps} steps ahead"

    def batch(self, number: int) -> Tensor:
        """Windows [B, n]."""
        return self.windows.samples(number)

    def loss(self, batch: Tensor, number: int) -> Losses:
        """The sum of the modules' losses."""
        network = cast(GreedyNetwork, self.module)
        losses = greedy_loss(network, batch.to(self.context.device), self.config, self.draws(number))
        return greedy_losses(dict(zip(NAMES, losses, strict=True)), range(1, self.config.steps + 1))

    def representations(self) -> Mapping[str, Features]:
        """Each module's output at every 10 ms."""
        model, device = cast(GreedyNetwork, self.module).model, self.context.device
        convolutions = {name: conv_features(model, device, i) for i, name in enumerate(NAMES[:-1])}
        return {**convolutions, NAMES[-1]: context_features(model, device)}


class GreedyNetwork(nn.Module):
    """The network of CPC with a set of K heads for each of the six modules."""

    def __init__(self, config: SpeechModelConfig, steps: int) -> None:
        super().__init__()
        self.model = SpeechModel(config)
        sizes = [config.channels] * len(KERNELS) + [config.context]
        self.steps = steps
        self.heads = nn.ModuleList(linear_heads(size, config.channels, steps) for size in sizes)

    def isolated(self, samples: Tensor) -> list[Encoding]:
        """What each module predicts from (c) and what it predicts (z): no gradient of one reaches another."""
        outputs = self.model.encoder.layers(samples, isolate=True)
        below = outputs[-1].detach()
        return [*(Encoding(x, x) for x in outputs), Encoding(below, self.model.gru(below)[0])]


def greedy_loss(model: GreedyNetwork, samples: Tensor, config: SequenceCPCConfig, draws: torch.Generator) -> list[CPC]:
    """The six losses of samples [B, n], in the order of `NAMES`; their sum trains every module as if it were alone.

    Contexts of the lower convolutions, which have 256 to 4096 frames, come from a stretch of 128 drawn at each update.
    """
    losses = []
    for encoding, heads in zip(model.isolated(samples), model.heads, strict=True):
        last = encoding.z.shape[1] - model.steps  # steps from here on have a positive missing
        stretch = None
        if last > WINDOW:
            start = int(torch.randint(last - WINDOW + 1, (), generator=draws))
            stretch = torch.arange(start, start + WINDOW)
        losses.append(contrast(encoding, cast(nn.ModuleList, heads), config, draws, stretch))
    return losses


def conv_features(model: SpeechModel, device: torch.device, index: int) -> Features:
    """Output of convolution `index` at each 10 ms, [T, channels]."""

    def encode(samples: Tensor) -> Tensor:
        outputs = model.encoder.layers(samples)
        return every_10_ms(outputs[index], index)[:, : outputs[-1].shape[1]]

    return frozen(model, device, encode)


def every_10_ms(outputs: Tensor, layer: int) -> Tensor:
    """Mean of the frames of convolution `layer` (0 is the first), [B, T_l, D], over each 10 ms: all are probed alike.

    Returns [B, T, D]; the last mean may be over fewer.
    """
    every = prod(STRIDES[layer + 1 :])
    return avg_pool1d(outputs.transpose(1, 2), every, every, ceil_mode=True).transpose(1, 2)

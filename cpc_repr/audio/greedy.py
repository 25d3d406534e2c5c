"""Greedy InfoMax (Löwe et al. 2019): six modules, each trained by its own InfoNCE and by nothing else.

The five convolutions contrast their own outputs, the GRU its state against the last convolution's; each sees what is
below it detached. Ten negatives are drawn from all frames of the batch at each update.
"""

from __future__ import annotations

from math import prod
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d

from cpc_repr.audio.model import KERNELS, STRIDES, CPCConfig, Encoding, ModelConfig, SpeechModel, contrast
from cpc_rl.infonce import CPC, linear_heads

WINDOW = 128  # frames that predict; a convolution below the last one has more of them
NAMES = (*(f"conv{i + 1}" for i in range(len(KERNELS))), "gru")


class GreedyModel(nn.Module):
    """The network of CPC with a set of K heads for each of the six modules."""

    def __init__(self, config: ModelConfig, steps: int) -> None:
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


def greedy_loss(model: GreedyModel, samples: Tensor, config: CPCConfig, generator: torch.Generator) -> list[CPC]:
    """The six losses of samples [B, n], in the order of `NAMES`; their sum trains every module as if it were alone.

    Contexts of the lower convolutions, which have 256 to 4096 frames, come from a stretch of 128 drawn at each update.
    """
    losses = []
    for encoding, heads in zip(model.isolated(samples), model.heads, strict=True):
        last = encoding.z.shape[1] - model.steps  # steps from here on have a positive missing
        stretch = None
        if last > WINDOW:
            start = int(torch.randint(last - WINDOW + 1, (), generator=generator))
            stretch = torch.arange(start, start + WINDOW)
        losses.append(contrast(encoding, cast(nn.ModuleList, heads), config, generator, stretch))
    return losses


def pooled(outputs: Tensor, layer: int) -> Tensor:
    """Mean of the frames of convolution `layer` (0 is the first), [B, T_l, D], over each 10 ms: all are probed alike.

    Returns [B, T, D]; the last mean may be over fewer.
    """
    every = prod(STRIDES[layer + 1 :])
    return avg_pool1d(outputs.transpose(1, 2), every, every, ceil_mode=True).transpose(1, 2)

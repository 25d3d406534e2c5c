"""The network of CPC trained end to end on the labels of each frame."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from cpc_repr.audio.corpus import Task
from cpc_repr.audio.data import SpeechWindows, Waveforms
from cpc_repr.audio.model import HOP, SpeechModel, SpeechModelConfig, frames
from cpc_repr.context import Context
from cpc_repr.objective import Labelled, Supervised


class FrameClassifier(nn.Module):
    """The same network with a linear classifier on c."""

    def __init__(self, config: SpeechModelConfig, classes: int) -> None:
        super().__init__()
        self.model = SpeechModel(config)
        self.classify = nn.Linear(config.context, classes)

    def forward(self, samples: Tensor) -> Tensor:
        """Logits [B, T, classes] of samples [B, n]."""
        return self.classify(self.model(samples).c)


def supervised_objective(context: Context[Any, Waveforms], task: Task) -> Supervised:
    """A classifier of phones or of speakers."""
    config, corpus = context.config, context.data.corpus
    shift, length = config.evaluation.shift, frames(config.batches.window)
    windows = SpeechWindows(context.data, corpus.train, config.batches, config.run.seed, grid=HOP, shift=shift)

    def read(number: int) -> Labelled:
        batch = windows.batch(number, length)
        return Labelled(batch.samples, batch.phones if task == "phone" else batch.speaker[:, None].expand(-1, length))

    return Supervised(context, lambda: FrameClassifier(config.model, corpus.classes(task)), read)

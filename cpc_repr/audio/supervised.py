"""The upper bound: the encoder of CPC under a GRU that reads both ways, trained end to end on labels of frames.

CPC's own context sees the past alone, MFCC with derivatives 52 ms to both sides of a frame's middle. What bounds them
all must see both sides.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from cpc_repr.audio.corpus import Task
from cpc_repr.audio.data import SpeechWindows, Waveforms
from cpc_repr.audio.model import HOP, SpeechModelConfig, WaveformEncoder, frames
from cpc_repr.context import Context
from cpc_repr.objective import Labelled, Supervised


class FrameClassifier(nn.Module):
    """g_enc, a GRU that reads forwards and one that reads backwards, and a linear classifier on both."""

    def __init__(self, config: SpeechModelConfig, classes: int) -> None:
        super().__init__()
        self.encoder = WaveformEncoder(config.channels, config.norm)
        self.gru = nn.GRU(config.channels, config.context, batch_first=True, bidirectional=True)
        self.classify = nn.Linear(2 * config.context, classes)

    def forward(self, samples: Tensor) -> Tensor:
        """Logits [B, T, classes] of samples [B, n]."""
        both, _ = self.gru(self.encoder(samples))  # [B, T, 2 * context]
        return self.classify(both)


def supervised_objective(context: Context[Any, Waveforms], task: Task) -> Supervised:
    """A classifier of phones or of speakers."""
    config, corpus = context.config, context.data.corpus
    shift, length = config.evaluation.shift, frames(config.batches.window)
    windows = SpeechWindows(context.data, corpus.train, config.batches, config.run.seed, grid=HOP, shift=shift)

    def read(number: int) -> Labelled:
        batch = windows.batch(number, length)
        return Labelled(batch.samples, batch.phones if task == "phone" else batch.speaker[:, None].expand(-1, length))

    return Supervised(context, lambda: FrameClassifier(config.model, corpus.classes(task)), read)

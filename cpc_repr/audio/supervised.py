"""The network of CPC trained end to end on the labels of each frame."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from cpc_repr.audio.data import SpeechWindows
from cpc_repr.audio.model import HOP, SpeechModel, SpeechModelConfig, frames
from cpc_repr.audio.setup import SpeechSetup
from cpc_repr.objective import Labelled, Supervised
from cpc_repr.training import seeded

Task = Literal["phone", "speaker"]
TASKS: tuple[Task, ...] = ("phone", "speaker")


class FrameClassifier(nn.Module):
    """The same network with a linear classifier on c."""

    def __init__(self, config: SpeechModelConfig, classes: int) -> None:
        super().__init__()
        self.model = SpeechModel(config)
        self.classify = nn.Linear(config.context, classes)

    def forward(self, samples: Tensor) -> Tensor:
        """Logits [B, T, classes] of samples [B, n]."""
        return self.classify(self.model(samples).c)


def supervised_objective(setup: SpeechSetup, task: Task, shift: int) -> Supervised:
    """A classifier of phones or of speakers; frame t carries label t - `shift`."""
    waveforms = setup.waveforms
    classes = waveforms.corpus.classes(task)
    network = seeded(setup.seed, lambda: FrameClassifier(setup.model, classes))
    windows = SpeechWindows(waveforms, waveforms.corpus.train, setup.batches, setup.seed, grid=HOP, shift=shift)
    length = frames(setup.batches.window)

    def read(number: int) -> Labelled:
        batch = windows.batch(number, length)
        return Labelled(batch.samples, batch.phones if task == "phone" else batch.speaker[:, None].expand(-1, length))

    return Supervised(network, read, setup.optimiser, setup.updates, setup.device, reads_files=not waveforms.keep)

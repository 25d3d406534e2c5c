"""CPC on speech: c predicts z of the steps ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cpc_repr.audio.data import SpeechWindows, Waveforms
from cpc_repr.audio.features import Features, context_features
from cpc_repr.audio.model import SpeechModel, frames
from cpc_repr.context import Context
from cpc_repr.sequences import SequenceObjective, check_task


class SpeechCPC(SequenceObjective[Features]):
    """CPC; probes see c."""

    unit = "steps of 10 ms"

    @classmethod
    def check(cls, config: Any) -> None:
        """Steps must fit into windows, and something must be left to tell apart."""
        check_task(config.cpc, config.batches.batch_size, frames(config.batches.window))

    def __init__(self, context: Context[Any, Waveforms]) -> None:
        """See `Objective`."""
        config, corpus = context.config, context.data.corpus
        train, test = (
            SpeechWindows(context.data, split, config.batches, config.run.seed) for split in (corpus.train, corpus.test)
        )
        super().__init__(context, lambda: SpeechModel(config.model), train.samples, test.samples)

    def representations(self) -> Mapping[str, Features]:
        """C, frame by frame."""
        return {"cpc": context_features(cast(SpeechModel, self.network.model), self.context.device)}

"""CPC on speech: c predicts z of the steps ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cpc_repr.audio.data import SpeechWindows, Waveforms
from cpc_repr.audio.features import Features, context_features
from cpc_repr.audio.model import SpeechModel
from cpc_repr.context import Context
from cpc_repr.sequences import SequenceObjective


class SpeechCPC(SequenceObjective[Features]):
    """CPC; probes see c."""

    unit = "steps of 10 ms"

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

"""CPC on speech: c predicts z of the steps ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

from cpc_repr.audio.features import Features, context_features
from cpc_repr.audio.model import SpeechModel
from cpc_repr.audio.setup import SpeechSetup
from cpc_repr.sequences import SequenceCPC, SequenceObjective
from cpc_repr.training import seeded


class SpeechCPC(SequenceObjective[Features]):
    """CPC; probes see c."""

    rows: ClassVar = {"cpc": "CPC"}

    def __init__(self, setup: SpeechSetup) -> None:
        """With the seed's initial weights."""
        network = seeded(setup.seed, lambda: SequenceCPC(SpeechModel(setup.model), setup.cpc.steps))
        super().__init__(
            cast(SequenceCPC, network),
            setup.windows("train").samples,
            setup.windows("test").samples,
            setup.optimiser,
            setup.updates,
            seed=setup.seed,
            device=setup.device,
            unit="steps of 10 ms",
            test_batches=setup.test_batches,
            negatives=setup.negatives,
            anchors=setup.cpc.anchors,
            reads_files=not setup.waveforms.keep,
        )

    def representations(self) -> Mapping[str, Features]:
        """C, frame by frame."""
        return {"cpc": context_features(cast(SpeechModel, self.module.model), self.device)}

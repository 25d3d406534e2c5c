"""CPC on books: c predicts z of the sentences ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, cast

import torch
from pydantic import Field

from configs import Frozen
from cpc_repr.sequences import SequenceCPC, SequenceObjective
from cpc_repr.text.books import SentenceWindows
from cpc_repr.text.model import TextModel, TextModelConfig
from cpc_repr.training import seeded
from cpc_rl.optim import OptimiserConfig


class TextCPCConfig(Frozen):
    """The contrastive task."""

    steps: int = Field(default=3, ge=1, le=100, description="Predict this many sentences ahead (K).")


class TextSetup(NamedTuple):
    """What a method on books is built from: data, sizes and lengths."""

    train: SentenceWindows
    test: SentenceWindows
    words: int
    model: TextModelConfig
    cpc: TextCPCConfig
    optimiser: OptimiserConfig
    updates: int
    test_batches: int
    seed: int
    device: torch.device


class TextCPC(SequenceObjective[TextModel]):
    """CPC; tasks see z and c of single sentences."""

    rows: ClassVar = {"cpc": "CPC"}

    def __init__(self, setup: TextSetup) -> None:
        """With the seed's initial weights."""
        network = seeded(setup.seed, lambda: SequenceCPC(TextModel(setup.words, setup.model), setup.cpc.steps))
        super().__init__(
            cast(SequenceCPC, network),
            setup.train.tokens,
            setup.test.tokens,
            setup.optimiser,
            setup.updates,
            seed=setup.seed,
            device=setup.device,
            unit="sentences",
            test_batches=setup.test_batches,
            negatives={},
        )

    def representations(self) -> Mapping[str, TextModel]:
        """The network."""
        return {"cpc": cast(TextModel, self.module.model)}

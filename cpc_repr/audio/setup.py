"""What every method on speech is built from."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import Field

from configs import Frozen
from cpc_repr.audio.data import SpeechBatchConfig, SpeechWindows, Waveforms
from cpc_repr.audio.model import SpeechModelConfig
from cpc_rl.optim import OptimiserConfig


class SpeechCPCConfig(Frozen):
    """The contrastive task."""

    steps: int = Field(default=12, ge=1, le=100, description="Predict this many steps of 10 ms ahead (K).")
    candidates: Literal["all", "exclude_own", "own"] = Field(
        default="all",
        description="Negatives: `all` latents of the batch, all but those of the anchor's own sequence "
        "(`exclude_own`), or those of its `own` sequence only.",
    )
    num_negatives: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Draw this many of the candidates at each update; none: use all of them.",
    )
    anchors: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Predict from this many steps of each window, drawn at each update: the same gradient on average, "
        "for less; none: from all.",
    )


class SpeechSetup(NamedTuple):
    """Data, sizes and lengths."""

    waveforms: Waveforms
    batches: SpeechBatchConfig
    model: SpeechModelConfig
    cpc: SpeechCPCConfig
    optimiser: OptimiserConfig
    updates: int
    test_batches: int
    seed: int
    device: torch.device

    def windows(self, part: Literal["train", "test"]) -> SpeechWindows:
        """Batches of a part of the corpus."""
        corpus = self.waveforms.corpus
        return SpeechWindows(self.waveforms, corpus.train if part == "train" else corpus.test, self.batches, self.seed)

    @property
    def negatives(self) -> dict[str, object]:
        """As `cpc_loss` takes them."""
        return {
            "pool": "sequence" if self.cpc.candidates == "own" else "batch",
            "exclude_own": self.cpc.candidates == "exclude_own",
            "num_negatives": self.cpc.num_negatives,
        }

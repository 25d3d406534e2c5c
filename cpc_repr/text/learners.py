"""What is trained: CPC, and the supervised networks it is held against."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.text.books import Library, Windows
from cpc_repr.text.config import Config
from cpc_repr.text.model import CPCModel, ModelConfig, SentenceEncoder, contrast
from cpc_repr.training import Learner, seeded
from cpc_rl.infonce import PerOffset
from cpc_rl.optim import OptimiserConfig

BATCH = 32  # sentences of an update of supervised training


class Supervised(nn.Module):
    """The same sentence encoder with a linear classifier on z."""

    def __init__(self, words: int, config: ModelConfig, classes: int) -> None:
        super().__init__()
        self.encoder = SentenceEncoder(words, config)
        self.classify = nn.Linear(config.channels, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [N, classes] of words [N, L]."""
        return self.classify(self.encoder(tokens))


def build(config: Config, words: int) -> CPCModel:
    """The network with its heads, with the seed's initial weights."""
    return cast(CPCModel, seeded(config.run.seed, lambda: CPCModel(words, config.model, config.cpc.steps)))


def windows(config: Config, library: Library) -> Windows:
    """Batches of `library`, as `config` has them."""
    return Windows(library, config.batches, config.corpus.max_tokens, config.run.seed)


def cpc_learner(config: Config, library: Library, words: int, device: torch.device) -> Learner:
    """CPC on the books of `library`."""
    model = build(config, words).to(device)
    drawn = windows(config, library)

    def loss(number: int) -> tuple[Tensor, dict[str, Tensor]]:
        result = contrast(model.model(drawn.tokens(number).to(device)), model.heads)
        return result.loss, by_step(result.per_offset)

    return Learner(model, loss, config.optimiser, config.train.updates, config.train.accumulate)


def by_step(offsets: PerOffset) -> dict[str, Tensor]:
    """Accuracy and bound of each step k, and log N (of the last), named as metrics."""
    named = {"cpc/log_n": offsets.log_n[-1]}
    for k in range(len(offsets.loss)):
        named[f"cpc/accuracy_{k + 1}"] = offsets.accuracy[k]
        named[f"cpc/bound_{k + 1}"] = offsets.bound[k]
    return named


def supervised_learner(config: Config, tokens: Tensor, labels: Tensor, device: torch.device) -> Learner:
    """Encoder and classifier on words [N, L] of classes [N], end to end; an epoch is `updates_of` updates."""
    words, classes = int(tokens.max()) + 1, int(labels.max()) + 1
    model = seeded(config.run.seed, lambda: Supervised(words, config.model, classes)).to(device)
    each = -(-len(labels) // BATCH)

    def loss(number: int) -> tuple[Tensor, dict[str, Tensor]]:
        epoch, place = divmod(number, each)
        order = np.random.default_rng([config.run.seed, epoch]).permutation(len(labels))
        rows = torch.from_numpy(np.resize(order, each * BATCH)[place * BATCH :][:BATCH])  # all of them full
        return F.cross_entropy(model(tokens[rows].to(device)), labels[rows].to(device)), {}

    optimiser = OptimiserConfig(learning_rate=config.train.supervised_learning_rate)
    return Learner(model, loss, optimiser, updates_of(config, len(labels)))


def updates_of(config: Config, sentences: int) -> int:
    """Updates of supervised training on so many sentences."""
    return config.train.supervised_epochs * -(-sentences // BATCH)

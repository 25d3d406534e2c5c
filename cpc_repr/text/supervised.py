"""The sentence encoder trained end to end on the labels of a task."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cpc_repr.context import Context
from cpc_repr.objective import Labelled, Supervised
from cpc_repr.text.model import SentenceEncoder, TextModelConfig
from cpc_rl.optim import OptimiserConfig

BATCH = 32  # sentences of an update


class SentenceClassifier(nn.Module):
    """The same sentence encoder with a linear classifier on z."""

    def __init__(self, words: int, config: TextModelConfig, classes: int) -> None:
        super().__init__()
        self.encoder = SentenceEncoder(words, config.model_copy(update={"word_dropout": 0.0}))
        self.classify = nn.Linear(config.channels, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [N, classes] of words [N, L]."""
        return self.classify(self.encoder(tokens))


def supervised_objective(context: Context[Any, Any], tokens: Tensor, labels: Tensor) -> Supervised:
    """Encoder and classifier on words [N, L] of classes [N]."""
    config, train = context.config, context.config.train
    words, classes = int(tokens.max()) + 1, int(labels.max()) + 1
    each = -(-len(labels) // BATCH)

    def read(number: int) -> Labelled:
        epoch, place = divmod(number, each)
        order = np.random.default_rng([config.run.seed, epoch]).permutation(len(labels))
        rows = torch.from_numpy(np.resize(order, each * BATCH)[place * BATCH :][:BATCH])  # all of them full
        return Labelled(tokens[rows], labels[rows])

    optimiser = OptimiserConfig(learning_rate=train.supervised_learning_rate)
    updates = train.supervised_epochs * each
    return Supervised(context, lambda: SentenceClassifier(words, config.model, classes), read, optimiser, updates)

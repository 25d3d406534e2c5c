"""CPC on books: c predicts z of the sentences ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor

from cpc_repr.context import Context
from cpc_repr.objective import Losses
from cpc_repr.sequences import SequenceObjective, check_task
from cpc_repr.text.books import SentenceWindows
from cpc_repr.text.corpus import TextCorpus
from cpc_repr.text.model import TextModel
from cpc_repr.training import drawing


class TextCPC(SequenceObjective[TextModel]):
    """CPC; tasks see z and c of single sentences."""

    unit = "sentences"

    @classmethod
    def check(cls, config: Any) -> None:
        """Steps must fit into windows, and something must be left to tell apart."""
        check_task(config.cpc, config.batches.batch_size, config.batches.window)

    def __init__(self, context: Context[Any, TextCorpus]) -> None:
        """See `Objective`."""
        config, data = context.config, context.data
        train, test = (
            SentenceWindows(library, config.batches, config.corpus.max_tokens, config.run.seed)
            for library in (data.train, data.test)
        )
        words = len(data.vocabulary)
        super().__init__(context, lambda: TextModel(words, config.model), train.tokens, test.tokens)

    def loss(self, batch: Tensor, number: int) -> Losses:
        """InfoNCE; which words are left out is a function of the seed and the batch's number too."""
        with drawing(self.draws(number, 1), self.context.device):
            return super().loss(batch, number)

    def representations(self) -> Mapping[str, TextModel]:
        """The network."""
        return {"cpc": cast(TextModel, self.network.model)}

"""All settings of `python -m cpc_repr.text`."""

from __future__ import annotations

from typing import Annotated, ClassVar

import tyro
from pydantic import Field

from configs import Frozen, MayChange
from cpc_repr.config import CommandConfig, TrainConfig
from cpc_repr.sequences import SequenceCPCConfig
from cpc_repr.text.books import BookBatchConfig
from cpc_repr.text.corpus import TextCorpusConfig
from cpc_repr.text.logistic import LogisticConfig
from cpc_repr.text.model import TextModelConfig
from cpc_repr.text.stories import StoriesConfig
from cpc_repr.training import OPTIMISER
from cpc_rl.optim import OptimiserConfig


class TextTrainConfig(TrainConfig):
    """How long networks are trained, and what they are held against."""

    supervised_epochs: MayChange[int] = Field(
        default=10,
        ge=0,
        le=10_000,
        description="Passes of each network trained end to end on a task's labels; 0 leaves them out.",
    )
    supervised_learning_rate: MayChange[float] = Field(
        default=1e-3, gt=0, le=1, description="Learning rate of the networks trained end to end on labels."
    )


class TextEvaluationConfig(Frozen):
    """What the representation is held to once it is trained."""

    batches: int = Field(default=50, ge=1, le=10**6, description="Batches of held-out books for each step's accuracy.")
    neighbours: int = Field(default=4, ge=1, le=100, description="Sentences whose nearest neighbours are printed.")


class TextConfig(CommandConfig):
    """Train CPC on books, score its sentences on five tasks, and print the paper's table beside ours."""

    places: ClassVar = ("corpus.data",)

    corpus: Annotated[TextCorpusConfig, tyro.conf.OmitArgPrefixes] = TextCorpusConfig()
    train: Annotated[TextTrainConfig, tyro.conf.OmitArgPrefixes] = TextTrainConfig()
    batches: Annotated[BookBatchConfig, tyro.conf.OmitArgPrefixes] = BookBatchConfig()
    cpc: Annotated[SequenceCPCConfig, tyro.conf.arg(name="")] = SequenceCPCConfig(steps=3)
    optimiser: OptimiserConfig = OPTIMISER
    model: Annotated[TextModelConfig, tyro.conf.OmitArgPrefixes] = TextModelConfig()
    stories: StoriesConfig = StoriesConfig()
    logistic: MayChange[LogisticConfig] = LogisticConfig()
    evaluation: MayChange[TextEvaluationConfig] = TextEvaluationConfig()

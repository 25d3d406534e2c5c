"""All settings of `python -m cpc_repr.text`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from configs import Frozen, MayChange
from cpc_repr.config import CommandConfig, TrainConfig
from cpc_repr.text.books import BookBatchConfig, Layout
from cpc_repr.text.cpc import TextCPCConfig
from cpc_repr.text.logistic import LogisticConfig
from cpc_repr.text.model import TextModelConfig
from cpc_repr.text.stories import StoriesConfig
from cpc_repr.training import OPTIMISER
from cpc_rl.optim import OptimiserConfig
from cpc_rl.runs.config import Folder

File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]


class TextCorpusConfig(Frozen):
    """Books, tasks and word vectors: on the disk, or, by default, generated ones."""

    data: Folder = Field(default=None, description="Books, one text file (.txt, UTF-8) each. Default: generated ones.")
    layout: Layout = Field(default="lines", description="Layout of the books: a sentence a line, or prose.")
    tasks: MayChange[Folder] = Field(
        default=None, description="SentEval's data/downstream, with MR, CR, SUBJ, MPQA and TREC. Default: generated."
    )
    vectors: MayChange[File] = Field(
        default=None,
        description="Word vectors in word2vec's form, for words the books do not have. Default: with generated books "
        "a stand-in, else none.",
    )
    corpora: MayChange[Folder] = Field(
        default=None, description="Folder of generated text, made once; by default in the user's cache."
    )
    vocabulary: int = Field(default=20_000, ge=1, le=10_000_000, description="Words; others are unknown.")
    max_tokens: int = Field(default=32, ge=1, le=4096, description="Words of a sentence that are read.")
    hold_out: int = Field(default=20, ge=2, le=10**6, description="One book of so many is kept for testing.")


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

    corpus: Annotated[TextCorpusConfig, tyro.conf.OmitArgPrefixes] = TextCorpusConfig()
    train: Annotated[TextTrainConfig, tyro.conf.OmitArgPrefixes] = TextTrainConfig()
    batches: Annotated[BookBatchConfig, tyro.conf.OmitArgPrefixes] = BookBatchConfig()
    cpc: Annotated[TextCPCConfig, tyro.conf.OmitArgPrefixes] = TextCPCConfig()
    optimiser: OptimiserConfig = OPTIMISER
    model: Annotated[TextModelConfig, tyro.conf.OmitArgPrefixes] = TextModelConfig()
    stories: StoriesConfig = StoriesConfig()
    logistic: MayChange[LogisticConfig] = LogisticConfig()
    evaluation: MayChange[TextEvaluationConfig] = TextEvaluationConfig()

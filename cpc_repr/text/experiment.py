"""Sentences: their books and tasks, their method, what it is held against, and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from configs import UsageError, as_usage_error
from cpc_repr.context import Session
from cpc_repr.experiment import Experiment, Rows
from cpc_repr.objective import Objective, Stage
from cpc_repr.packages import optional_module
from cpc_repr.report import Table
from cpc_repr.text.books import SentenceWindows
from cpc_repr.text.config import TextConfig
from cpc_repr.text.corpus import TextCorpus, open_corpus, task_words
from cpc_repr.text.cpc import TextCPC
from cpc_repr.text.encode import VOCABULARY, TextEncoder
from cpc_repr.text.evaluate import (
    Features,
    TextContext,
    bag_of_vectors,
    bag_of_words,
    chance,
    encoded,
    neighbours,
    random_vectors,
    score_tasks,
    supervised,
)
from cpc_repr.text.expand import check_map, expand, with_random_words
from cpc_repr.text.figures import figure_tasks
from cpc_repr.text.logistic import check_folds
from cpc_repr.text.model import TextModel
from cpc_repr.text.tables import TITLES, intervals, table_5, table_expansion
from cpc_repr.text.words import Vocabulary
from cpc_rl.runs import read_metrics


class TextExperiment(Experiment[TextConfig, TextCorpus]):
    """CPC on books, scored on five tasks."""

    family = "text"
    methods: ClassVar = {"cpc": TextCPC}

    def open(self, config: TextConfig, session: Session) -> TextCorpus:
        """Books, tasks and word vectors, read or generated."""
        with as_usage_error():
            optional_module("sklearn.linear_model", "text")
            with session.live("reading books") as tick:
                return open_corpus(config.corpus, config.stories, tick)

    def check(self, config: TextConfig, data: TextCorpus) -> None:
        """Windows must fit into books, folds into tasks; vectors must share words with books."""
        for library in (data.train, data.test):
            SentenceWindows(library, config.batches, config.corpus.max_tokens, config.run.seed)
        with as_usage_error():
            for task in data.tasks.values():
                check_folds(task, config.logistic)
            if data.vectors is not None and not data.vectors.keys() <= data.vocabulary.row.keys():
                check_map(data.vectors, data.vocabulary)

    def prepare(self, context: TextContext) -> None:
        """The vocabulary lies beside the weights; a resumed run must have the same one."""
        path, vocabulary = context.run.path / VOCABULARY, context.data.vocabulary
        if context.group.is_main and not path.is_file():
            vocabulary.write(path)
        context.group.collect(None)  # now it is there for all ranks
        if Vocabulary.read(path).words != vocabulary.words:
            raise UsageError("cannot resume: the books are not those the run was begun with")

    def stages(
        self, context: TextContext, objective: Objective[Any, TextModel], supervised: Mapping[str, nn.Module]
    ) -> Iterator[Stage]:
        """Scores of every representation and of what it is held against; nearest neighbours."""
        context.say(f"{_speed(context):,.0f} sentences/s")
        yield from _baselines(context, self.objective(context))
        for row, model in objective.representations().items():
            yield from _scored(context, row, model)
        if context.config.train.supervised_epochs:
            yield from _supervised(context)
        *_, model = objective.representations().values()
        yield _neighbours(context, model)

    def report(self, config: TextConfig, data: TextCorpus, rows: Rows, folder: Path) -> list[Table]:
        """Table 5, and the effect of vocabulary expansion where there was one."""
        seeds = rows[""]
        figure_tasks(folder / "tasks.png", intervals(seeds))
        tasks = f"tasks in {config.corpus.tasks.name}" if config.corpus.tasks else "generated tasks"
        books = f"books in {config.corpus.data.name}" if config.corpus.data else "generated stories"
        expansion = table_expansion(seeds)
        return [table_5(seeds, tasks, books), *([expansion] if expansion else [])]


def _score(context: TextContext, row: str, features: Features) -> Stage:
    return Stage(row, lambda: score_tasks(context, TITLES[row], features), row)


def _encoder(context: TextContext, model: TextModel, vocabulary: Vocabulary) -> TextEncoder:
    return TextEncoder(model, vocabulary, context.device, context.config.corpus.max_tokens)


def _baselines(context: TextContext, untrained: Objective[Any, TextModel]) -> Iterator[Stage]:
    """What a representation is held against, but for supervised training."""
    corpus, seed, size = context.data, context.config.run.seed, context.config.model.channels
    yield Stage("chance", partial(chance, context), "chance")
    yield _score(context, "bow", bag_of_words)
    yield _score(context, "bag", bag_of_vectors(random_vectors(size, seed), size))
    if corpus.vectors is not None:
        dimensions = len(next(iter(corpus.vectors.values())))
        yield _score(context, "vectors", bag_of_vectors(corpus.vectors.get, dimensions))
    *_, model = untrained.representations().values()
    wider, vocabulary = with_random_words(model, corpus.vocabulary, task_words(corpus.tasks), seed)
    yield _score(context, "random", encoded(_encoder(context, wider, vocabulary), "z"))


def _scored(context: TextContext, row: str, model: TextModel) -> Iterator[Stage]:
    """Scores of a trained network, before and after vocabulary expansion."""
    corpus = context.data
    encoder = _encoder(context, model, corpus.vocabulary)
    if corpus.vectors is not None:
        yield _score(context, f"{row}_plain", encoded(encoder, "z"))
        encoder = _encoder(context, *expand(model, corpus.vocabulary, corpus.vectors))
    yield _score(context, row, encoded(encoder, "z"))
    yield _score(context, f"{row}_c", encoded(encoder, "c"))


def _supervised(context: TextContext) -> Iterator[Stage]:
    for task in context.data.tasks.values():
        yield Stage(f"supervised_{task.name}", partial(supervised, context, task), "supervised")


def _neighbours(context: TextContext, model: TextModel) -> Stage:
    """The nearest neighbours of some sentences, printed and kept for a look at them."""
    encoder = _encoder(context, model, context.data.vocabulary)
    samples, queries = context.data.samples, context.config.evaluation.neighbours

    def show(nearest: list[tuple[str, list[str]]]) -> None:
        lines = [line for query, near in nearest for line in (query, *(f"    {text}" for text in near))]
        where = "other held-out books" if len(samples) > 1 else "the one held-out book"
        text = "\n".join([f"nearest neighbours (z, cosine, {where}):", *lines])
        (context.run.report / "neighbours.txt").write_text(text + "\n", encoding="utf-8")
        context.say(text)

    return Stage("neighbours", lambda: neighbours(encoder, samples, queries), show=show)


def _speed(context: TextContext) -> float:
    """Sentences trained on per second, over the whole run."""
    config, lines = context.config, read_metrics(context.run.metrics_path)
    each = config.batches.window * config.batches.batch_size * config.train.accumulate
    return each * float(lines[-1]["updates"] or 0) / max(1e-9, float(lines[-1]["seconds"] or 0)) if lines else 0.0

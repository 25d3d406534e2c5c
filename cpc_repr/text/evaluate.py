"""What a network learnt: accuracies on the five tasks, its own contrastive accuracy, and its nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import scipy
import torch
from scipy import sparse
from torch.nn import functional as F

from cpc_repr.context import Context
from cpc_repr.experiment import train_alone
from cpc_repr.probes import Score
from cpc_repr.text.config import TextConfig
from cpc_repr.text.corpus import TextCorpus
from cpc_repr.text.encode import TextEncoder
from cpc_repr.text.logistic import Table, predict, splits
from cpc_repr.text.senteval import Task
from cpc_repr.text.supervised import supervised_objective
from cpc_repr.text.tables import NEW
from cpc_repr.text.words import Sentence, Vocabulary

TextContext = Context[TextConfig, TextCorpus]
Features = Callable[[Sequence[Sentence]], Table]  # N sentences -> [N, D]


def score_tasks(context: TextContext, name: str, features: Features) -> dict[str, Score]:
    """Accuracy of logistic regression on frozen features, by task; `MR_new`: on sentences with words no book has."""
    accuracies: dict[str, Score] = {}
    for task in context.data.tasks.values():
        with context.live(f"{name}, {task.name}") as tick:
            accuracies |= _scores(context, task, predict(features(task.sentences), task, context.config.logistic, tick))
    context.say(f"{name}: {_line(accuracies)}")
    return accuracies


def chance(context: TextContext) -> dict[str, Score]:
    """Accuracy of always naming the most frequent class of the training sentences."""
    accuracies: dict[str, Score] = {}
    for task in context.data.tasks.values():
        predicted = np.full(len(task.labels), -1)
        for train, test in splits(task, context.config.logistic.folds):
            predicted[test] = np.bincount(task.labels[train]).argmax()
        accuracies |= _scores(context, task, predicted)
    return accuracies


def supervised(context: TextContext, task: Task) -> dict[str, Score]:
    """Accuracy of networks trained end to end, one a fold, on the words of their training sentences."""
    config = context.config
    predicted = np.full(len(task.labels), -1)
    folds = list(splits(task, config.logistic.folds))
    labels = torch.from_numpy(task.labels)
    with context.live(f"supervised, {task.name}") as tick:
        for done, (train, test) in enumerate(folds, start=1):
            words = Vocabulary(sorted({word for i in train for word in task.sentences[i]}))
            tokens = torch.from_numpy(words.pad(task.sentences, config.corpus.max_tokens))
            network = train_alone(supervised_objective(context, tokens[train], labels[train]))
            with torch.no_grad():
                predicted[test] = network(tokens[test].to(context.device)).argmax(1).cpu().numpy()
            tick(done, len(folds))
    accuracies = _scores(context, task, predicted)
    context.say(f"supervised: {_line(accuracies)}")
    return accuracies


def encoded(encoder: TextEncoder, what: Literal["z", "c"]) -> Features:
    """Z or c of each sentence on its own."""

    def compute(sentences: Sequence[Sentence]) -> np.ndarray:
        encoding = encoder.encode_words(sentences)
        return np.asarray(encoding.z if what == "z" else encoding.c)

    return compute


def bag_of_words(sentences: Sequence[Sentence]) -> sparse.csr_array:
    """How often each word occurs, [N, words], words in the order of the alphabet."""
    column = {word: i for i, word in enumerate(sorted({word for sentence in sentences for word in sentence}))}
    places = [(i, column[word]) for i, sentence in enumerate(sentences) for word in sentence]
    row, col = np.array(places, np.int64).reshape(-1, 2).T
    shape = (len(sentences), len(column))
    return sparse.csr_array(sparse.coo_array((np.ones(len(places)), (row, col)), shape))  # what is twice there adds up


def bag_of_vectors(vectors: Callable[[str], np.ndarray | None], size: int) -> Features:
    """Mean of the vectors [size] of the words that have one; zeros if none has."""

    def compute(sentences: Sequence[Sentence]) -> np.ndarray:
        table = np.zeros((len(sentences), size), np.float32)
        for i, sentence in enumerate(sentences):
            known = [vector for word in sentence if (vector := vectors(word)) is not None]
            if known:
                table[i] = np.mean(known, axis=0)
        return table

    return compute


def random_vectors(size: int, seed: int) -> Callable[[str], np.ndarray]:
    """A random vector [size] of each word, the same whenever it is asked for."""
    rng, known = np.random.default_rng(seed), dict[str, np.ndarray]()

    def vector(word: str) -> np.ndarray:
        if word not in known:
            known[word] = rng.normal(size=size).astype(np.float32)
        return known[word]

    return vector


def neighbours(encoder: TextEncoder, books: Sequence[Sequence[Sentence]], queries: int, count: int = 3) -> list[Any]:
    """Sentences of held-out books, and those of other books whose z is nearest by cosine; of a single book its own.

    Returns:
        [sentence, [its neighbours, the nearest first]] for so many queries, spread over the books.
    """
    sentences = [words for book in books for words in book]
    owner = torch.tensor([i for i, book in enumerate(books) for _ in book])
    z = F.normalize(encoder.encode_words(sentences).z, dim=1)
    first = np.linspace(0, len(sentences) - 1, queries + 2).astype(int)[1:-1]
    nearest = []
    for i in dict.fromkeys(first.tolist()):
        near = (z @ z[i]).argsort(descending=True)
        others = (j for j in near.tolist() if len(books) == 1 or owner[j] != owner[i])
        query = " ".join(sentences[i])
        texts = dict.fromkeys(text for j in others if (text := " ".join(sentences[j])) != query)
        nearest.append([query, list(texts)[:count]])
    return nearest


def _scores(context: TextContext, task: Task, predicted: np.ndarray) -> dict[str, Score]:
    """Scores of predicted classes, -1 for sentences that were not tested."""
    tested = predicted >= 0
    known = context.data.vocabulary.row
    new = np.array([any(word not in known for word in sentence) for sentence in task.sentences]) & tested
    hit = predicted == task.labels
    accuracies = {task.name: _score(hit[tested])}
    if new.any():
        accuracies[task.name + NEW] = _score(hit[new])
    return accuracies


def _score(hit: np.ndarray) -> Score:
    """With the percentile bootstrap over sentences, which for hits and misses is the binomial's."""
    share = float(hit.mean())
    low, high = (float(scipy.stats.binom.ppf(q, len(hit), share)) / len(hit) for q in (0.025, 0.975))
    return Score(share, low, high)


def _line(accuracies: dict[str, Score]) -> str:
    return "  ".join(f"{name} {score}" for name, score in accuracies.items() if not name.endswith(NEW))

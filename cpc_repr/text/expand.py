"""Words that training never saw: their vectors from elsewhere, mapped linearly into the learnt embedding."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cpc_repr.text.model import TextModel
from cpc_repr.text.vectors import Vectors
from cpc_repr.text.words import MARKS, PAD, Vocabulary


def fit_map(vectors: Vectors, vocabulary: Vocabulary, embedding: Tensor) -> np.ndarray:
    """The least-squares linear map, with a constant, from vectors to rows of `embedding`, on the words both have.

    Args:
        vectors: Of words, each [d].
        vocabulary: Says which row is which word's.
        embedding: [rows, D].

    Returns:
        float64 [d + 1, D], the constant last.

    Raises:
        ValueError: They share fewer words than a map has unknowns.
    """
    shared = check_map(vectors, vocabulary)
    x = _with_one(np.stack([vectors[word] for word in shared]))
    y = embedding[[vocabulary.row[word] for word in shared]].double().numpy()
    return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0])


def check_map(vectors: Vectors, vocabulary: Vocabulary) -> list[str]:
    """The words that both have. Raises ValueError if they are fewer than a map has unknowns."""
    shared = [word for word in vocabulary.words if word in vectors]
    size = len(next(iter(vectors.values()))) if vectors else 0
    if len(shared) <= size:
        raise ValueError(f"vectors of {size} numbers and the vocabulary share {len(shared)} words: too few for a map")
    return shared


def expand(model: TextModel, vocabulary: Vocabulary, vectors: Vectors) -> tuple[TextModel, Vocabulary]:
    """A copy of the network that also knows the words of `vectors`, by `fit_map`. Raises ValueError as that."""
    embedding = model.encoder.embedding.weight.detach().cpu()
    new = [word for word in vectors if word not in vocabulary.row]
    if not new:
        return model, vocabulary
    linear = fit_map(vectors, vocabulary, embedding)
    rows = _with_one(np.stack([vectors[word] for word in new])) @ linear
    return with_words(model, vocabulary, dict(zip(new, rows, strict=True)))


def with_random_words(
    model: TextModel, vocabulary: Vocabulary, words: Sequence[str], seed: int
) -> tuple[TextModel, Vocabulary]:
    """A copy of the network with rows for `words` as it has them before training: random."""
    new = [word for word in words if word not in vocabulary.row]
    rows = np.random.default_rng(seed).normal(0, model.config.embedding_std, (len(new), model.config.embedding))
    return with_words(model, vocabulary, dict(zip(new, rows, strict=True)))


def with_words(
    model: TextModel, vocabulary: Vocabulary, rows: Mapping[str, np.ndarray]
) -> tuple[TextModel, Vocabulary]:
    """A copy of the network with a row of the embedding more for each of the words."""
    old = model.encoder.embedding.weight.detach()
    extra = torch.from_numpy(np.array(list(rows.values())).reshape(len(rows), old.shape[1])).to(old)
    wider = copy.deepcopy(model)
    table = torch.cat([old, extra])
    wider.encoder.embedding = nn.Embedding(len(table), table.shape[1], padding_idx=PAD, _weight=table)
    known = Vocabulary([*vocabulary.words, *rows])
    assert len(known) + MARKS == len(old) + len(extra)
    return wider, known


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x.astype(np.float64), np.ones((len(x), 1))], axis=1)

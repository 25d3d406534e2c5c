"""Word vectors in word2vec's files, text and binary, and a stand-in for them from counts (PPMI and SVD)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cpc_repr.text.words import Sentence, one_apostrophe

Vectors = Mapping[str, np.ndarray]  # word -> float32 [d]


def read_vectors(path: Path, wanted: Container[str]) -> dict[str, np.ndarray]:
    """Vectors of the words that are `wanted`: of published files, millions of words, few are.

    A file called `.bin` is binary, any other is text (with or without the header `words dimensions`). All apostrophes
    are one, as in sentences; a word that is spelled both ways has the vector of the plain one.

    Raises:
        ValueError: There is no such file, it is cut short, or a line is not a word with as many numbers as the others.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; word vectors in word2vec's text or binary (.bin) form")
    pairs = _binary(path) if path.suffix == ".bin" else _text(path)
    known: dict[str, np.ndarray] = {}
    for word, vector in pairs:
        name = one_apostrophe(word)
        if name in wanted and (name == word or name not in known):
            known[name] = vector
    return known


def write_vectors(path: Path, vectors: Vectors) -> None:
    """Write word2vec's text form."""
    size = len(next(iter(vectors.values())))
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(vectors)} {size}\n")
        for word, vector in vectors.items():
            file.write(f"{word} {' '.join(f'{x:.5f}' for x in vector)}\n")


def ppmi_vectors(texts: Iterable[Iterable[Sentence]], size: int, span: int, least: int) -> dict[str, np.ndarray]:
    """Vectors from positive pointwise mutual information of words within `span` words, cut down by SVD.

    Args:
        texts: Sentences in order; words of neighbouring sentences are near each other too.
        size: Dimensions.
        span: Words to either side.
        least: Words that occur less often have none.

    Raises:
        ValueError: There are fewer words than dimensions.
    """
    streams = [list(chain.from_iterable(text)) for text in texts]
    counts = Counter(chain.from_iterable(streams))
    words = sorted(word for word, count in counts.items() if count >= least)
    if len(words) <= size:
        raise ValueError(f"{len(words)} words that occur {least} times or more are too few for {size} dimensions")
    row = {word: i for i, word in enumerate(words)}
    n = len(words)
    table = np.zeros(n * n)
    for stream in streams:
        ids = np.array([row.get(word, -1) for word in stream])
        for distance in range(1, span + 1):
            left, right = ids[:-distance], ids[distance:]
            known = (left >= 0) & (right >= 0)
            table += np.bincount(left[known] * n + right[known], minlength=n * n)
    joint = table.reshape(n, n) + table.reshape(n, n).T
    joint /= joint.sum()
    alone = joint.sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(joint / np.outer(alone, alone))
    values, basis = np.linalg.eigh(np.nan_to_num(np.maximum(information, 0), posinf=0.0))
    top = np.argsort(-np.abs(values))[:size]
    vectors = (basis[:, top] * np.sqrt(np.abs(values[top]))).astype(np.float32)
    return dict(zip(words, vectors, strict=True))


def _text(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    size = None
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            word, *numbers = line.rstrip().split(" ")
            if number == 1 and len(numbers) == 1:
                continue  # the header
            if size and len(numbers) > size and not _is_number(numbers[-size - 1]):
                continue  # a word with spaces, such as GloVe's `. . .`, which no sentence that is split has
            try:
                vector = np.array(numbers, np.float32)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
            size = size or len(vector)
            if len(vector) != size or not size or not np.isfinite(vector).all():
                raise ValueError(f"{path}, line {number}: {word!r} has {len(vector)} numbers, not {size} finite ones")
            yield word, vector
    if size is None:
        raise ValueError(f"{path} has no vectors")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _binary(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    with path.open("rb") as file:
        header = file.readline(100).split()
        if len(header) != 2 or not all(part.isdigit() and int(part) for part in header):
            raise ValueError(f"{path} does not begin as word2vec's binary form does (`words dimensions`)")
        count, size = map(int, header)
        for i in range(count):
            word = _until_space(file)
            data = file.read(4 * size)
            if len(data) < 4 * size:
                raise ValueError(f"{path} is cut short: {i} of {count} vectors are whole")
            vector = np.frombuffer(data, "<f4")
            if not np.isfinite(vector).all():
                raise ValueError(f"{path}: the vector of {word!r} has numbers that are not finite")
            yield word, vector


def _until_space(file: BinaryIO) -> str:
    letters = bytearray()
    while (letter := file.read(1)) not in (b" ", b""):
        if letter != b"\n":  # some writers end each vector with one
            letters += letter
    return letters.decode("utf-8", "replace")

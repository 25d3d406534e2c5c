"""Words: from a line of text to words, and from words to the rows of an embedding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from configs import UsageError
from cpc_rl.runs.files import write_atomic

PAD, UNKNOWN = 0, 1  # rows of the embedding that are no words
MARKS = 2
Sentence = tuple[str, ...]

_WORD = re.compile(r"'?\w+(?:['-]\w+)*|[^\w\s]")


def split(text: str) -> Sentence:
    """Words of a sentence in lower case, punctuation on its own: `He didn't.` -> (he, didn't, .)."""
    return tuple(_WORD.findall(text.lower()))


class Vocabulary:
    """Words and their rows, the most frequent word in row 2."""

    def __init__(self, words: Sequence[str]) -> None:
        """Take `words` as they stand."""
        self.words = tuple(words)
        self.row = {word: i + MARKS for i, word in enumerate(self.words)}

    @classmethod
    def of(cls, counts: Counter[str], size: int) -> Vocabulary:
        """The `size` most frequent words; of equally frequent ones the first in the alphabet."""
        return cls([word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:size]])

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """What `write` wrote. Raises UsageError where there is no such file."""
        if not path.is_file():
            raise UsageError(f"{path} is missing: not a run of cpc_repr.text")
        return cls(path.read_text(encoding="utf-8").split())

    def write(self, path: Path) -> None:
        """One word a line."""
        write_atomic(path, lambda file: file.write("".join(f"{word}\n" for word in self.words).encode()))

    def __len__(self) -> int:
        return len(self.words)

    def rows(self, sentence: Iterable[str]) -> list[int]:
        """Row of each word, that of unknown words for those it does not have."""
        return [self.row.get(word, UNKNOWN) for word in sentence]

    def pad(self, sentences: Sequence[Sentence], most: int) -> np.ndarray:
        """int64 [N, L], rows of the first `most` words of each sentence, then padding; L is the longest one's."""
        rows = [self.rows(sentence[:most]) for sentence in sentences]
        table = np.full((len(rows), max((len(row) for row in rows), default=0)), PAD, np.int64)
        for i, row in enumerate(rows):
            table[i, : len(row)] = row
        return table

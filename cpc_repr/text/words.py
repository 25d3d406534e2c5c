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

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u0092`\u00b4", "'"))
_MARKS = _APOSTROPHES | str.maketrans({**dict.fromkeys("\u201c\u201d\u201e", '"'), "_": " "})
_QUOTES = re.compile("''")  # the treebank's quotation marks, `` and ''
_NOT = re.compile(r"(?<=\w)n ?' ?t\b")  # didn't, don 't
_ENDING = re.compile(r"(?<=\w)'(s|m|d|re|ve|ll)\b")
_WORD = re.compile(r"n't\b|'(?:s|m|d|re|ve|ll|em|tis|twas)\b|\w+(?:['-]\w+)*|[^\w\s]")


def split(text: str) -> Sentence:
    """Words of a sentence in lower case, punctuation on its own: `He didn't.` -> (he, did, n't, .).

    Contractions fall apart as in the Penn Treebank, whose forms word vectors and some tasks have. All apostrophes and
    quotation marks are one, and the underscores of _italics_ go.
    """
    plain = _QUOTES.sub('"', text.lower().translate(_MARKS))
    return tuple(_WORD.findall(_ENDING.sub(r" '\1", _NOT.sub(" n't", plain))))


def one_apostrophe(word: str) -> str:
    """A word as `split` spells it: all apostrophes are one."""
    return word.translate(_APOSTROPHES)


class Vocabulary:
    """Words and their rows, the most frequent word in row 2."""

    def __init__(self, words: Sequence[str]) -> None:
        """Take `words` as they stand."""
        self.words = tuple(words)
        self.row = {word: i + MARKS for i, word in enumerate(self.words)}
        self._whole = {"".join(parts): word for word in self.words if len(parts := split(word)) > 1}

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
        """Row of each word, that of unknown words for those it does not have.

        Vocabularies of older runs have contractions whole (`didn't`): there `did`, `n't` are that one word.
        """
        words = list(sentence)
        if self._whole:
            for i in range(len(words) - 1, 0, -1):
                if (joined := words[i - 1] + words[i]) in self._whole:
                    words[i - 1 : i + 1] = [self._whole[joined]]
        return [self.row.get(word, UNKNOWN) for word in words]

    def pad(self, sentences: Sequence[Sentence], most: int) -> np.ndarray:
        """int64 [N, L], rows of the first `most` words of each sentence, then padding; L is the longest one's."""
        rows = [self.rows(sentence[:most]) for sentence in sentences]
        table = np.full((len(rows), max((len(row) for row in rows), default=0)), PAD, np.int64)
        for i, row in enumerate(rows):
            table[i, : len(row)] = row
        return table

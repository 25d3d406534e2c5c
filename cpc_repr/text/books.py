"""Books: one text file each, their sentences in order, and the windows that training draws from them."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from torch import Tensor, from_numpy

from configs import Frozen, UsageError
from cpc_repr.files import visible_files
from cpc_repr.text.words import MARKS, PAD, Sentence, Vocabulary, split

Layout = Literal["lines", "prose"]
_END = re.compile("(?<=[.!?])[\"'\u201d\u2019)]*\\s+(?=[\"'\u201c\u2018(]?[A-Z0-9])")


_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'\u201c\u2018])(?:mr|mrs|ms|messrs|mme|mlle|dr|st|prof|rev|hon|capt|col|gen|lieut|lt|maj|sergt|sgt|[a-z])\.$",
    re.IGNORECASE,
)
_FULL = re.compile("[.!?:;][\"'\u201d\u2019)]*$")
_START = re.compile(r"^\*\*\* ?START OF .*$", re.MULTILINE)  # Project Gutenberg's frame around a book
_STOP = re.compile(r"^\*\*\* ?END OF .*$", re.MULTILINE)


FEW, LOOKED_AT = 20, 1000  # lines that say nothing about a layout, and those that are looked at


class BookBatchConfig(Frozen):
    """What one batch of training is."""

    window: int = Field(default=6, ge=2, le=1000, description="Sentences in a row, all of one book.")
    batch_size: int = Field(default=64, ge=1, le=4096, description="Windows of a batch, which share their negatives.")
    batch: Literal["mixed", "same_book"] = Field(
        default="mixed",
        description="Windows of any books, or all of one book, drawn anew for each batch: negatives of one book leave "
        "what the book is about of no use.",
    )


@dataclass(frozen=True)
class Library:
    """Books as the rows of their words."""

    rows: np.ndarray  # of all words of all sentences, one behind the other
    starts: np.ndarray  # int64 [sentences + 1], where each sentence begins in `rows`
    books: np.ndarray  # int64 [books + 1], with which sentence each book begins

    def __len__(self) -> int:
        return len(self.books) - 1

    @property
    def sentences(self) -> int:
        """How many there are."""
        return len(self.starts) - 1

    def tokens(self, index: np.ndarray, most: int) -> Tensor:
        """Sentences by number [...] -> int64 [..., L], the first `most` words of each, then padding."""
        first = self.starts[index]
        length = np.minimum(self.starts[index + 1] - first, most)
        places = np.arange(int(length.max()))
        table = self.rows[np.minimum(first[..., None] + places, len(self.rows) - 1)].astype(np.int64)
        return from_numpy(np.where(places < length[..., None], table, PAD))


def book_files(folder: Path) -> list[Path]:
    """Text files below `folder`, in order of their names.

    Raises:
        ValueError: It is no folder, or has fewer than two.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; books are text files (.txt), one each, in a folder")
    files = sorted(visible_files(folder, {".txt"}))
    if len(files) < 2:
        raise ValueError(f"{folder}: {len(files)} books (.txt files); at least two, for one is held out")
    return files


def read_book(path: Path, layout: Layout) -> Iterator[Sentence]:
    """Sentences of a book; lines without a word are passed over.

    Args:
        path: UTF-8.
        layout: `lines`, a sentence each; or `prose`, where a sentence ends at its full stop or at an empty line.

    Raises:
        ValueError: It is not UTF-8, or its lines are not sentences but those of a page.
    """
    try:
        text = _without_frame(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start}): convert it first") from error
    if layout == "lines":
        pieces = text.splitlines()
        _check_lines(path, pieces)
    else:
        paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
        pieces = [piece for paragraph in paragraphs for piece in _sentences(paragraph)]
    return (words for piece in pieces if (words := split(piece)))


def _sentences(paragraph: str) -> Iterator[str]:
    """Pieces that end with a full stop, but not with that of `Mr.` or of an initial."""
    begin = 0
    for end in _END.finditer(paragraph):
        if not _ABBREVIATION.search(paragraph[max(begin, end.start() - 12) : end.start()]):
            yield paragraph[begin : end.start()]
            begin = end.end()
    yield paragraph[begin:]


def _check_lines(path: Path, lines: Sequence[str]) -> None:
    """Raise ValueError where most lines break off within a sentence and many hold the end of one: wrapped prose."""
    written = list(islice((line.strip() for line in lines if line.strip()), LOOKED_AT))
    if len(written) < FEW:
        return
    broken = sum(not _FULL.search(line) for line in written) / len(written)
    inside = sum(next(_sentences(line)) != line for line in written) / len(written)
    if broken > 0.5 and inside > 0.1:
        raise ValueError(
            f"{path}: {broken:.0%} of its lines break off within a sentence, {inside:.0%} hold the end of one: this is "
            "prose, not a sentence a line (--layout prose)"
        )


def _without_frame(text: str) -> str:
    """What lies between Project Gutenberg's marks, where they are."""
    start = _START.search(text)
    body = text[start.end() :] if start else text
    stop = _STOP.search(body)
    return body[: stop.start()] if stop else body


def hold_out(files: Sequence[Path], every: int) -> tuple[list[Path], list[Path]]:
    """Books for training, and those kept to test on: the last of every `every`, at least one."""
    kept = [path for i, path in enumerate(files) if i % every == every - 1] or [files[-1]]
    return [path for path in files if path not in set(kept)], kept


def count_words(files: Iterable[Path], layout: Layout) -> Counter[str]:
    """How often each word occurs."""
    counts: Counter[str] = Counter()
    for path in files:
        for sentence in read_book(path, layout):
            counts.update(sentence)
    return counts


def read_library(files: Iterable[Path], layout: Layout, vocabulary: Vocabulary) -> Library:
    """All sentences of the books. Raises ValueError as `read_book`, and if there is no sentence at all."""
    rows, starts, books = array("H" if len(vocabulary) + MARKS < 2**16 else "I"), array("q", [0]), array("q", [0])
    for path in files:
        for sentence in read_book(path, layout):
            rows.extend(vocabulary.rows(sentence))
            starts.append(len(rows))
        books.append(len(starts) - 1)
    if not rows:
        raise ValueError(f"there is no sentence in {len(books) - 1} books")
    return Library(np.asarray(rows), np.asarray(starts, np.int64), np.asarray(books, np.int64))


class SentenceWindows:
    """Draws batches; a batch is a function of the seed and its number alone."""

    def __init__(self, library: Library, config: BookBatchConfig, most: int, seed: int) -> None:
        """Draw windows of up to `most` words a sentence; books shorter than a window are passed over.

        Raises:
            UsageError: No book is long enough.
        """
        self.library, self.config, self.most, self.seed = library, config, most, seed
        places = np.maximum(0, np.diff(library.books) - config.window + 1)  # where windows can begin, of each book
        if not places.sum():
            longest = int(np.diff(library.books).max())
            raise UsageError(f"--window {config.window}: the longest of {len(library)} books has {longest} sentences")
        self._before = np.concatenate([[0], np.cumsum(places)])

    def choose(self, number: int) -> np.ndarray:
        """Sentences of batch `number`, int64 [B, S]."""
        rng = np.random.default_rng([self.seed, number])
        first, last = 0, self._before[-1]
        if self.config.batch == "same_book":
            one = int(np.searchsorted(self._before, rng.integers(last), side="right")) - 1  # the longer, the likelier
            first, last = self._before[one : one + 2]
        draws = rng.integers(first, last, size=self.config.batch_size)
        book = np.searchsorted(self._before, draws, side="right") - 1
        begin = self.library.books[book] + draws - self._before[book]
        return np.asarray(begin[:, None] + np.arange(self.config.window), np.int64)

    def tokens(self, number: int) -> Tensor:
        """Words of batch `number`, int64 [B, S, L]."""
        return self.library.tokens(self.choose(number), self.most)

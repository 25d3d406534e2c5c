"""Everything one run reads: books, tasks and word vectors, from the disk or generated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Annotated, ClassVar

import tyro
from pydantic import Field

from configs import Frozen, MayChange
from cpc_repr.cache import cache_folder
from cpc_repr.files import digest
from cpc_repr.text.books import Layout, Library, book_files, count_words, hold_out, read_book, read_library
from cpc_repr.text.senteval import Task, read_tasks
from cpc_repr.text.stories import StoriesConfig
from cpc_repr.text.synthetic import make_text
from cpc_repr.text.vectors import Vectors, read_vectors
from cpc_repr.text.words import Sentence, Vocabulary
from cpc_rl.runs.config import Folder

File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]


class TextCorpusConfig(Frozen):
    """Books, tasks and word vectors: on the disk, or, by default, generated ones."""

    data: MayChange[Folder] = Field(
        default=None, description="Books, one text file (.txt, UTF-8) each. Default: generated ones."
    )
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
    vocabulary: int = Field(
        default=20_000, ge=1, le=10_000_000, description="Size of the vocabulary; rarer words are unknown."
    )
    max_tokens: int = Field(default=32, ge=1, le=4096, description="Words of a sentence that are read.")
    hold_out: int = Field(default=20, ge=2, le=10**6, description="One book of so many is kept for testing.")


@dataclass(frozen=True)
class TextCorpus:
    """What a run reads."""

    vocabulary: Vocabulary
    train: Library
    test: Library
    samples: tuple[tuple[Sentence, ...], ...]  # the first sentences of some held-out books, for a look at them
    tasks: dict[str, Task]
    vectors: Vectors | None  # of the words of books and tasks

    reads_files: ClassVar = False

    @property
    def digest(self) -> str:
        """Of the books, whose words that are not in the vocabulary are all one."""
        libraries = (self.train, self.test)
        arrays = (array for library in libraries for array in (library.rows, library.starts, library.books))
        return digest([self.vocabulary.words, *map(len, libraries)], *arrays)

    def describe(self) -> str:
        """How much text there is, on one line."""
        sizes = ", ".join(f"{name} {len(task.labels):,}" for name, task in self.tasks.items())
        vectors = f"{len(self.vectors):,} word vectors" if self.vectors is not None else "no word vectors"
        return (
            f"text: {len(self.train):,} + {len(self.test):,} books (training + held out), {self.train.sentences:,} + "
            f"{self.test.sentences:,} sentences, {len(self.vocabulary):,} words; {vectors}; tasks: {sizes}"
        )


def open_corpus(
    c: TextCorpusConfig, stories: StoriesConfig, tick: Callable[[int, int], None] = lambda done, total: None
) -> TextCorpus:
    """Read what `c` names, or generate it.

    Args:
        c: Which files.
        stories: What is generated where there are none.
        tick: Told how many of how many books are read, each of training twice; may raise to stop.

    Raises:
        ValueError: There is something wrong with a file.
    """
    made = None if c.data and c.tasks else make_text(c.corpora or cache_folder("text"), stories)
    books, tasks, vectors = c.data, c.tasks, c.vectors
    if made is not None:
        books, tasks = books or made.books, tasks or made.tasks
        vectors = vectors or (made.vectors if c.data is None else None)
    assert books is not None and tasks is not None
    train, test = hold_out(book_files(books), c.hold_out)
    labelled = read_tasks(tasks)
    numbers = count(1)

    def read(files: Sequence[Path]) -> Iterator[Path]:
        for path in files:
            yield path
            tick(next(numbers), 2 * len(train) + len(test))

    vocabulary = Vocabulary.of(count_words(read(train), c.layout), c.vocabulary)
    return TextCorpus(
        vocabulary=vocabulary,
        train=read_library(read(train), c.layout, vocabulary),
        test=read_library(read(test), c.layout, vocabulary),
        samples=tuple(tuple(read_book(path, c.layout))[:SAMPLE] for path in test[:SAMPLED]),
        tasks=labelled,
        vectors=_vectors(vectors, vocabulary, labelled),
    )


SAMPLED, SAMPLE = 50, 40  # books and sentences of each, to search for neighbours


def task_words(tasks: dict[str, Task]) -> list[str]:
    """All words of the tasks, in the order of the alphabet."""
    return sorted(set(chain.from_iterable(words for task in tasks.values() for words in task.sentences)))


def _vectors(path: Path | None, vocabulary: Vocabulary, tasks: dict[str, Task]) -> Vectors | None:
    if path is None:
        return None
    known = read_vectors(path, {*vocabulary.words, *task_words(tasks)})
    if not known:
        raise ValueError(f"{path} has no vector for any word of the books or tasks")
    return known

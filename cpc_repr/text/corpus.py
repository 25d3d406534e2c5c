"""Everything one run reads: books, tasks and word vectors, from the disk or generated."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cpc_repr.cache import cache_folder
from cpc_repr.text.books import Library, book_files, count_words, hold_out, read_book, read_library
from cpc_repr.text.config import TextConfig
from cpc_repr.text.senteval import Task, read_tasks
from cpc_repr.text.synthetic import make_text
from cpc_repr.text.vectors import Vectors, read_vectors
from cpc_repr.text.words import Sentence, Vocabulary


@dataclass(frozen=True)
class Corpus:
    """What a run reads."""

    vocabulary: Vocabulary
    train: Library
    test: Library
    samples: tuple[tuple[Sentence, ...], ...]  # the first sentences of some held-out books, for a look at them
    tasks: dict[str, Task]
    vectors: Vectors | None  # of the words of books and tasks

    def describe(self) -> str:
        """How much text there is, on one line."""
        sizes = ", ".join(f"{name} {len(task.labels):,}" for name, task in self.tasks.items())
        vectors = f"{len(self.vectors):,} word vectors" if self.vectors is not None else "no word vectors"
        return (
            f"text: {len(self.train):,} + {len(self.test):,} books (training + held out), {self.train.sentences:,} + "
            f"{self.test.sentences:,} sentences, {len(self.vocabulary):,} words; {vectors}; tasks: {sizes}"
        )


def open_corpus(config: TextConfig) -> Corpus:
    """Read or make what `config` names. Raises ValueError if there is something wrong with a file."""
    c = config.corpus
    made = None if c.data and c.tasks else make_text(c.corpora or cache_folder("text"), config.stories)
    books, tasks, vectors = c.data, c.tasks, c.vectors
    if made is not None:
        books, tasks = books or made.books, tasks or made.tasks
        vectors = vectors or (made.vectors if c.data is None else None)
    assert books is not None and tasks is not None
    train, test = hold_out(book_files(books), c.hold_out)
    found = read_tasks(tasks)
    vocabulary = Vocabulary.of(count_words(train, c.layout), c.vocabulary)
    return Corpus(
        vocabulary=vocabulary,
        train=read_library(train, c.layout, vocabulary),
        test=read_library(test, c.layout, vocabulary),
        samples=tuple(tuple(read_book(path, c.layout))[:SAMPLE] for path in test[:SAMPLED]),
        tasks=found,
        vectors=_vectors(vectors, vocabulary, found),
    )


SAMPLED, SAMPLE = 50, 40  # books and sentences of each, to search for neighbours


def task_words(tasks: dict[str, Task]) -> list[str]:
    """All words of the tasks, in the order of the alphabet."""
    return sorted(set(chain.from_iterable(words for task in tasks.values() for words in task.sentences)))


def _vectors(path: Path | None, vocabulary: Vocabulary, tasks: dict[str, Task]) -> Vectors | None:
    if path is None:
        return None
    found = read_vectors(path, {*vocabulary.words, *task_words(tasks)})
    if not found:
        raise ValueError(f"{path} has no vector for any word of the books or tasks")
    return found

"""The embedded text: stories, tasks and word vectors, written once in the files that published ones come in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpc_repr.cache import generate_once
from cpc_repr.text.examples import draw_tasks
from cpc_repr.text.senteval import write_tasks
from cpc_repr.text.stories import StoriesConfig, story
from cpc_repr.text.vectors import ppmi_vectors, write_vectors
from cpc_repr.text.words import Sentence, split

VERSION = 3  # raised whenever the same configuration gives other text
WIDE = 0.5  # share of the words of the wide text, which vectors are counted on, that are synonyms
SIZE, SPAN, LEAST = 50, 5, 5  # of the vectors: dimensions, words to either side, occurrences


@dataclass(frozen=True)
class Generated:
    """Where the files lie."""

    books: Path
    tasks: Path
    vectors: Path


def make_text(folder: Path, config: StoriesConfig) -> Generated:
    """The text of `config`, from a folder of its own below `folder`, where it is made first if it is not there.

    Several processes may ask at once: one makes it, the others wait. What a killed process left is cleared away.

    Raises:
        ValueError: A file has changed since it was made.
        OSError: The folder cannot be written.
    """
    name = f"stories-{config.books}x{config.sentences}"
    root = generate_once(folder, name, VERSION, config, lambda new: _generate(new, config))
    return Generated(root / "books", root / "senteval", root / "vectors.txt")


def _generate(root: Path, config: StoriesConfig) -> dict[str, Any]:
    (root / "books").mkdir()
    for number in range(config.books):
        text = "".join(f"{line}\n" for line in story(config, number))
        (root / "books" / f"{number:05d}.txt").write_text(text)
    write_tasks(root / "senteval", draw_tasks(config))
    write_vectors(root / "vectors.txt", ppmi_vectors(_wide(config), SIZE, SPAN, LEAST))
    return {}


def _wide(config: StoriesConfig) -> Iterator[list[Sentence]]:
    """Other stories, with the synonyms in: what word vectors are trained on is wider than the books."""
    for number in range(config.books):
        yield [split(line) for line in story(config, number, kind="wide", synonyms=WIDE)]

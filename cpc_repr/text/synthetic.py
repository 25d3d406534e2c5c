"""The embedded text: stories, tasks and word vectors, written once in the files that published ones come in."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cpc_repr.cache import build_once, check_hashes, hashes
from cpc_repr.text.examples import draw_tasks
from cpc_repr.text.senteval import write_tasks
from cpc_repr.text.stories import StoriesConfig, story
from cpc_repr.text.vectors import ppmi_vectors, write_vectors
from cpc_repr.text.words import Sentence, split

VERSION = 3  # raised whenever the same configuration gives other text
MANIFEST = "manifest.json"
WIDE = 0.5  # share of the words of the wide text, which vectors are counted on, that are synonyms
SIZE, SPAN, LEAST = 50, 5, 5  # of the vectors: dimensions, words to either side, occurrences


@dataclass(frozen=True)
class Generated:
    """Where the files lie."""

    books: Path
    tasks: Path
    vectors: Path


def default_folder() -> Path:
    """Where generated text is kept: `cpc-rl/text` in `$XDG_CACHE_HOME`, or in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path("~/.cache").expanduser()) / "cpc-rl" / "text"


def make_text(folder: Path, config: StoriesConfig) -> Generated:
    """The text of `config`, from a folder of its own below `folder`, where it is made first if it is not there.

    Several processes may ask at once: one makes it, the others wait. What a killed process left is cleared away.

    Raises:
        ValueError: A file has changed since it was made.
        OSError: The folder cannot be written.
    """
    key = hashlib.sha256(f"{VERSION} {config.model_dump_json()}".encode()).hexdigest()[:12]
    root = folder / f"stories-{config.books}x{config.sentences}-{key}"
    build_once(root, lambda new: _generate(new, config))
    try:
        manifest = json.loads((root / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{root / MANIFEST} cannot be read ({error}): delete {root}, and it is made anew") from error
    check_hashes(root, manifest["sha256"])
    return Generated(root / "books", root / "senteval", root / "vectors.txt")


def _generate(root: Path, config: StoriesConfig) -> None:
    (root / "books").mkdir()
    for number in range(config.books):
        text = "".join(f"{line}\n" for line in story(config, number))
        (root / "books" / f"{number:05d}.txt").write_text(text)
    write_tasks(root / "senteval", draw_tasks(config))
    write_vectors(root / "vectors.txt", ppmi_vectors(_wide(config), SIZE, SPAN, LEAST))
    manifest = {"version": VERSION, "config": config.model_dump(), "sha256": hashes(root)}
    (root / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def _wide(config: StoriesConfig) -> Iterator[list[Sentence]]:
    """Other stories, with the synonyms in: what word vectors are trained on is wider than the books."""
    for number in range(config.books):
        yield [split(line) for line in story(config, number, kind="wide", synonyms=WIDE)]

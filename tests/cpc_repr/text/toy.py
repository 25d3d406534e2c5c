"""Toy books and tasks: each book is about one of two things, and says so in every sentence."""

from __future__ import annotations

import random
from pathlib import Path

from cpc_repr.text.senteval import BINARY, TREC, TREC_CLASSES, write_tasks

TOPICS = (["sea", "ship", "sail", "wave"], ["farm", "cow", "hay", "barn"])
FILLERS = ["the", "a", "of", "and", "by"]


def sentence(rng: random.Random, topic: int) -> str:
    words = [rng.choice(TOPICS[topic]) for _ in range(2)] + [rng.choice(FILLERS) for _ in range(3)]
    rng.shuffle(words)
    return " ".join(words) + " ."


def write_books(folder: Path, books: int = 12, sentences: int = 20) -> Path:
    rng = random.Random(0)
    folder.mkdir(parents=True)
    for i in range(books):
        (folder / f"{i:02d}.txt").write_text("\n".join(sentence(rng, i % 2) for _ in range(sentences)) + "\n")
    return folder


def write_toy_tasks(folder: Path, size: int = 30) -> Path:
    rng = random.Random(1)
    files = {
        name: [sentence(rng, label) for _ in range(size)]
        for names in BINARY.values()
        for label, name in enumerate(names)
    }
    for name, number in zip(TREC, (60, 30), strict=True):
        files[name] = [f"{TREC_CLASSES[i % 6]}:x {sentence(rng, i % 2)}" for i in range(number)]
    write_tasks(folder, files)
    return folder

"""The five tasks of Table 5 in the files SentEval keeps them in: latin-1, one sentence in words a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpc_repr.text.words import Sentence, split

ENCODING = "latin-1"
TASKS = ("MR", "CR", "SUBJ", "MPQA", "TREC")
BINARY = {  # files of the classes 0 and 1
    "MR": ("MR/rt-polarity.neg", "MR/rt-polarity.pos"),
    "CR": ("CR/custrev.neg", "CR/custrev.pos"),
    "SUBJ": ("SUBJ/subj.subjective", "SUBJ/subj.objective"),
    "MPQA": ("MPQA/mpqa.neg", "MPQA/mpqa.pos"),
}
TREC = ("TREC/train_5500.label", "TREC/TREC_10.label")
TREC_CLASSES = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")


@dataclass(frozen=True)
class Task:
    """Sentences with a class each.

    Attributes:
        name: One of `TASKS`.
        sentences: N of them.
        labels: int64 [N].
        train: The first so many are for training, the others for testing; None: the task is cross-validated.
    """

    name: str
    sentences: tuple[Sentence, ...]
    labels: np.ndarray
    train: int | None = None

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.labels.max()) + 1


def read_tasks(folder: Path) -> dict[str, Task]:
    """The five tasks below `folder`.

    Raises:
        ValueError: A file is missing or has no sentence, or a line of TREC has no class we know.
    """
    missing = [name for names in (*BINARY.values(), TREC) for name in names if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder}: {missing[0]} is missing ({len(missing)} of 10 files of SentEval are)")
    return {task: _trec(folder) if task == "TREC" else _binary(folder, task) for task in TASKS}


def write_tasks(folder: Path, files: Mapping[str, Sequence[str]]) -> None:
    """Write the lines of each file, by its name below `folder`."""
    for name, lines in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding=ENCODING)


def _binary(folder: Path, name: str) -> Task:
    classes = [[words for line in _lines(folder / file) if (words := split(line))] for file in BINARY[name]]
    for file, sentences in zip(BINARY[name], classes, strict=True):
        if not sentences:
            raise ValueError(f"{folder / file} has no sentence")
    labels = np.repeat(np.arange(2), [len(sentences) for sentences in classes])
    return Task(name, tuple(s for sentences in classes for s in sentences), labels)


def _trec(folder: Path) -> Task:
    sentences: list[Sentence] = []
    labels: list[int] = []
    ends = []
    for file in TREC:
        for number, line in enumerate(_lines(folder / file), start=1):
            label, _, question = line.partition(" ")
            words = split(question)
            coarse = label.partition(":")[0]
            if coarse not in TREC_CLASSES or ":" not in label or not words:
                allowed = ", ".join(TREC_CLASSES)
                raise ValueError(f"{folder / file}, line {number}: {line[:40]!r} is not `COARSE:fine words`; {allowed}")
            sentences.append(words)
            labels.append(TREC_CLASSES.index(coarse))
        ends.append(len(sentences))
    if not 0 < ends[0] < ends[1]:
        raise ValueError(f"{folder / TREC[0]} or {folder / TREC[1]} has no question")
    return Task("TREC", tuple(sentences), np.array(labels), ends[0])


def _lines(path: Path) -> list[str]:
    # Not splitlines(): in latin-1 byte 85 would end a line, and in the published files it is part of one.
    return [line for line in path.read_text(encoding=ENCODING).split("\n") if line.strip()]

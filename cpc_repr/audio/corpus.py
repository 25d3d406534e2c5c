"""Speech on disk as LibriSpeech lays it out, with phone labels and split lists in the form published for CPC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cpc_repr.audio.labels import NUM_PHONES, num_labels, parse_labels, read_lines
from cpc_repr.audio.sound import SUFFIXES, converted_length, misfit, other_sound
from cpc_repr.audio.sound import convert as to_16k_mono
from cpc_repr.files import check_regular, visible_files
from cpc_repr.packages import optional_module

Task = Literal["phone", "speaker"]
TASKS: tuple[Task, ...] = ("phone", "speaker")
KINDS = ", ".join(SUFFIXES)
LABELS, TRAIN, TEST = "converted_aligned_phones.txt", "train_split.txt", "test_split.txt"


@dataclass(frozen=True)
class Utterance:
    """One recording: `samples` at 16 kHz, mono, in the file `path`; its speaker is the first folder below the root."""

    id: str
    speaker: str
    path: Path
    samples: int


@dataclass(frozen=True)
class SpeechCorpus:
    """What `open_corpus` found.

    Attributes:
        root: the folder that holds the speakers' folders.
        speakers: of all listed utterances, sorted; the index is the class.
        train: utterances in the order of their list.
        test: likewise.
        skipped: broken files among the listed ones, relative to `root`; `train` and `test` are without them.
        num_phones: number of phone classes.
        convert: whether files of other rates and channels are resampled and mixed down.
    """

    root: Path
    speakers: tuple[str, ...]
    train: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    skipped: tuple[str, ...]
    _phones: Mapping[str, NDArray[np.uint8]] = field(repr=False)
    num_phones: int = NUM_PHONES
    convert: bool = False

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What there are labels of: phones and speakers, or speakers alone."""
        return TASKS if self._phones else ("speaker",)

    def classes(self, task: str) -> int:
        """How many there are to tell apart, of `phone` or of `speaker`."""
        return self.num_phones if task == "phone" else len(self.speakers)

    def waveform(self, utterance: Utterance) -> NDArray[np.float32]:
        """Float32 [samples] in [-1, 1].

        Raises:
            ValueError: The file is gone, damaged inside, or has changed since the corpus was opened.
        """
        soundfile = optional_module("soundfile", "audio")
        try:
            audio, rate = soundfile.read(utterance.path, dtype="float32")
        except soundfile.SoundFileError as error:
            raise ValueError(f"{utterance.path} cannot be read: {error}") from error
        if self.convert:
            audio = to_16k_mono(audio, rate)
        if audio.shape != (utterance.samples,):
            raise ValueError(f"{utterance.path} had {utterance.samples} samples and now has {list(audio.shape)}")
        return audio

    def phones(self, utterance: Utterance) -> NDArray[np.int64]:
        """Classes int64 [floor((samples - 400) / 160) + 1] in [0, num_phones): label i is of sample 160 i + 200.

        All are -1 in a corpus without phone labels.
        """
        if not self._phones:
            return np.full(num_labels(utterance.samples), -1, np.int64)
        return self._phones[utterance.id].astype(np.int64)


def open_corpus(
    root: Path,
    labels: Path | None = None,
    train_list: Path | None = None,
    test_list: Path | None = None,
    convert: bool = False,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> SpeechCorpus:
    """Find the utterances of both lists below `root` and check that all fits together; audio is read later.

    Every listed file is opened and its last sample decoded, which finds files that were cut short; damage in the middle
    is left for `SpeechCorpus.waveform` to find. Files and labels that no list names do not matter: with shorter lists a
    part of a corpus can be used.

    Args:
        root: Folder of `<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.flac`, as LibriSpeech's train-clean-100;
            or of .wav or .ogg files.
        labels: Text; a line is an id and its phone classes, one each 10 ms. By default `converted_aligned_phones.txt`
            in `root`; where there is none, the corpus has speakers only.
        train_list: Text, an id a line. By default `train_split.txt` in `root`.
        test_list: Text, an id a line. By default `test_split.txt` in `root`.
        convert: Mix files down to one channel and resample them to 16 kHz; phone labels are of the sound at 16 kHz.
        tick: Told how many of how many files are opened; may raise to stop.

    Raises:
        ValueError: Something is missing, a file is not 16 kHz mono and not to be converted, or labels do not fit; the
            message names it.
    """
    if not root.is_dir():
        raise ValueError(f"no folder {root}: it should hold <speaker>/<chapter>/<id>.flac, as LibriSpeech does")
    train_list, test_list = train_list or root / TRAIN, test_list or root / TEST
    if labels is None and (root / LABELS).exists():
        labels = root / LABELS
    train, test = _read_list(train_list), _read_list(test_list)
    if both := set(train) & set(test):
        raise ValueError(f"both {train_list} and {test_list} name {_some(both)}")
    paths = _find(root)
    for file, names in ((train_list, train), (test_list, test)):
        if missing := [name for name in names if name not in paths]:
            hint = other_sound(root, missing)
            raise ValueError(f"{file} names utterances that have no {KINDS} below {root}: {_some(missing)}{hint}")
    lines = {} if labels is None else read_lines(labels, {*train, *test})
    if labels is not None and (missing := [name for name in (*train, *test) if name not in lines]):
        raise ValueError(f"{labels} has no line for {_some(missing)}")
    opened = {}
    for number, name in enumerate((*train, *test), start=1):
        if (utterance := _open(root, paths[name], convert)) is not None:
            opened[name] = utterance
        tick(number, len(train) + len(test))
    for file, names in ((train_list, train), (test_list, test)):
        if not any(name in opened for name in names):
            raise ValueError(f"every file that {file} names is broken, {paths[names[0]]} for one")
    return SpeechCorpus(
        root=root,
        speakers=tuple(sorted({u.speaker for u in opened.values()})),
        train=tuple(opened[name] for name in train if name in opened),
        test=tuple(opened[name] for name in test if name in opened),
        skipped=tuple(str(paths[name].relative_to(root)) for name in (*train, *test) if name not in opened),
        _phones={
            name: parse_labels(lines[name], u.samples, f"{labels}: {name}")
            for name, u in opened.items()
            if name in lines
        },
        convert=convert,
    )


def _read_list(file: Path) -> list[str]:
    """The ids in `file`, in order."""
    check_regular(file)
    try:
        names = file.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the split list {file}: {error}") from error
    if not names:
        raise ValueError(f"the split list {file} is empty")
    if len(names) > len(set(names)):
        twice = {name for name, after in zip(sorted(names), sorted(names)[1:], strict=False) if name == after}
        raise ValueError(f"the split list {file} repeats {_some(twice)}")
    return names


def _find(root: Path) -> dict[str, Path]:
    """All sound files in folders below `root`, by name without ending."""
    paths: dict[str, Path] = {}
    for path in visible_files(root, SUFFIXES):
        if path.parent != root:
            if path.stem in paths:
                raise ValueError(f"two files are called {path.stem}: {paths[path.stem]} and {path}")
            paths[path.stem] = path
    if not paths:
        raise ValueError(f"no {KINDS} in {root}/<speaker>/<chapter>/{other_sound(root)}")
    return paths


def _open(root: Path, path: Path, convert: bool) -> Utterance | None:
    """The utterance in `path`; None if the file is broken."""
    soundfile = optional_module("soundfile", "audio")
    try:
        with soundfile.SoundFile(path) as file:
            rate, samples, wrong = file.samplerate, file.frames, misfit(file)
            file.seek(max(0, samples - 1))  # fails in a file that was cut short
            whole = len(file.read(1)) == 1
            file.seek(0)
            if file.subtype in ("FLOAT", "DOUBLE") and not np.isfinite(file.read()).all():
                raise ValueError(f"{path} has samples that are not finite")
    except soundfile.SoundFileError:
        return None
    if wrong and not convert:
        raise ValueError(f"{path} has {wrong}")
    speaker = path.relative_to(root).parts[0]
    return Utterance(path.stem, speaker, path, converted_length(samples, rate)) if whole else None


def _some(names: Iterable[str]) -> str:
    """The first few of `names`, and how many there are."""
    known = sorted(names)
    return ", ".join(known[:3]) + (f" and {len(known) - 3} more" if len(known) > 3 else "")

"""Windows of speech for training: who is in a batch, and where each window lies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from configs import Frozen, RunFailure, UsageError
from cpc_repr.audio.corpus import SpeechCorpus, Utterance
from cpc_repr.audio.model import HOP
from cpc_repr.audio.sound import SAMPLE_RATE
from cpc_repr.files import digest
from cpc_repr.packages import optional_module

IN_MEMORY = 2**28  # samples (1 GiB): a corpus below this is read once


class SpeechBatchConfig(Frozen):
    """What one batch is."""

    window: int = Field(default=20_480, ge=2_000, le=10_000_000, description="Samples of a window (16 kHz).")
    batch_size: int = Field(default=8, ge=1, le=4096, description="Windows of a batch, which share their negatives.")
    batch: Literal["mixed", "same_speaker"] = Field(
        default="mixed", description="Windows of any speakers, or all of one speaker, drawn anew for each batch."
    )


class SpeechBatch(NamedTuple):
    """B windows."""

    samples: Tensor  # float32 [B, n]
    speaker: Tensor  # int64 [B]
    phones: Tensor  # int64 [B, T], the class that each frame of the encoder is nearest to; -1 where there is none


class Waveforms:
    """A corpus's sound, kept in memory where it is small."""

    def __init__(self, corpus: SpeechCorpus, limit: int = IN_MEMORY) -> None:
        self.corpus = corpus
        self.keep = sum(u.samples for u in (*corpus.train, *corpus.test)) <= limit
        self._known: dict[str, np.ndarray] = {}

    @property
    def reads_files(self) -> bool:
        """Whether the corpus is too large for memory."""
        return not self.keep

    @property
    def digest(self) -> str:
        """Of the utterances, their lengths and their labels."""
        corpus, parts = self.corpus, (self.corpus.train, self.corpus.test)
        told = [[(u.id, u.speaker, u.samples) for u in part] for part in parts]
        return digest(told, *(corpus.phones(u) for part in parts for u in part))

    def describe(self) -> str:
        """How much speech there is, on one line."""
        corpus = self.corpus
        minutes = [sum(u.samples for u in part) / SAMPLE_RATE / 60 for part in (corpus.train, corpus.test)]
        skipped = f"; {len(corpus.skipped)} broken files left out, {corpus.skipped[0]} first" if corpus.skipped else ""
        labels = "" if "phone" in corpus.tasks else "; no phone labels, speakers alone"
        return (
            f"speech: {len(corpus.speakers)} speakers, {len(corpus.train)} + {len(corpus.test)} utterances, "
            f"{minutes[0]:.1f} + {minutes[1]:.1f} minutes (training + test){labels}{skipped}"
        )

    def __call__(self, utterance: Utterance) -> np.ndarray:
        """Float32 [samples] in [-1, 1]. Raises RunFailure for a damaged file."""
        known = self._known.get(utterance.id)
        if known is None:
            try:
                known = self.corpus.waveform(utterance)
            except ValueError as error:
                raise RunFailure(str(error)) from error
            if self.keep:
                self._known[utterance.id] = known
        return known

    def piece(self, utterance: Utterance, start: int, size: int) -> np.ndarray:
        """Float32 [size] from sample `start` on, without reading the rest where the corpus is not kept in memory."""
        if self.keep or self.corpus.convert:  # what is resampled is read whole
            return self(utterance)[start : start + size]
        soundfile = optional_module("soundfile", "audio")
        try:
            sound, _ = soundfile.read(utterance.path, size, start, dtype="float32")
        except soundfile.SoundFileError as error:
            raise RunFailure(f"{utterance.path} is damaged: {error}") from error
        if sound.shape != (size,):
            raise RunFailure(f"{utterance.path} ends before sample {start + size}")
        return sound


class SpeechWindows:
    """Draws batches; a batch is a function of the seed and its number alone."""

    def __init__(
        self,
        waveforms: Waveforms,
        utterances: Sequence[Utterance],
        config: SpeechBatchConfig,
        seed: int,
        grid: int = 1,
        shift: int = 1,
    ) -> None:
        """Draw from `utterances`, of which those shorter than a window are passed over.

        Args:
            waveforms: Their sound.
            utterances: A part of the corpus.
            config: Of the batches.
            seed: Of everything drawn.
            grid: Windows begin at multiples of this many samples; the labels of `batch` are right on a grid of 160.
            shift: Frame t of the encoder carries label t - shift; see `align`.

        Raises:
            UsageError: Nothing is long enough.
        """
        self.waveforms, self.config, self.seed, self.grid, self.shift = waveforms, config, seed, grid, shift
        self.utterances = [u for u in utterances if u.samples >= config.window]
        if not self.utterances:
            longest = max((u.samples for u in utterances), default=0)
            raise UsageError(f"--window {config.window}: the longest of {len(utterances)} utterances has {longest}")
        self._speaker = {name: i for i, name in enumerate(waveforms.corpus.speakers)}
        self._of_speaker: dict[str, list[int]] = defaultdict(list)
        for i, utterance in enumerate(self.utterances):
            self._of_speaker[utterance.speaker].append(i)

    def choose(self, number: int) -> tuple[list[Utterance], list[int]]:
        """The utterances of batch `number` and the sample at which each window begins."""
        rng = np.random.default_rng([self.seed, number])
        pool = np.arange(len(self.utterances))
        if self.config.batch == "same_speaker":
            pool = np.array(self._of_speaker[self.utterances[rng.integers(len(pool))].speaker])
        size = self.config.batch_size
        chosen = [self.utterances[i] for i in rng.choice(pool, size, replace=len(pool) < size)]
        places = [(u.samples - self.config.window) // self.grid + 1 for u in chosen]
        return chosen, [int(rng.integers(n)) * self.grid for n in places]

    def samples(self, number: int) -> Tensor:
        """Windows of batch `number`, float32 [B, n]."""
        chosen = zip(*self.choose(number), strict=True)
        return torch.from_numpy(np.stack([self.waveforms.piece(u, s, self.config.window) for u, s in chosen]))

    def batch(self, number: int, frames: int) -> SpeechBatch:
        """Batch `number` with its labels for windows of `frames` frames.

        Raises:
            ValueError: Windows do not begin where labels do.
        """
        if self.grid % HOP:
            raise ValueError(f"labels need windows on a grid of {HOP} samples, this one is of {self.grid}")
        utterances, starts = self.choose(number)
        phones = np.stack(
            [
                align(self.waveforms.corpus.phones(u), start // HOP, frames, self.shift)
                for u, start in zip(utterances, starts, strict=True)
            ]
        )
        speaker = torch.tensor([self._speaker[u.speaker] for u in utterances])
        return SpeechBatch(self.samples(number), speaker, torch.from_numpy(phones))


def align(labels: np.ndarray, first: int, frames: int, shift: int) -> np.ndarray:
    """The label of each of `frames` encoder frames that begin with frame `first` of the utterance; -1: none.

    Label i is of the 25 ms around sample 160 i + 200, frame t of the encoder is centred on sample 160 t + 79: the frame
    nearest to label i is t = i + 1 (39 samples off, where t = i is 121 off). `shift` is that 1.

    Returns:
        int64 [frames].
    """
    index = np.arange(first, first + frames) - shift
    known = (index >= 0) & (index < len(labels))
    result: np.ndarray = np.where(known, labels[np.clip(index, 0, max(0, len(labels) - 1))], -1)
    return result.astype(np.int64)


def speakers_of(corpus: SpeechCorpus, utterances: Sequence[Utterance]) -> Iterator[int]:
    """The class of each utterance's speaker."""
    index = {name: i for i, name in enumerate(corpus.speakers)}
    return (index[u.speaker] for u in utterances)

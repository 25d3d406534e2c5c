"""The embedded speech corpus: espeak-ng's voices say sentences of a grammar, on disk as LibriSpeech is.

Made once, kept in a cache, and read by `cpc_repr.audio.corpus` like any other corpus: docs/audio_data.md.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from configs import Frozen
from cpc_repr.audio.channel import DOWN, UP, Channel, to_16k
from cpc_repr.audio.corpus import LABELS, TEST, TRAIN, SpeechCorpus, open_corpus
from cpc_repr.audio.grammar import texts
from cpc_repr.audio.phones import PHONES, labels_of, phone_class
from cpc_repr.audio.sound import SAMPLE_RATE
from cpc_repr.audio.voices import ACCENTS, VARIANTS, Speaker, draw_speakers, speak
from cpc_repr.cache import generate_once
from cpc_repr.packages import optional_module

VERSION = 1  # raised whenever the same configuration gives other speech
CHAPTERS = 2  # of a speaker, each with a microphone and a room of its own
TEST_EVERY = 5  # the fifth utterance of five is for testing
RATES = (90, 350)  # words a minute, the slowest and the fastest
WORKERS = 2

Progress = Callable[[int, int], None]  # speakers made, of how many


class SyntheticSpeechConfig(Frozen):
    """Synthetic speech."""

    speakers: int = Field(
        default=40, ge=2, le=len(VARIANTS) * len(ACCENTS), description="Speakers of the synthetic corpus."
    )
    utterances: int = Field(
        default=20,
        ge=TEST_EVERY,
        le=9_999,
        description="Utterances of each speaker, of two sentences (5 s); one in five for testing.",
    )
    snr: float = Field(default=30.0, ge=-20, le=100, description="Speech over noise in dB, on average.")
    channel: float = Field(
        default=3.0, ge=0, le=20, description="Difference between microphones in dB per octave band."
    )
    tempo: float = Field(default=0.1, ge=0, le=0.3, description="Difference between speaking rates, relative.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of everything drawn.")


def make_corpus(
    folder: Path, config: SyntheticSpeechConfig, progress: Progress = lambda done, total: None
) -> SpeechCorpus:
    """The corpus of `config`, from a folder of its own below `folder`, where it is made first if it is not there.

    Several processes may ask at once: one makes it, the others wait. What a killed process left is cleared away.

    Args:
        folder: Of all synthetic corpora; made if need be.
        config: The same one gives the same bytes on the same machine.
        progress: Called after each speaker that was made; not at all if nothing had to be.

    Raises:
        ValueError: Something has to be made and a package of the `audio` extra is missing, or a file of the corpus has
            changed since it was made.
        OSError: The folder cannot be written.
    """
    name = f"espeak-{config.speakers}x{config.utterances}"
    return open_corpus(generate_once(folder, name, VERSION, config, lambda new: _generate(new, config, progress)))


def _generate(root: Path, config: SyntheticSpeechConfig, progress: Progress) -> dict[str, Any]:
    """Fill the empty folder `root`; gives what the manifest says of it."""
    speakers = draw_speakers(config.speakers, config.tempo, config.seed)
    sentences = texts(config.seed)
    scripts = [list(islice(sentences, config.utterances)) for _ in speakers]
    lines: list[str] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [
            pool.submit(_record, root, speaker, script, config)
            for speaker, script in zip(speakers, scripts, strict=True)
        ]
        try:
            for done, future in enumerate(futures, start=1):
                lines += future.result()
                progress(done, len(speakers))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    names = [line.partition(" ")[0] for line in lines]
    _write_lines(root / LABELS, lines)
    _write_lines(root / TRAIN, [name for name in names if not _is_test(name)])
    _write_lines(root / TEST, [name for name in names if _is_test(name)])
    return {"made_with": _versions(), "phones": PHONES, "speakers": [asdict(speaker) for speaker in speakers]}


def _record(root: Path, speaker: Speaker, script: Sequence[str], config: SyntheticSpeechConfig) -> list[str]:
    """Write the recordings and transcripts of one speaker; the lines of the label file."""
    rng = np.random.default_rng([config.seed, int(speaker.id)])
    tempo = rng.normal(speaker.rate, speaker.rate * config.tempo / 2, len(script))
    rates = [int(rate) for rate in np.rint(tempo.clip(*RATES))]
    speeches = speak(speaker, script, rates, seed=int(rng.integers(1, 2**31)))
    channels = [Channel(rng, config.channel) for _ in range(CHAPTERS)]
    lines: list[str] = []
    transcripts: dict[str, list[str]] = defaultdict(list)
    for i, (text, speech) in enumerate(zip(script, speeches, strict=True)):
        number = i * CHAPTERS // len(script)
        chapter = f"{number + 1}"
        name = f"{speaker.id}-{chapter}-{i:04d}"
        lead, tail = (int(n) for n in rng.integers(1_600, 6_400, 2))  # 0.1 to 0.4 s of the room alone
        clean = to_16k(speech.pcm, lead, tail)
        snr, level = config.snr + rng.uniform(-5, 5), rng.uniform(20, 32)
        samples = channels[number].record(clean, snr, level, rng)
        path = root / speaker.id / chapter / f"{name}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        optional_module("soundfile", "audio").write(path, samples, SAMPLE_RATE, subtype="PCM_16")
        starts = lead + np.array([sample for sample, _ in speech.phonemes]) * (UP / DOWN)
        classes = [phone_class(mnemonic, speaker.accent) for _, mnemonic in speech.phonemes]
        lines.append(" ".join([name, *map(str, labels_of(starts, classes, len(samples)))]))
        transcripts[chapter].append(f"{name} {re.sub('[^A-Z ]', '', text.upper())}")
    for chapter, transcript in transcripts.items():
        _write_lines(root / speaker.id / chapter / f"{speaker.id}-{chapter}.trans.txt", transcript)
    return lines


def _is_test(name: str) -> bool:
    return int(name.rpartition("-")[2]) % TEST_EVERY == TEST_EVERY - 1


def _write_lines(file: Path, lines: Sequence[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines))


def _versions() -> dict[str, str]:
    packages = ("espeakng-loader", "numpy", "scipy", "soundfile")
    versions = {name: importlib.metadata.version(name) for name in packages}
    libsndfile = optional_module("soundfile", "audio").__libsndfile_version__
    return {"python": platform.python_version(), "machine": platform.machine(), **versions, "libsndfile": libsndfile}

"""Toy speech in LibriSpeech's layout: each phone is a tone of its own, each speaker a second, lower one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from cpc_repr.audio.corpus import SpeechCorpus, open_corpus

PHONES = 4
HOP = 160


def write_toy(root: Path, speakers: int = 3, utterances: int = 4, frames: int = 90, seed: int = 0) -> Path:
    """Write a corpus below `root`; the last utterance of each speaker is for testing."""
    rng = np.random.default_rng(seed)
    labels, train, test = [], [], []
    for s in range(speakers):
        for u in range(utterances):
            name = f"{s + 1}-1-{u:04d}"
            samples = frames * HOP + 240 + int(rng.integers(0, 160))  # `frames` labels, whatever is left over
            phones = np.repeat(rng.integers(0, PHONES, frames // 10 + 1), 10)[:frames]
            path = root / str(s + 1) / "1" / f"{name}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, tones(phones, s, samples, rng), 16_000, subtype="PCM_16")
            labels.append(" ".join([name, *map(str, phones)]))
            (test if u == utterances - 1 else train).append(name)
    (root / "converted_aligned_phones.txt").write_text("\n".join(labels) + "\n")
    (root / "train_split.txt").write_text("\n".join(train) + "\n")
    (root / "test_split.txt").write_text("\n".join(test) + "\n")
    return root


def tones(phones: np.ndarray, speaker: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    at = np.clip((np.arange(samples) - 120) // HOP, 0, len(phones) - 1)  # label i is centred on sample 160 i + 200
    frequency = 600 + 700 * phones[at]
    sound = 0.3 * np.sin(2 * np.pi * np.cumsum(frequency) / 16_000)
    sound += 0.2 * np.sin(2 * np.pi * (110 + 60 * speaker) * np.arange(samples) / 16_000)
    return (sound + 0.01 * rng.normal(size=samples)).astype(np.float32)


def toy_corpus(root: Path, **sizes: int) -> SpeechCorpus:
    return open_corpus(write_toy(root, **sizes))

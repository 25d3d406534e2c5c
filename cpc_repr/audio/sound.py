"""Sound files: which there are, and how they become 16 kHz, mono."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from cpc_repr.files import visible_files

SAMPLE_RATE = 16_000
SUFFIXES = (".flac", ".wav", ".ogg")
OTHERS = (".mp3", ".m4a", ".aac", ".opus", ".wma", ".aiff", ".aif", ".sph")  # sound too, but not read here


def convert(sound: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """16 kHz, mono: the mean of the channels, resampled by a polyphase filter (scipy's `resample_poly`).

    Args:
        sound: Float32 [n] or [n, channels].
        rate: Samples a second.

    Returns:
        Float32 [ceil(n * 16000 / rate)].
    """
    mono = sound if sound.ndim == 1 else sound.mean(1, dtype=np.float32)
    if rate == SAMPLE_RATE:
        return mono
    common = gcd(SAMPLE_RATE, rate)
    resampled = scipy.signal.resample_poly(mono, SAMPLE_RATE // common, rate // common)
    return resampled.astype(np.float32)


def converted_length(samples: int, rate: int) -> int:
    """How long `convert` makes so many samples."""
    return -(-samples * SAMPLE_RATE // rate)


def misfit(file: Any) -> str:
    """What keeps an open `soundfile.SoundFile` from being 16 kHz, mono; empty if nothing does."""
    if file.samplerate != SAMPLE_RATE:
        return f"{file.samplerate} samples a second; needed are {SAMPLE_RATE} (or --convert)"
    if file.channels != 1:
        return f"{file.channels} channels; needed is one (or --convert)"
    return ""


def other_sound(folder: Path, stems: Iterable[str] = ()) -> str:
    """A hint where `folder` holds sound that is not read, such as MP3; of `stems` only, if there are any."""
    wanted = set(stems)
    found = [path for path in visible_files(folder, OTHERS) if not wanted or path.stem in wanted]
    if not found:
        return ""
    kind = found[0].suffix.lower().lstrip(".")
    return f"; {found[0]} is {kind}, which is not read: convert it first (ffmpeg -i a.{kind} -ar 16000 -ac 1 a.flac)"

"""Write the features of a folder of audio: z and c of a trained network, one file for each recording.

    python -m cpc_repr.audio.extract runs/NAME --audio DIR --out DIR

Recordings (FLAC, WAV, OGG; 16 kHz, mono, or others with --convert) are read in pieces, so that they may be hours long
(what has another rate is read whole); the network's state is carried from piece to piece, and the rows are those of one
pass over the whole. `npz` files hold `z` [T, D] and `c` [T, H]; `npy` files hold c alone. Row t looks at the 465
samples around 160 t + 79, and c at all before them too.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
import torch
import tyro
from pydantic import Field

from configs import QUIET, Frozen, RunFailure, UsageError, as_usage_error, guarded, load
from cpc_repr.audio.encode import SpeechEncoder
from cpc_repr.audio.encode import load as load_encoder
from cpc_repr.audio.sound import SAMPLE_RATE, SUFFIXES, convert, misfit, other_sound
from cpc_repr.files import visible_files
from cpc_repr.packages import optional_module
from cpc_rl.runs import pick_device
from cpc_rl.runs.config import DEVICE
from cpc_rl.runs.files import write_atomic
from cpc_rl.runs.screen import Screen

PIECE = 60 * SAMPLE_RATE  # samples read at a time


class ExtractConfig(Frozen):
    """What to extract."""

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = Field(
        description="Run directory of a trained model."
    )
    audio: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Field(description="Recordings; subfolders are searched too.")
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Field(
        description="Folder of the features, in the same subfolders; a file that is there is not made again."
    )
    convert: bool = Field(default=False, description="Mix recordings down to one channel and resample them to 16 kHz.")
    format: Literal["npz", "npy"] = Field(default="npz", description="Features to write: z and c, or c alone.")
    device: str = Field(default="auto", pattern=DEVICE, description="Device to compute on.")
    quiet: bool = Field(default=False, description=QUIET)
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


def extract(config: ExtractConfig) -> int:
    """Write all features; 1 if a recording could not be read."""
    if not config.audio.is_dir():
        raise UsageError(f"--audio {config.audio}: {'not a' if config.audio.exists() else 'no such'} folder")
    if config.out.exists() and not config.out.is_dir():
        raise UsageError(f"--out {config.out}: not a folder")
    recordings = sorted(visible_files(config.audio, SUFFIXES))
    if not recordings:
        raise UsageError(f"--audio {config.audio}: no {', '.join(SUFFIXES)} file below it{other_sound(config.audio)}")
    with as_usage_error():
        soundfile = optional_module("soundfile", "audio")
    encoder = load_encoder(config.model, pick_device(config.device))
    broken, frames = [], 0
    targets = [
        config.out / f"{name}.{config.format}" for name in names([p.relative_to(config.audio) for p in recordings])
    ]
    with Screen(config.quiet).step("extracting features") as step:
        for number, (path, target) in enumerate(zip(recordings, targets, strict=True)):
            step(number, len(recordings))
            if target.exists():
                continue
            try:
                z, c = features(encoder, pieces(soundfile, path, config.convert))
            except (ValueError, soundfile.SoundFileError) as error:
                broken.append(path)
                print(f"{path}: {error}", file=sys.stderr)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(target, partial(_save, {"c": c} if config.format == "npy" else {"z": z, "c": c}))
            frames += len(c)
    print(
        f"{len(recordings) - len(broken)} of {len(recordings)} recordings, {frames:,} new frames of 10 ms: {config.out}"
    )
    if broken:
        raise RunFailure(f"{len(broken)} recordings could not be read, {broken[0]} first")
    return 0


def features(encoder: SpeechEncoder, waveform: Iterator[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Z [T, D] and c [T, H] of a recording in pieces. Raises ValueError if it is too short for a frame."""
    parts = list(encoder.stream(waveform))
    if not parts:
        raise ValueError("too short for a frame")
    return torch.cat([part.z for part in parts]).numpy(), torch.cat([part.c for part in parts]).numpy()


def names(recordings: Sequence[Path]) -> list[Path]:
    """What the features of each are called, without ending: `a.flac` is `a`, but `a.flac` beside `a.wav` keeps its own.

    So does a name such as `a.flac.wav`.
    """
    plain = [path.with_suffix("") for path in recordings]
    count = Counter(plain)
    return [
        path if count[name] > 1 or name.suffix.lower() in SUFFIXES else name
        for path, name in zip(recordings, plain, strict=True)
    ]


def pieces(soundfile: Any, path: Path, converted: bool = False, size: int = PIECE) -> Iterator[np.ndarray]:
    """The samples of a file at 16 kHz, mono, float32, `size` at a time; what is resampled is read whole.

    Raises:
        ValueError: Another rate or several channels, and they are not to be `converted`.
    """
    with soundfile.SoundFile(path) as file:
        if (wrong := misfit(file)) and not converted:
            raise ValueError(wrong)
        blocks = [file.read(dtype="float32")] if file.samplerate != SAMPLE_RATE else file.blocks(size, dtype="float32")
        for block in blocks:
            sound = convert(block, file.samplerate)
            yield from (sound[i : i + size] for i in range(0, len(sound), size))


def _save(arrays: Mapping[str, np.ndarray], file: BinaryIO) -> None:
    if len(arrays) == 1:
        np.save(file, arrays["c"])
    else:
        np.savez(file, allow_pickle=False, **arrays)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        return extract(load(ExtractConfig, argv, prog="python -m cpc_repr.audio.extract", description=__doc__ or ""))

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())

"""The speakers of the synthetic corpus, and having one of them speak."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import RunFailure
from cpc_repr.packages import optional_module

ACCENTS = (
    "en", "en-US", "en-US-nyc", "en-029", "en-GB-scotland", "en-GB-x-rp", "en-GB-x-gbclan", "en-GB-x-gbcwmd",
)  # fmt: skip
_NAMES = """
    Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen Storm
    anika antonio aunty belinda boris ed f1 f2 f3 f4 f5 grandma grandpa gustave ian iven iven2 iven3 john kaukovalta
    linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel norbert pablo paul pedro quincy rob robert shelby steph
    steph2 steph3 travis victor zac
"""
VARIANTS = tuple(_NAMES.split())  # without whispers, croaks, robots, loud echoes and the second synthesiser (klatt)


@dataclass(frozen=True)
class Speaker:
    """A voice: espeak-ng's parameters, which `rate` (words a minute) and `pitch` (0 to 99) shift further."""

    id: str
    accent: str
    variant: str
    pitch: int
    range: int
    rate: int


@dataclass(frozen=True)
class Speech:
    """What the synthesiser said: int16 [n] at 22,050 Hz, and the sample where each phoneme begins with its mnemonic."""

    pcm: NDArray[np.int16]
    phonemes: tuple[tuple[int, str], ...]


def draw_speakers(count: int, tempo: float, seed: int) -> tuple[Speaker, ...]:
    """Draw `count` speakers of different variants, as long as those last; then of other accents.

    Args:
        count: At most `len(VARIANTS) * len(ACCENTS)`.
        tempo: Relative standard deviation of the rate.
        seed: Of everything drawn.
    """
    random = Random(f"speakers {seed}")
    variants, accents = random.sample(VARIANTS, len(VARIANTS)), random.sample(ACCENTS, len(ACCENTS))
    speakers = []
    for i in range(count):
        turn, place = divmod(i, len(VARIANTS))
        speakers.append(
            Speaker(
                id=str(1001 + i),
                accent=accents[(place + turn) % len(accents)],
                variant=variants[place],
                pitch=random.randint(35, 65),
                range=random.randint(35, 65),
                rate=round(175 * random.gauss(1, tempo)),
            )
        )
    return tuple(speakers)


def speak(speaker: Speaker, texts: Sequence[str], rates: Sequence[int], seed: int) -> list[Speech]:
    """Say `texts` at `rates` words a minute, in a process of its own: the same speech every time.

    Raises:
        ValueError: espeakng_loader cannot be imported.
        RunFailure: The synthesiser failed.
    """
    loader = optional_module("espeakng_loader", "audio")
    if not Path(loader.get_data_path(), "voices", "!v", speaker.variant).is_file():
        raise RunFailure(f"espeak-ng has no variant {speaker.variant}")  # it would speak without, and say nothing
    request = {
        "library": loader.get_library_path(),
        "data": loader.get_data_path(),
        "voice": f"gmw/{speaker.accent}+{speaker.variant}",
        "seed": seed,
        "utterances": [
            {"text": text, "rate": rate, "pitch": speaker.pitch, "range": speaker.range}
            for text, rate in zip(texts, rates, strict=True)
        ],
    }
    # Isolated and without site-packages: it imports the standard library only, and starts in 20 ms.
    command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("espeak.py"))]
    done = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True, check=False)
    if done.returncode != 0:
        why = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RunFailure(f"espeak-ng failed for {asdict(speaker)} (exit code {done.returncode}): {why}")
    return _parse(done.stdout, len(texts))


def _parse(answer: bytes, count: int) -> list[Speech]:
    speeches: list[Speech] = []
    position = 0
    for _ in range(count):
        end = answer.index(b"\n", position)
        head: dict[str, Any] = json.loads(answer[position:end])
        position = end + 1 + 2 * head["samples"]
        pcm = np.frombuffer(answer[end + 1 : position], np.int16)
        if not pcm.any():
            raise RunFailure(f"espeak-ng said nothing for text {len(speeches)}")
        speeches.append(Speech(pcm, tuple((int(sample), name) for sample, name in head["phonemes"])))
    return speeches

"""Phone labels: one class for each 10 ms of speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpc_repr.files import check_regular

NUM_PHONES = 41
FRAME, HOP = 400, 160  # samples at 16 kHz: frame i covers [160 i, 160 i + 400), as in Kaldi


def num_labels(samples: int) -> int:
    """How many whole frames fit into `samples`."""
    return max(0, (samples - FRAME) // HOP + 1)


def read_lines(file: Path, wanted: set[str]) -> dict[str, bytes]:
    """The lines of a label file by id, without the id and not yet parsed; those of other ids are left out.

    Raises:
        ValueError: The file cannot be read, or has an id of `wanted` twice.
    """
    check_regular(file)
    lines: dict[str, bytes] = {}
    try:
        with file.open("rb") as stream:
            for line in stream:
                first, _, rest = line.strip().partition(b" ")
                name = first.decode("utf-8", "replace")
                if name not in wanted:
                    continue
                if name in lines:
                    raise ValueError(f"{file} has two lines for {name}")
                lines[name] = rest
    except OSError as error:
        raise ValueError(f"cannot read the phone labels {file}: {error}") from error
    return lines


def parse_labels(line: bytes, samples: int, where: str) -> NDArray[np.uint8]:
    """Classes uint8 [num_labels(samples)] from numbers in text.

    Args:
        line: The numbers, separated by spaces.
        samples: How long the utterance is at 16 kHz.
        where: Begins the message of an error.

    Raises:
        ValueError: Not whole numbers in [0, 41), or not as many as the utterance has frames.
    """
    try:
        values = np.array(line.split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{where}: labels must be whole numbers ({error})") from None
    if len(values) != num_labels(samples):
        raise ValueError(f"{where}: {len(values)} labels, but {samples} samples have {num_labels(samples)} frames")
    if values.size and not (values.min() >= 0 and values.max() < NUM_PHONES):
        worst = values[(values < 0) | (values >= NUM_PHONES)][0]
        raise ValueError(f"{where}: label {worst}; allowed: 0 to {NUM_PHONES - 1}")
    return values.astype(np.uint8)

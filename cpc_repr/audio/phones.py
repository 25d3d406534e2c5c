"""From espeak-ng's phoneme mnemonics to the 41 classes: silence, the 39 phones of American dictionaries, and schwa.

Dictionaries write schwa as AH; espeak-ng tells the two apart, and so do we. A class follows what is heard, not what the
word has in a dictionary: where an accent says one phoneme just as another, both have one class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cpc_repr.audio.labels import FRAME, HOP, num_labels

# The index is the class. Silence is 0, as it is in the labels of LibriSpeech.
_NAMES = """
    SIL AA AE AH AO AW AX AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH
"""
PHONES = tuple(_NAMES.split())

_MNEMONICS = {
    "SIL": "_ _: _! _|",
    "AA": "0 A: A@", "AE": "a aa", "AH": "V", "AO": "O O2 O: O@ o@", "AW": "aU", "AX": "@ @- @2 @5 3 a#",
    "AY": "aI aI2 aI3 aI@", "EH": "E e@", "ER": "3: IR VR", "EY": "eI", "IH": "I I2 I# i@3", "IY": "i i: i@",
    "OW": "oU", "OY": "OI", "UH": "U U@", "UW": "u:",
    "B": "b", "CH": "tS", "D": "d", "DH": "D", "F": "f", "G": "g", "HH": "h", "JH": "dZ", "K": "k", "L": "l @L",
    "M": "m", "N": "n n-", "NG": "N", "P": "p", "R": "r r-", "S": "s", "SH": "S", "T": "t t# t2 t[ ?", "TH": "T",
    "V": "v", "W": "w w#", "Y": "j ;", "Z": "z", "ZH": "Z",
}  # fmt: skip
_CLASSES = {mnemonic: PHONES.index(phone) for phone, names in _MNEMONICS.items() for mnemonic in names.split()}
_OVERRIDES = {  # accents that merge a phoneme with one of another class
    "en-029": {"a#": "AE"},
    "en-GB-scotland": {"3": "ER"},
    "en-GB-x-gbclan": {"V": "UH"},
    "en-GB-x-gbcwmd": {"V": "UH", "e@": "ER"},
    "en-GB-x-rp": {"aa": "AA", "U@": "AO"},
    "en-US": {"3": "ER"},
}
_STRESS = "',%="


def phone_class(mnemonic: str, accent: str) -> int:
    """The class in [0, 41) of a phoneme, with or without a mark of stress in front.

    Raises:
        ValueError: The table does not have it.
    """
    bare = mnemonic.lstrip(_STRESS)
    if phone := _OVERRIDES.get(accent, {}).get(bare):
        return PHONES.index(phone)
    if bare not in _CLASSES:
        raise ValueError(f"espeak-ng's phoneme {mnemonic!r} ({accent}) has no class; known: {' '.join(_CLASSES)}")
    return _CLASSES[bare]


def labels_of(starts: NDArray[np.float64], classes: Sequence[int], samples: int) -> NDArray[np.int64]:
    """Labels int64 [num_labels(samples)]: what sounds at the centre of each frame, sample 160 i + 200.

    Args:
        starts: Where each phone begins, in samples at 16 kHz, not falling. The last phone lasts to the end.
        classes: Their classes. Before the first of them is silence.
        samples: Length at 16 kHz.
    """
    centres = HOP * np.arange(num_labels(samples)) + FRAME // 2
    return np.array([0, *classes])[np.searchsorted(starts, centres, side="right")]

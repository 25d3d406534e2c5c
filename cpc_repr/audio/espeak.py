"""espeak-ng in a process of its own: reads a request from stdin, writes speech and phoneme times to stdout.

`cpc_repr.audio.voices.speak` runs it as a file: espeak-ng keeps hidden state from call to call and draws random
numbers, so that only a fresh process that sets the seed and then makes the same calls gives the same speech. It needs
the standard library only.

Request: a JSON object with `library`, `data`, `voice`, `seed` and `utterances`, each with `text` and the synthesiser's
parameters `rate`, `pitch` and `range`. Answer: for each utterance a line of JSON, `{"samples": n, "phonemes": [[sample,
mnemonic], ...]}`, and n samples of 16 bit, 22,050 Hz, mono, in native order.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

SYNCHRONOUS = 2  # the speech is handed to a callback before `espeak_Synth` returns
PHONEME_EVENTS, DONT_EXIT = 1 << 0, 1 << 15
PHONEME = 7  # a type of event; 0 ends a list of them
UTF8 = 1
PARAMETERS = {"rate": 1, "pitch": 3, "range": 4}


class _Identifier(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identifier),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


class Synthesiser:
    """The library, initialised and seeded; one for each process."""

    def __init__(self, library: str, data: str, seed: int) -> None:
        self._pcm = bytearray()
        self._phonemes: list[tuple[int, str]] = []
        self._library = ctypes.CDLL(library)
        self._callback = _CALLBACK(self._receive)  # kept: the library holds a bare pointer to it
        rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), PHONEME_EVENTS | DONT_EXIT)
        if rate != 22_050:
            raise RuntimeError(f"espeak_Initialize answers {rate}, not 22050 Hz")
        self._library.espeak_SetSynthCallback(self._callback)
        _check("espeak_ng_SetRandSeed", self._library.espeak_ng_SetRandSeed(ctypes.c_long(seed)))

    def set_voice(self, voice: str) -> None:
        """`voice` is an accent's file below espeak-ng-data/lang, with `+variant`."""
        _check(f"the voice {voice}", self._library.espeak_SetVoiceByName(voice.encode()))

    def speak(self, text: str, **parameters: int) -> tuple[bytes, list[tuple[int, str]]]:
        """Samples as bytes, and the sample where each phoneme begins with its mnemonic."""
        self._pcm.clear()
        self._phonemes = []
        for name, value in parameters.items():
            _check(name, self._library.espeak_SetParameter(PARAMETERS[name], value, 0))
        raw = text.encode()
        _check("espeak_Synth", self._library.espeak_Synth(raw, len(raw) + 1, 0, 0, 0, UTF8, None, None))
        return bytes(self._pcm), self._phonemes

    def _receive(self, samples: int | None, count: int, events: Any) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, 2 * count)
        i = 0
        while events[i].type:
            if events[i].type == PHONEME:
                self._phonemes.append((events[i].sample, events[i].id.string.decode("utf-8", "replace")))
            i += 1
        return 0


def _check(what: str, code: int) -> None:
    if code != 0:
        raise RuntimeError(f"espeak-ng refuses {what} (code {code})")


def main() -> None:
    """Answer the one request on stdin."""
    request = json.load(sys.stdin)
    synthesiser = Synthesiser(request["library"], request["data"], request["seed"])
    synthesiser.set_voice(request["voice"])
    out = sys.stdout.buffer
    for utterance in request["utterances"]:
        pcm, phonemes = synthesiser.speak(**utterance)
        out.write(json.dumps({"samples": len(pcm) // 2, "phonemes": phonemes}).encode() + b"\n")
        out.write(pcm)


if __name__ == "__main__":
    main()

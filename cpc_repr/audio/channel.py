"""What lies between a synthetic voice and its recording: resampling, a microphone, a room's noise, a level."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

Samples = NDArray[np.float64]

UP, DOWN = 320, 441  # 22,050 Hz to 16,000 Hz
TAPS = 129  # odd: the filter is symmetric, and nothing is shifted in time
BANDS = np.array([0.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0])  # Hz


class Channel:
    """The microphone and the room of one chapter; both are drawn."""

    def __init__(self, rng: np.random.Generator, spread: float) -> None:
        """`spread` is the standard deviation in dB of the response from octave to octave; 0: a flat one."""
        gains = 10 ** (spread * rng.standard_normal(len(BANDS)) / 20)
        self._filter: Samples = scipy.signal.firwin2(TAPS, BANDS, gains, fs=16_000)
        self._colour = rng.uniform(0.0, 0.9)  # 0: white noise; near 1: a rumble

    def record(self, speech: Samples, snr: float, level: float, rng: np.random.Generator) -> NDArray[np.int16]:
        """Filter `speech` (16 kHz) and add noise.

        Args:
            speech: [n].
            snr: Power of speech over that of noise, in dB.
            level: Of the recording's speech, in dB below full scale.
            rng: Draws the noise.

        Returns:
            int16 [n].
        """
        filtered: Samples = scipy.signal.fftconvolve(speech, self._filter, mode="same")
        noise: Samples = scipy.signal.lfilter([1.0], [1.0, -self._colour], rng.standard_normal(len(speech)))
        power = _rms(filtered)
        noise *= power * 10 ** (-snr / 20) / _rms(noise)
        recording = (filtered + noise) * 10 ** (-level / 20) / power
        return np.rint(32_767 * recording.clip(-1, 1)).astype(np.int16)


def to_16k(pcm: NDArray[np.int16], lead: int, tail: int) -> Samples:
    """espeak-ng's samples at 16 kHz, in [-1, 1], with silence around: float64 [lead + ceil(n * 320 / 441) + tail]."""
    speech: Samples = scipy.signal.resample_poly(pcm / 32_768, UP, DOWN)
    return np.pad(speech, (lead, tail))


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))

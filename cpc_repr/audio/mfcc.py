"""Mel-frequency cepstral coefficients, the baseline: 25 ms every 10 ms, as Kaldi computes them."""

from __future__ import annotations

import numpy as np

from cpc_repr.audio.model import RATE
from cpc_repr.packages import optional_module


def mfcc(waveform: np.ndarray, deltas: bool = False, coefficients: int = 13) -> np.ndarray:
    """Coefficients of each label's own 25 ms.

    Args:
        waveform: float32 [n] in [-1, 1], 16 kHz.
        deltas: Append their first and second time derivatives (Kaldi's regression over two frames on each side).
        coefficients: How many.

    Returns:
        float32 [floor((n - 400) / 160) + 1, coefficients], or three times as wide with `deltas`.

    Raises:
        ValueError: Without kaldi-native-fbank.
    """
    knf = optional_module("kaldi_native_fbank", "audio")
    options = knf.MfccOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0.0
    options.num_ceps = coefficients
    computer = knf.OnlineMfcc(options)
    computer.accept_waveform(RATE, (waveform * 32768.0).tolist())
    computer.input_finished()
    rows = [computer.get_frame(i) for i in range(computer.num_frames_ready)]
    static = np.array(rows, dtype=np.float32).reshape(-1, coefficients)  # [T, coefficients]
    if not deltas:
        return static
    first = delta(static)
    return np.concatenate([static, first, delta(first)], axis=1)


def delta(features: np.ndarray) -> np.ndarray:
    """Slope of each column over five frames, ends repeated: [T, D] -> [T, D]."""
    padded = np.pad(features, ((2, 2), (0, 0)), mode="edge")
    slope: np.ndarray = (2 * (padded[4:] - padded[:-4]) + padded[3:-1] - padded[1:-3]) / 10
    return slope

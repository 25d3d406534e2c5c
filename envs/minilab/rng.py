"""Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

A number is a pure function of (seed, environment, episode, draw), so an episode is the same in any batch, at any
position and on any thread, and its state is one counter. Products of two 32-bit words fit 64 bits: nothing overflows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from envs.checks import check_seed
from envs.minilab.jit import device_function

EVALUATION_MIXER = 0x600D5EED  # DeepMind Lab's mixerSeed for test episodes, XORed into the seed's upper 32 bits

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_WORD = np.uint64(0xFFFFFFFF)
_SHIFT_WORD = np.uint64(32)
_SHIFT_FLOAT = np.uint64(8)
_UNIT_24 = np.float32(2.0**-24)
_FULL_TURN = np.float32(360)
_HALF_TURN = np.float32(180)


class Streams(NamedTuple):
    """Where each environment stands in its stream of random numbers."""

    key: npt.NDArray[np.uint64]  # [2] the two 32-bit halves of the seed, the same for all
    environment: npt.NDArray[np.int64]  # [B] which stream of the seed
    episode: npt.NDArray[np.int64]  # [B]
    draws: npt.NDArray[np.int64]  # [B] numbers drawn in this episode


def new_streams(num_envs: int, seed: int, *, evaluation: bool, first: int = 0) -> Streams:
    """Streams `first`, `first` + 1, ... of a seed before their first episode (number -1).

    Raises:
        ValueError: `seed` does not fit 63 bits.
    """
    check_seed(seed)
    high = (seed >> 32) ^ (EVALUATION_MIXER if evaluation else 0)
    return Streams(
        key=np.array([seed & 0xFFFFFFFF, high], np.uint64),
        environment=first + np.arange(num_envs),
        episode=np.full(num_envs, -1),
        draws=np.zeros(num_envs, np.int64),
    )


@device_function
def philox(
    x_0: np.uint64, x_1: np.uint64, x_2: np.uint64, x_3: np.uint64, key_0: np.uint64, key_1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Four random 32-bit words of the counter (x_0, x_1, x_2, x_3) under the key, all in 64-bit variables."""
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * x_0
        product_1 = _MULTIPLIER_1 * x_2
        x_0 = (product_1 >> _SHIFT_WORD) ^ x_1 ^ key_0
        x_1 = product_1 & _WORD
        x_2 = (product_0 >> _SHIFT_WORD) ^ x_3 ^ key_1
        x_3 = product_0 & _WORD
        key_0 = (key_0 + _WEYL_0) & _WORD
        key_1 = (key_1 + _WEYL_1) & _WORD
    return x_0, x_1, x_2, x_3


@device_function
def next_episode(streams: Streams, i: int) -> None:
    """Open the stream of environment i's next episode."""
    streams.episode[i] += 1
    streams.draws[i] = 0


@device_function
def uniform(streams: Streams, i: int) -> np.float32:
    """Draw a float32 in [0, 1) for environment i and advance its counter."""
    word, _, _, _ = philox(
        np.uint64(streams.draws[i]),
        np.uint64(streams.episode[i]) & _WORD,
        np.uint64(streams.environment[i]),
        np.uint64(0),
        streams.key[0],
        streams.key[1],
    )
    streams.draws[i] += 1
    return np.float32(word >> _SHIFT_FLOAT) * _UNIT_24


@device_function
def below(streams: Streams, i: int, limit: int) -> int:
    """Draw an integer in [0, limit)."""
    return min(int(uniform(streams, i) * np.float32(limit)), limit - 1)


@device_function
def yaw(streams: Streams, i: int) -> np.float32:
    """Draw a direction in [-180, 180) degrees."""
    return uniform(streams, i) * _FULL_TURN - _HALF_TURN

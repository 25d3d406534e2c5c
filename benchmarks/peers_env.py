"""What every worker of `peers.py` shares: the environment, and how a measurement is asked for and answered.

Needs NumPy alone; each worker dresses the environment as its library wants it.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

HEIGHT, WIDTH, ACTIONS = 72, 96, 9
BANK = 256  # random pictures, more than fit into the processor's inner caches


class Options(NamedTuple):
    """The command line of a worker."""

    batch: int
    unroll: int
    threads: int
    episode: int


def options() -> Options:
    return Options(*map(int, sys.argv[1:5]))


class CheapEnvs:
    """B environments that cost next to nothing: a step returns B neighbouring pictures of a bank, without a copy.

    Actions are ignored, rewards are drawn once, and each episode has the same length; the environments end theirs at
    different times. A row that ends an episode shows the first picture of the next one.
    """

    def __init__(self, batch: int, episode: int, channels_first: bool = False) -> None:
        generator = np.random.default_rng(0)
        bank = generator.integers(0, 256, (BANK + batch, HEIGHT, WIDTH, 3), dtype=np.uint8)
        self.bank = np.ascontiguousarray(bank.transpose(0, 3, 1, 2)) if channels_first else bank
        self.rewards = generator.random(BANK + batch, dtype=np.float32)
        self.batch, self.episode = batch, episode
        self.age = np.arange(batch) * episode // batch
        self.time = 0

    def pictures(self) -> np.ndarray:
        """uint8 [B, H, W, 3], or [B, 3, H, W] if channels come first; never written to."""
        start = self.time * 7 % BANK
        return self.bank[start : start + self.batch]

    def step(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pictures, rewards float32 [B], and where an episode ended, bool [B]."""
        self.time += 1
        self.age += 1
        ended = self.age >= self.episode
        self.age[ended] = 0
        start = self.time * 7 % BANK
        return self.pictures(), self.rewards[start : start + self.batch], ended


def peak_mebibytes() -> float:
    """The most memory this process has had resident, on Linux."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found.group(1)) / 1024 if found else float("nan")


def serve(update: Callable[[], object], parameters: int) -> None:
    """Answer each number of updates on standard input with seconds and peak memory; at first, with the network's size.

    An update is one unroll of acting and one gradient step on it.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # some libraries chat on standard output
    update()
    print(parameters, file=answers)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            update()
        print(time.perf_counter() - start, peak_mebibytes(), file=answers)

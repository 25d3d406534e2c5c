"""An environment for worker processes that shows its own count and fails on demand; imports no torch."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

from envs.errors import Incurable

CHILDREN: list[Any] = []


class Toy(gymnasium.Env):
    """Episodes of `length` steps; observations are (steps in the episode, its seed, 1 + last action).

    `faults` maps (seed, step) to what happens there; step 0 is the reset.
    """

    action_space = Discrete(5)
    observation_space = Box(-1.0, 2.0**31, (3,), np.float64)

    def __init__(self, length=4, faults=None, truncate=False, clip=False):
        self.length, self.faults, self.truncate = length, faults or {}, truncate
        self.obs = np.zeros(3)  # one buffer for all observations: whoever wants to keep one must copy it
        if clip:
            self.observation_space = Discrete(3)

    def reset(self, *, seed=None, options=None):
        assert seed is not None
        self.steps, self.seed = 0, seed
        self._fail()
        self.obs[:] = 0, seed, 0
        return self.obs, {}

    def step(self, action):
        self.steps += 1
        self._fail()
        self.obs[:] = self.steps, self.seed, 1 + action
        over = self.steps == self.length
        if self.faults.get((self.seed, self.steps)) == "shape":
            return np.zeros(4), 0.0, False, False, {}
        return self.obs, float(self.steps), over and not self.truncate, over and self.truncate, {"ignored": object}

    def _fail(self):
        what = self.faults.get((self.seed, self.steps))
        if what == "raise":
            raise KeyError("as asked")
        if what == "incurable":
            raise Incurable("zip is not there")
        if what == "print":
            os.write(1, b"from C\n")
            print("from Python", flush=True)
        if what == "exit":
            sys.exit(3)
        if what == "leave":
            os._exit(7)
        if what == "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            time.sleep(1000)
        if what == "stuck":  # with the interpreter locked, in the current folder's sight
            open("stuck", "w").close()
            ctypes.PyDLL(None).sleep(1000)
        if what in ("SIGKILL", "SIGSEGV", "SIGSTOP"):
            os.kill(os.getpid(), getattr(signal, what))

    def pid(self):
        return os.getpid()

    def modules(self):
        """What this process has imported, and what it takes for its main module."""
        return {name.partition(".")[0] for name in sys.modules}, sorted(vars(sys.modules["__main__"]))

    def start_child(self):
        CHILDREN.append(subprocess.Popen(["sleep", "1000"]))
        return CHILDREN[-1].pid

    def fails(self):
        raise RuntimeError("called")


def seed_of(worker: int, episode: int) -> int:
    """Tells who it is for: 100 x worker + episode."""
    return 100 * worker + episode

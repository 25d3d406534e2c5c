"""Noticing what is not saved: wrappers of somebody's own that change from episode to episode."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium import Space
from gymnasium.vector import VectorEnv
from gymnasium.wrappers.utils import RunningMeanStd

from envs.gymnasium.statistics import AnyEnv, saves_itself, wrappers

KNOWN = ("gymnasium.", "envs.")  # whose wrappers keep nothing beyond an episode, or are saved
OF_ANY = {"_cached_spec", "_metadata", "_saved_kwargs"}  # what each wrapper of Gymnasium has
NO_STATE = (gymnasium.Env, VectorEnv, Space, RunningMeanStd, np.random.Generator)


class Watch:
    """Compares the wrappers around an environment at the beginning of its first two episodes, and reports once."""

    def __init__(self, env: AnyEnv, name: str) -> None:
        self._name = name
        self._wrappers = [w for w in wrappers(env) if not (saves_itself(w) or type(w).__module__.startswith(KNOWN))]
        self._first: list[dict[str, bytes]] | None = None

    def episode_begins(self) -> None:
        """To be called behind each reset."""
        if not self._wrappers:
            return
        now = [dict(_attributes(wrapper)) for wrapper in self._wrappers]
        if self._first is None:
            self._first = now
            return
        for wrapper, then, seen in zip(self._wrappers, self._first, now, strict=True):
            if changed := sorted(key for key in then.keys() | seen.keys() if then.get(key) != seen.get(key)):
                print(
                    f"{self._name}: wrapper {type(wrapper).__name__} changes from episode to episode "
                    f"({', '.join(changed)}). Checkpoints do not hold that: it begins anew in evaluation and where a "
                    "run is resumed, unless the wrapper has state_dict() and load_state_dict()",
                    file=sys.stderr,
                    flush=True,
                )
        self._wrappers = []


def _attributes(wrapper: Any) -> Iterator[tuple[str, bytes]]:
    for name, value in vars(wrapper).items():
        if name in OF_ANY or isinstance(value, NO_STATE):
            continue
        try:
            yield name, pickle.dumps(value)
        except Exception:  # a handle, a function of somebody's: nothing that could be saved
            continue

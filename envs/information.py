"""What environments put into their `info` at the end of an episode, as `EnvStep.info` has it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envs.quantities import plain_number


class EpisodeInfo:
    """Reads chosen keys of the infos of a batch, as Gymnasium's vector environments give them."""

    def __init__(self, name: str, keys: Sequence[str]) -> None:
        """`name` of the environment is for messages."""
        self._name, self._keys = name, keys

    def read(self, infos: Mapping[str, Any], ended: np.ndarray[Any, np.dtype[np.bool_]]) -> Tensor | None:
        """The number under each key in environments that `ended`, bool [B]: float32 [B, N, 2]; None without keys.

        The second number is 1 where there is a value and 0 where there is none, which is said once.
        """
        if not self._keys:
            return None
        rows = np.zeros((len(ended), len(self._keys), 2), np.float32)
        for i in np.flatnonzero(ended).tolist():
            for k, key in enumerate(self._keys):
                number = _number_of(infos, key, i)
                if number is not None:
                    rows[i, k] = number, 1
                else:
                    there = [key for key in infos if not key.startswith("_") and _number_of(infos, key, i) is not None]
                    _say_once(
                        f"{self._name}: `info` has no number {key!r} at the end of an episode, so episode/{key} "
                        f"leaves it out; numbers there are {', '.join(sorted(there)) or 'none'}"
                    )
        return torch.from_numpy(rows)


def _number_of(infos: Mapping[str, Any], key: str, i: int) -> float | None:
    """Of environment i; None where there is no number."""
    values, mask = infos.get(key), infos.get(f"_{key}")
    if not isinstance(values, np.ndarray | list | tuple) or len(values) <= i or (mask is not None and not mask[i]):
        return None
    return plain_number(values[i])


@cache
def _say_once(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

"""What happened in an episode, counted by the rules of a level: what is told of it beside its return.

A level names its counts in `COUNTS`; its state has them in `counts`. Each is a total and a count: what it comes to over
many episodes is the sum of the totals over the sum of the counts. Of things that happen the count is 1, an episode. Of
times it is how often what was waited for came: an episode in which it never came has waited all the same. Means over
what was found alone would call a search short because the episode ended before the long ones could be counted, and the
later in an episode the more so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from envs.minilab.jit import device_function
from envs.minilab.physics import ACTION_REPEAT
from envs.minilab.state import Float32Array

TOTAL, COUNT = range(2)
# Of levels in which something is found again and again.
SUCCESS, FINDS, FIRST, LATER = range(4)
FIND_COUNTS = ("success", "finds", "first_find_steps", "later_find_steps")
_ZERO = np.float32(0)
_ONE = np.float32(1)
_FRAME = np.float32(1 / ACTION_REPEAT)  # in agent steps


class Counts(NamedTuple):
    """Of B environments, N counts each."""

    running: Float32Array  # [B, N, 2] total and count, in the episode that is being played
    ended: Float32Array  # [B, N, 2] in the one before it


def new_counts(num_envs: int, names: tuple[str, ...]) -> Counts:
    """No episode has begun."""
    running, ended = (np.zeros((num_envs, len(names), 2), np.float32) for _ in range(2))
    return Counts(running, ended)


@device_function
def begin_counts(i: int, counts: Counts) -> None:
    """A new episode begins: what was counted in the last one is told."""
    for k in range(counts.running.shape[1]):
        counts.ended[i, k, TOTAL] = counts.running[i, k, TOTAL]
        counts.ended[i, k, COUNT] = counts.running[i, k, COUNT]
        counts.running[i, k, TOTAL] = _ZERO
        counts.running[i, k, COUNT] = _ONE


@device_function
def add(i: int, k: int, counts: Counts) -> None:
    """Count one more of number k."""
    counts.running[i, k, TOTAL] += _ONE


@device_function
def begin_finds(i: int, counts: Counts) -> None:
    """`begin_counts` where `FIND_COUNTS` are the first ones: nothing has been found."""
    begin_counts(i, counts)
    counts.running[i, FIRST, COUNT] = _ZERO
    counts.running[i, LATER, COUNT] = _ZERO


@device_function
def count_search(i: int, found: bool, counts: Counts) -> None:
    """One frame of searching, which may end in a find."""
    running = counts.running
    search = FIRST if running[i, FINDS, TOTAL] == _ZERO else LATER
    running[i, search, TOTAL] += _FRAME
    if found:
        running[i, search, COUNT] += _ONE
        running[i, FINDS, TOTAL] += _ONE
        running[i, SUCCESS, TOTAL] = _ONE

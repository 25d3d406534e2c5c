"""What an environment says in numbers, checked. Worker processes import this module: it does not import torch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

RAW_REWARD = "envs.raw_reward"  # key of an info: the reward below wrappers that normalise it

Array = np.ndarray[Any, np.dtype[Any]]


class BadNumber(ValueError):
    """What should be a number, or one for each environment, and is not."""


def one_number(value: Any, what: str = "the reward") -> float:
    """`value`, a number or an array of one, as a float.

    Raises:
        BadNumber: It is none, or NaN or infinite; the message names `what`.
    """
    if isinstance(value, float) and math.isfinite(value):  # nearly always
        return float(value)
    array = np.asarray(value)
    if array.size != 1:
        raise BadNumber(f"{what} has shape {array.shape}; it must be one number")
    if array.dtype.kind not in "biuf":
        raise BadNumber(f"{what} is {value!r}; it must be a number")
    number = float(array.reshape(()))
    if not np.isfinite(number):
        raise BadNumber(f"{what} is {number}")
    return number


def one_for_each(values: Any, num_envs: int, what: str) -> Array:
    """`values` of B environments as an array [B]; [B, 1] counts as such.

    Raises:
        BadNumber: Another number of them.
    """
    array = np.asarray(values)
    if array.size != num_envs:
        raise BadNumber(f"{what} have shape {array.shape}; they must be one for each of {num_envs} environments")
    return array.reshape(num_envs)  # [B]


def check_finite(values: Any, what: str) -> None:
    """Raise BadNumber, which names `what`, where an array holds NaN or infinity."""
    array = np.asarray(values)
    if array.dtype.kind in "fc" and not (good := np.isfinite(array)).all():
        raise BadNumber(f"{what} holds {array[~good].ravel()[0]}")


def plain_number(value: Any) -> float | None:
    """`value` as a float, where it is a finite number, a yes or no, or an array of one of these; else None."""
    if not isinstance(value, bool | int | float | np.generic | np.ndarray):
        return None
    try:
        number = one_number(value)
    except BadNumber:
        return None
    return number if abs(number) <= float(np.finfo(np.float32).max) else None

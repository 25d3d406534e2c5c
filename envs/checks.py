"""What every back end refuses, in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envs.errors import EnvironmentFailure
from envs.quantities import Array


def check_seed(seed: int) -> None:
    """Raise ValueError for a seed outside [0, 2**63)."""
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed is {seed}; it must lie in [0, 2**63)")


def check_actions(actions: Tensor, num_envs: int, num_actions: int, device: torch.device) -> None:
    """Raise ValueError for actions that are not int64 [B] on `device`, or (on the CPU) not in [0, num_actions).

    On a GPU their range is not looked at, because asking would mean to wait for it.
    """
    if actions.dtype != torch.int64 or actions.shape != (num_envs,) or actions.device != device:
        mine = f"int64 [{num_envs}] on {device}"
        raise ValueError(f"actions are {actions.dtype} {list(actions.shape)} on {actions.device}; they must be {mine}")
    if device.type == "cpu" and not 0 <= int(actions.min()) <= int(actions.max()) < num_actions:
        low, high = int(actions.min()), int(actions.max())
        raise ValueError(f"actions lie in [{low}, {high}]; allowed: [0, {num_actions - 1}]")


def check_finite_rows(name: str, what: str, values: Array, told: Array) -> None:
    """Raise EnvironmentFailure for the first of B rows that holds NaN or infinity.

    Args:
        name: of the environments.
        what: "reward" or "observation".
        values: float32 [B, ...].
        told: the same as the environment gave them, which float32 may not have been able to hold.
    """
    if (good := np.isfinite(values)).all():
        return
    i = int(np.flatnonzero(~good.reshape(len(values), -1).all(1))[0])
    bad = np.asarray(told)[i][~good[i]].ravel()[0]
    verb = "is" if values.ndim == 1 else "holds"
    raise EnvironmentFailure(f"{name}, environment {i}: the {what} {verb} {bad:g}, no finite number of 32 bits")


def check_identity(saved: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Raise ValueError where a saved state does not belong to the environment that has `identity`."""
    for key, mine in identity.items():
        if saved.get(key) != mine:
            raise ValueError(f"the saved environment has {key} {saved.get(key)!r}, this one {mine!r}")

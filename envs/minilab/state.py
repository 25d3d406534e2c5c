"""Structure-of-arrays state that every level shares: one row for each of B environments."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]


class Body(NamedTuple):
    """The agent, in DeepMind Lab's units."""

    frame: Int32Array  # [B] engine frames since the episode began
    x: Float32Array  # [B] east
    y: Float32Array  # [B] north
    yaw: Float32Array  # [B] degrees in [-180, 180), counter-clockwise from east
    vx: Float32Array  # [B] units per engine second
    vy: Float32Array  # [B]
    eye: Float32Array  # [B] height of the eye


class Outputs(NamedTuple):
    """What a launcher writes for the agent (see `envs.api.EnvStep`)."""

    obs: npt.NDArray[np.uint8]  # [B, H, W, 3]
    reward: Float32Array  # [B]
    terminated: BoolArray  # [B]
    truncated: BoolArray  # [B]
    is_first: BoolArray  # [B]


def new_body(num_envs: int) -> Body:
    """Bodies at the origin; a level's reset places them."""
    frame = np.zeros(num_envs, np.int32)
    x, y, yaw, vx, vy, eye = (np.zeros(num_envs, np.float32) for _ in range(6))
    return Body(frame, x, y, yaw, vx, vy, eye)


def new_outputs(num_envs: int, height: int, width: int) -> Outputs:
    """Zeroed buffers, written in place by every step."""
    return Outputs(
        obs=np.zeros((num_envs, height, width, 3), np.uint8),
        reward=np.zeros(num_envs, np.float32),
        terminated=np.zeros(num_envs, np.bool_),
        truncated=np.zeros(num_envs, np.bool_),
        is_first=np.zeros(num_envs, np.bool_),
    )


def to_tensors(part: Any, device: torch.device) -> dict[str, torch.Tensor]:
    """The arrays of a (nested) named tuple as tensors on `device`, by dotted name; on the CPU they share memory."""
    return {name: torch.from_numpy(array).to(device) for name, array in named_arrays(part).items()}


def named_arrays(state: Any, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """Every array of a (nested) named tuple under its dotted name."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, value in state._asdict().items():
        if isinstance(value, np.ndarray):
            arrays[prefix + name] = value
        else:
            arrays.update(named_arrays(value, f"{prefix}{name}."))
    return arrays

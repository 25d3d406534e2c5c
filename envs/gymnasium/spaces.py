"""Gymnasium's spaces as the agent has them: pictures or vectors to see, and numbered actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from gymnasium import Space
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.spaces.utils import flatdim
from gymnasium.vector.utils import concatenate, create_empty_array
from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]
Layout = Literal["HWC", "CHW", "HW"]
CHANNELS = (1, 3, 4)  # grey, colour, and four of either: what tells channels first from channels last
MAX_ACTIONS = 1024  # of combined ones


class Observations:
    """Turns batches of one observation space into tensors.

    Bytes of three dimensions (or two: grey) are pictures, uint8 [B, H, W, C] with the channels last in memory.
    Everything else becomes a vector, float32 [B, F]: numbers as they are, choices one-hot, parts one after another in
    the order of the space (as `gymnasium.spaces.flatten` has it).

    Attributes:
        shape: (H, W, C) or (F,).
    """

    shape: tuple[int, ...]

    def __init__(self, space: Space[Any], height: int | None, width: int | None) -> None:
        """`height` and `width`, where given, are the size that pictures are brought to.

        Raises:
            ValueError: a space without a fixed number of numbers, or a size asked for that is not a picture's.
        """
        self.space = space
        check_numbers(space)
        self.layout = _layout(space)
        if self.layout is None:
            if height is not None or width is not None:
                raise ValueError(f"height and width are for pictures; the observations here are {space}")
            self.shape = (flatdim(space),)
            return
        assert space.shape is not None
        h, w, c = _hwc(np.empty((1, *space.shape), np.uint8), self.layout).shape[1:]
        self.shape = (height or h, width or w, c)

    def __call__(self, batch: Any) -> Tensor:
        """`batch` as a vector environment gives it; the tensor may share its memory."""
        if self.layout is None:
            columns = _columns(self.space, batch)
            return torch.from_numpy(columns[0] if len(columns) == 1 else np.concatenate(columns, 1))  # [B, F]
        pixels = _hwc(np.require(batch, np.uint8, "W"), self.layout)  # [B, h, w, C]
        tensor = torch.from_numpy(np.ascontiguousarray(pixels))
        if tensor.shape[1:3] == self.shape[:2]:
            return tensor  # [B, H, W, C]
        resized = torch.nn.functional.interpolate(
            tensor.permute(0, 3, 1, 2), size=self.shape[:2], mode="bilinear", antialias=True
        )  # [B, C, H, W]
        return resized.permute(0, 2, 3, 1).contiguous()  # [B, H, W, C]

    def stack(self, singles: Sequence[Any]) -> Tensor:
        """N observations of single environments: [N, ...]."""
        out: Any = create_empty_array(self.space, len(singles))
        return self(concatenate(self.space, singles, out))


def action_table(space: Space[Any]) -> Array:
    """What each numbered action is to the environment: [A] of a choice, [A, ...] where several are made at once.

    Raises:
        ValueError: actions that are not choices, or too many combinations.
    """
    if isinstance(space, Discrete):
        return np.arange(space.n, dtype=np.int64) + space.start  # [A]
    if isinstance(space, MultiDiscrete | MultiBinary):
        assert space.shape is not None
        sizes = np.full(space.shape, 2) if isinstance(space, MultiBinary) else space.nvec
        if (total := int(np.prod(sizes.astype(np.float64)))) <= MAX_ACTIONS:
            table = np.stack(np.unravel_index(np.arange(total), sizes.ravel()), -1).reshape(total, *space.shape)
            return (table + getattr(space, "start", 0)).astype(space.dtype)  # [A, ...]
        raise ValueError(f"actions are {space}, {total} combinations; allowed: {MAX_ACTIONS}. A wrapper can name fewer")
    raise ValueError(
        f"actions are {space}, but must be discrete: wrap the environment in a gymnasium.ActionWrapper whose "
        "action_space is Discrete(n) and whose action(i) says what choice i is"
    )


def _layout(space: Space[Any]) -> Layout | None:
    """How pictures lie in memory; None for what is not a picture."""
    if not isinstance(space, Box) or space.dtype != np.uint8 or len(space.shape) not in (2, 3):
        return None
    if len(space.shape) == 2:
        return "HW"
    return "CHW" if space.shape[0] in CHANNELS and space.shape[2] not in CHANNELS else "HWC"


def _hwc(batch: Array, layout: Layout) -> Array:
    """A view with the channels as the last dimension: [B, H, W, C]."""
    if layout == "HW":
        return batch[..., None]
    return batch.transpose(0, 2, 3, 1) if layout == "CHW" else batch


def check_numbers(space: Space[Any]) -> None:
    """Raise ValueError where observations of `space` are no fixed number of numbers, or none at all."""
    _check_fixed(space)
    if flatdim(space) == 0:
        raise ValueError(f"observations of {space} hold no numbers at all")


def _check_fixed(space: Space[Any]) -> None:
    if isinstance(space, Dict | Tuple):
        for part in _parts(space).values():
            _check_fixed(part)
    elif not isinstance(space, Box | Discrete | MultiDiscrete | MultiBinary):
        raise ValueError(
            f"observations of {space} have no fixed number of numbers; allowed are Box, Discrete, MultiDiscrete, "
            "MultiBinary, and Dict and Tuple of these: a gymnasium.ObservationWrapper can leave out the rest"
        )


def _parts(space: Dict | Tuple[Any]) -> dict[Any, Space[Any]]:
    return dict(space.items()) if isinstance(space, Dict) else dict(enumerate(space))


def _columns(space: Space[Any], batch: Any) -> list[Array]:
    """The numbers of a batch as float32 [B, n] pieces, in the order of the space."""
    if isinstance(space, Dict | Tuple):
        return [piece for key, part in _parts(space).items() for piece in _columns(part, batch[key])]
    values = np.asarray(batch)
    if isinstance(space, Discrete):
        return [_one_hot(values - space.start, int(space.n))]
    if isinstance(space, MultiDiscrete):
        choices = (values - space.start).reshape(len(values), -1)  # [B, n]
        return [_one_hot(choices[:, i], int(n)) for i, n in enumerate(space.nvec.ravel())]
    return [np.require(values.reshape(len(values), -1), np.float32, ["C", "W"])]


def _one_hot(choices: Array, n: int) -> Array:
    return (choices[:, None] == np.arange(n)).astype(np.float32)  # [B, n]

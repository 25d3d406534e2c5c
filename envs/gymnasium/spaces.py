"""Gymnasium's spaces as the agent has them: pictures or vectors to see, and numbered actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import Space
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.spaces.utils import flatdim
from gymnasium.vector.utils import concatenate, create_empty_array
from torch import Tensor

from envs.checks import check_finite_rows
from envs.config import Observation
from envs.gymnasium.reading import Bounds, Layout, Reading, describe, is_grid, kinds, parts, read
from envs.quantities import Array, BadNumber

MAX_ACTIONS = 1024  # of combined ones


class Observations:
    """Turns batches of one observation space into tensors.

    Pictures become uint8 [B, H, W, C] with the channels last in memory, frames of a stack one behind another in the
    channels, numbers that are no bytes scaled from the bounds of the space to 0..255. Everything else becomes a vector,
    float32 [B, F]: numbers as they are, choices (and the cells of grids) one-hot, parts one after another in the order
    of the space (as `gymnasium.spaces.flatten` has it).

    Attributes:
        shape: (H, W, C) or (F,).
        words: how the observations are read, for people.
    """

    shape: tuple[int, ...]

    def __init__(
        self,
        space: Space[Any],
        height: int | None = None,
        width: int | None = None,
        wanted: Observation = "auto",
        name: str = "environments",
    ) -> None:
        """Decide how to read `space`.

        Args:
            space: of one observation.
            height: what pictures are brought to, where given.
            width: likewise.
            wanted: how to read them.
            name: of the environments, for messages.

        Raises:
            ValueError: a space without a fixed number of numbers, one that could be read in several ways, or a size
                asked for that is not a picture's.
        """
        sized = height is not None or width is not None
        self.space, self.name = space, name
        self.reading: Reading = read(space, wanted, sized=sized)
        if self.reading.kind == "picture":
            assert space.shape is not None
            h, w, c = _hwc(np.empty((1, *space.shape), np.uint8), self.reading.layout).shape[1:]
            self.shape = (height or h, width or w, c)
        elif sized:
            raise ValueError(f"height and width are for pictures; the observations here are {space}")
        else:
            self.shape = (_width(space, self._grid),)
        self.words = f"observations, {describe(space)}, are read as {self._words()}"

    def __call__(self, batch: Any) -> Tensor:
        """`batch` as a vector environment gives it; the tensor may share its memory.

        Raises EnvironmentFailure for NaN, infinity, and numbers outside the bounds of a picture.
        """
        if self.reading.kind != "picture":
            columns = _columns(self.space, batch, self._grid)
            vectors = columns[0] if len(columns) == 1 else np.concatenate(columns, 1)  # [B, F]
            check_finite_rows(self.name, "observation", vectors, vectors)
            return torch.from_numpy(vectors)
        if self.reading.scale is not None:
            check_finite_rows(self.name, "observation", np.asarray(batch), np.asarray(batch))
            batch = _bytes(np.asarray(batch), self.reading.scale)
        pixels = _hwc(np.require(batch, np.uint8, "W"), self.reading.layout)  # [B, h, w, C]
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

    @property
    def _grid(self) -> bool:
        return self.reading.kind == "grid"

    def _words(self) -> str:
        if self.reading.kind != "picture":
            made = f"a vector of {self.shape[0]:,} numbers"
            return f"a grid, one-hot: {made}" if self._grid else made
        height, width, channels = self.shape
        first, scale = self.reading.layout in ("CHW", "NCHW"), self.reading.scale
        words = [f"a picture of {height} x {width} with {channels} channel{'s' * (channels > 1)}"]
        if self.reading.layout.startswith("N"):
            assert self.space.shape is not None
            words.append(f"{self.space.shape[0]} frames one behind another")
        words += ["channels first"] * first + ([] if scale is None else [f"{scale[0]:g} to {scale[1]:g} as 0 to 255"])
        return ", ".join(words)


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


def _hwc(batch: Array, layout: Layout) -> Array:
    """The channels as the last dimension, all frames' in one: [B, H, W, C]."""
    if layout == "HW":
        return batch[..., None]
    if layout in ("HWC", "CHW"):
        return batch.transpose(0, 2, 3, 1) if layout == "CHW" else batch
    frames = batch.transpose((0, 2, 3, 1, 4) if layout == "NHWC" else (0, 3, 4, 1, 2))  # [B, H, W, N, C]
    return frames.reshape(*frames.shape[:3], -1)  # [B, H, W, N * C]


def _bytes(batch: Array, scale: Bounds) -> Array:
    """Numbers within `scale` as bytes. Raises BadNumber for others, which no bounds of their space allow."""
    low, high = scale
    for told in (batch.min(), batch.max()):
        if not low - 1e-3 * (high - low) <= told <= high + 1e-3 * (high - low):
            raise BadNumber(f"the observation holds {told:g}, and its space says {low:g} to {high:g}")
    return np.rint((batch.astype(np.float32) - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)


def _columns(space: Space[Any], batch: Any, grid: bool) -> list[Array]:
    """The numbers of a batch as float32 [B, n] pieces, in the order of the space; `grid`: whole ones one-hot."""
    if isinstance(space, Dict | Tuple):
        return [piece for key, part in parts(space).items() for piece in _columns(part, batch[key], grid)]
    values = np.asarray(batch)
    if isinstance(space, Discrete):
        return [_one_hot(values - space.start, int(space.n))]
    if isinstance(space, MultiDiscrete):
        choices = (values - space.start).reshape(len(values), -1)  # [B, n]
        return [_one_hot(choices[:, i], int(n)) for i, n in enumerate(space.nvec.ravel())]
    flat = values.reshape(len(values), -1)  # [B, n]
    if grid and is_grid(space):
        assert isinstance(space, Box)
        low, count = kinds(space)
        cells = flat.astype(np.int64) - low
        if cells.size and not 0 <= cells.min() <= cells.max() < count:
            bad = int(flat.max() if cells.max() >= count else flat.min())
            raise BadNumber(f"the observation holds {bad}; a cell of the grid has {count} kinds, from {low} on")
        return [_one_hot(cells.ravel(), count).reshape(len(flat), -1)]
    with np.errstate(over="ignore"):  # what float32 cannot hold is told
        return [np.require(flat, np.float32, ["C", "W"])]


def _width(space: Space[Any], grid: bool) -> int:
    """How many numbers `_columns` gives for one observation."""
    if isinstance(space, Dict | Tuple):
        return sum(_width(part, grid) for part in parts(space).values())
    if grid and is_grid(space):
        assert isinstance(space, Box)
        return flatdim(space) * kinds(space)[1]
    return flatdim(space)


def _one_hot(choices: Array, n: int) -> Array:
    return (choices[:, None] == np.arange(n)).astype(np.float32)  # [B, n]

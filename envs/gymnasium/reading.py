"""How observations of a Gymnasium space are read: as pictures, as vectors, or as grids of kinds."""

from __future__ import annotations

import contextlib
from typing import Any, Literal, NamedTuple

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.spaces.utils import flatdim

from envs.config import Observation

Layout = Literal["HW", "HWC", "CHW", "NHWC", "NCHW"]  # N frames, each a picture
Bounds = tuple[float, float]

CHANNELS = (1, 3, 4)  # of one frame: grey, colour, and colour with transparency
SMALLEST = 20  # pixels a side: smaller pictures are of no use to an encoder
WIDEST = 65_535  # a range that means something; beyond it stand the limits of a type
MAX_KINDS = 32  # of one cell of a grid


class Reading(NamedTuple):
    """What the agent makes of the observations of one space."""

    kind: Literal["picture", "vector", "grid"]
    layout: Layout = "HWC"  # of pictures
    scale: Bounds | None = None  # of pictures whose numbers are not bytes: what becomes 0 and 255


def read(space: Space[Any], wanted: Observation, *, sized: bool = False) -> Reading:
    """Decide how to read `space`; `sized`: a size of pictures was asked for, so that they must be some.

    Raises:
        ValueError: no numbers, what is wanted cannot be had, or (`auto`) it could be read in more than one way.
    """
    check_numbers(space)
    if wanted == "auto" and sized and isinstance(space, Box) and len(space.shape) > 1:
        wanted = "picture"
    if wanted == "auto":
        return _read_parts(space) if isinstance(space, Dict | Tuple) else _guess(space)
    if wanted == "picture":
        return _picture(space)
    if wanted == "grid" and not any(is_grid(part) for _, part in boxes(space)):
        raise ValueError(f"observations are {describe(space)}, no whole numbers: they cannot be read as a grid")
    return Reading(wanted)


def _read_parts(space: Dict | Tuple[Any]) -> Reading:
    for name, part in boxes(space):
        with contextlib.suppress(ValueError):
            if _guess(part).kind == "vector":
                continue
        raise ValueError(
            f"part {name} of the observations, {describe(part)}, may be a picture: `--observation vector` reads all "
            "parts as one row of numbers, `grid` whole ones one-hot; a TransformObservation wrapper can pick one part"
        )
    return Reading("vector")


def _guess(space: Space[Any]) -> Reading:
    """Of one part: what can mean one thing only."""
    if not isinstance(space, Box) or len(space.shape) < 2 or space.dtype == np.bool_:
        return Reading("vector")
    layout, limits = _layout(space.shape), bounds(space)
    if layout is not None and (space.dtype == np.uint8 or (limits is not None and len(space.shape) > 2)):
        return _picture(space)
    if space.dtype == np.uint8:
        small = sorted(space.shape)[-2] < SMALLEST
        what = "a small picture or a grid of kinds" if small else "a picture whose channels could be its sides"
        raise ValueError(
            f"observations are {describe(space)}, {what}: say `--observation picture`, `grid` (one-hot) or `vector`"
        )
    if layout is not None and limits is not None:
        raise ValueError(
            f"observations are {describe(space)}, a grey picture or a table: say `--observation picture` or `vector`"
        )
    if layout is not None and len(space.shape) > 2:
        raise ValueError(
            f"observations are {describe(space)}, the shape of a picture but no bounds to scale it by: say "
            f"`--observation vector` for {flatdim(space):,} numbers as they are, or give the space a picture's bounds"
        )
    return Reading("vector")


def _picture(space: Space[Any]) -> Reading:
    if not isinstance(space, Box) or not 2 <= len(space.shape) <= 4:
        raise ValueError(f"observations are {describe(space)}: they cannot be read as a picture")
    if (limits := bounds(space)) is None:
        raise ValueError(f"observations are {describe(space)}, a picture's need bounds in their space to be scaled by")
    layout = _layout(space.shape) or _best_layout(space.shape)
    return Reading("picture", layout, None if limits == (0, 255) and space.dtype == np.uint8 else limits)


def _layout(shape: tuple[int, ...]) -> Layout | None:
    """How a picture of this shape lies in memory; None where it is too small for one, or it cannot be told."""
    if len(shape) == 2:
        return "HW" if min(shape) >= SMALLEST else None
    if len(shape) == 3:
        first, middle, last = shape
        if last < min(first, middle):  # channels are fewer than pixels
            return "HWC" if min(first, middle) >= SMALLEST else None
        return "CHW" if first < min(middle, last) and min(middle, last) >= SMALLEST else None
    if len(shape) == 4 and (inner := _layout(shape[1:])) is not None:
        return _stacked(inner) if shape[1 if inner == "CHW" else 3] in CHANNELS else None
    return None


def _best_layout(shape: tuple[int, ...]) -> Layout:
    """Of a picture by somebody's word, small or odd: channels are last unless only the first could be."""
    if len(shape) == 4:
        return _stacked(_best_layout(shape[1:]))
    if len(shape) == 2:
        return "HW"
    return "CHW" if shape[0] in CHANNELS and shape[2] not in CHANNELS else "HWC"


def _stacked(inner: Layout) -> Layout:
    return "NCHW" if inner == "CHW" else "NHWC"


def bounds(space: Box) -> Bounds | None:
    """The range of all numbers; None where it is a type's, or infinite."""
    low, high = float(space.low.min()), float(space.high.max())
    return (low, high) if 0 < high - low <= WIDEST else None


def is_grid(space: Space[Any]) -> bool:
    """Whether the numbers of `space` are whole, so that each may stand for a kind of thing."""
    return isinstance(space, Box) and space.dtype.kind in "uib"


def kinds(space: Box) -> tuple[int, int]:
    """The lowest number in a cell of a grid, and how many there may be.

    Bytes from 0 to 255 are what environments declare that have far fewer (MiniGrid); they are taken for `MAX_KINDS`.

    Raises:
        ValueError: too many.
    """
    low, high = int(space.low.min()), int(space.high.max())
    if (low, high) == (0, 255) and space.dtype == np.uint8:
        return 0, MAX_KINDS
    if (count := high - low + 1) > MAX_KINDS:
        raise ValueError(
            f"observations are {describe(space)}: {count:,} kinds in a cell, a grid has {MAX_KINDS} at most; say "
            "`--observation vector`, or give the space closer bounds"
        )
    return low, count


def parts(space: Dict | Tuple[Any]) -> dict[Any, Space[Any]]:
    """The parts of a space by their keys or numbers."""
    return dict(space.items()) if isinstance(space, Dict) else dict(enumerate(space))


def boxes(space: Space[Any], name: str = "") -> list[tuple[str, Box]]:
    """All arrays in a space, with the keys that lead to them."""
    if isinstance(space, Dict | Tuple):
        return [found for key, part in parts(space).items() for found in boxes(part, f"{name}[{key!r}]")]
    return [(name, space)] if isinstance(space, Box) else []


def check_numbers(space: Space[Any]) -> None:
    """Raise ValueError where observations of `space` are no fixed number of numbers, or none at all."""
    _check_fixed(space)
    if flatdim(space) == 0:
        raise ValueError(f"observations of {space} hold no numbers at all")


def _check_fixed(space: Space[Any]) -> None:
    if isinstance(space, Dict | Tuple):
        for part in parts(space).values():
            _check_fixed(part)
    elif not isinstance(space, Box | Discrete | MultiDiscrete | MultiBinary):
        raise ValueError(
            f"observations of {space} have no fixed number of numbers; allowed are Box, Discrete, MultiDiscrete, "
            "MultiBinary, and Dict and Tuple of these: a gymnasium.ObservationWrapper can leave out the rest"
        )


def describe(space: Space[Any]) -> str:
    """A space in a few words: `uint8 (7, 7, 3) from 0 to 255`."""
    if not isinstance(space, Box):
        return str(space)
    limits = bounds(space)
    return f"{space.dtype} {space.shape}" + (f" from {limits[0]:g} to {limits[1]:g}" if limits else " without bounds")

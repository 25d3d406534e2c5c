"""What is in a drawn picture, before it is drawn: everything here is drawn from a seed alone."""

from __future__ import annotations

import colorsys
from typing import NamedTuple

import numpy as np
from pydantic import Field

from configs import Frozen

PARTS = ("block", "ball", "cone", "cross", "ring")
# Neighbours in the ring of parts, in both orders: each part is below in two classes and on top in two others, so that
# no part tells the class, nor do both without their order.
PAIRS = tuple((i, (i + step) % len(PARTS)) for i in range(len(PARTS)) for step in (1, -1))  # (below, on top)
CLASSES = tuple(f"{PARTS[top]}_on_{PARTS[below]}" for below, top in PAIRS)
TEXTURES = ("stripes", "checks", "dots", "waves")
SPLITS = ("train", "test")
COLUMNS = (1 / 6, 3 / 6, 5 / 6)  # where things stand, in widths
DEPTHS = (0.54, 0.95)  # the rows they stand in, in heights from the top
HEIGHTS = (0.30, 0.41)  # of the things in either row


class SceneConfig(Frozen):
    """What the pictures are like: how hard they are, and which shortcuts they offer."""

    size: int = Field(default=64, ge=32, le=512, description="Pixels of a side.")
    jitter: float = Field(default=1.0, ge=0, le=1.5, description="Distance of things from their usual places.")
    contrast: float = Field(default=0.5, ge=0, le=1, description="Brightness of all things above the ground.")
    texture: float = Field(default=1.0, ge=0, le=4, description="Strength of the texture on everything.")
    noise: float = Field(default=0.03, ge=0, le=1, description="Standard deviation of a pixel's noise; white is 1.")
    strangers: float = Field(default=0.0, ge=0, le=0.5, description="Share of things that belong to any class.")
    cast: float = Field(default=0.0, ge=0, le=1, description="Shortcut: a tint over the whole picture.")
    fringe: float = Field(default=0.0, ge=0, le=4, description="Shortcut: colours out of register; pixels at a corner.")
    lines: int = Field(default=0, ge=0, le=16, description="Shortcut: lines from edge to edge, over all patch seams.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of everything drawn.")


class Texture(NamedTuple):
    """A pattern on the ground and on all things."""

    kind: str
    angle: float  # radians
    frequency: float  # periods across the picture
    phase: float  # radians


class Thing(NamedTuple):
    """Two parts, one on the other; in picture heights."""

    x: float  # of its middle
    y: float  # of its foot, from the top
    height: float
    below: int  # which part
    top: int


class Line(NamedTuple):
    """A straight line across the picture."""

    angle: float  # of its normal, radians
    offset: float  # from the centre, in picture heights
    shade: float  # black 0, white 1


class Scene(NamedTuple):
    """One picture's latents: all but `things` hold over the whole of it."""

    label: int
    horizon: float  # from the top, in picture heights
    light: float  # radians from overhead; positive: from the right
    palette: np.ndarray  # float64 [4, 3]: sky, ground, lower parts, upper parts
    texture: Texture
    things: tuple[Thing, ...]  # from the back to the front
    cast: np.ndarray  # float64 [3]: gain of each channel at full strength
    fringe: float  # of the strength asked for, 0.5 to 1
    lines: tuple[Line, ...]


def labels_of(config: SceneConfig, split: str, count: int) -> np.ndarray:
    """Classes int64 [count]: each as often as any other (to within one), in an order of the seed's."""
    rng = np.random.default_rng([config.seed, SPLITS.index(split), 1])
    return rng.permutation(np.arange(count, dtype=np.int64) % len(CLASSES))


def draw_scene(config: SceneConfig, split: str, index: int, label: int) -> Scene:
    """Picture `index` of a split. Only `things` depends on `label`; what is no shortcut depends on no shortcut."""
    rng = np.random.default_rng([config.seed, SPLITS.index(split), 0, index])
    horizon, light = rng.uniform(0.18, 0.34), rng.uniform(-1.2, 1.2)
    palette = _palette(rng, config.contrast)
    texture = Texture(
        TEXTURES[rng.integers(len(TEXTURES))], rng.uniform(0, np.pi), rng.uniform(7, 12), rng.uniform(0, 2 * np.pi)
    )
    things = _things(rng, config, label)
    rng = np.random.default_rng([config.seed, SPLITS.index(split), 2, index])
    lines = tuple(Line(rng.uniform(0, np.pi), rng.uniform(-0.45, 0.45), rng.uniform()) for _ in range(config.lines))
    rng = np.random.default_rng([config.seed, SPLITS.index(split), 3, index])
    return Scene(label, horizon, light, palette, texture, things, rng.uniform(0.3, 1, 3), rng.uniform(0.5, 1), lines)


def _palette(rng: np.random.Generator, contrast: float) -> np.ndarray:
    """Four colours that go together: their hues follow from one hue and one distance."""
    hue, distance = rng.uniform(), rng.uniform(0.08, 0.45) * rng.choice((-1, 1))
    sky = (hue, rng.uniform(0.2, 0.5), rng.uniform(0.65, 0.95))
    ground = (hue + distance, rng.uniform(0.3, 0.6), rng.uniform(0.3 - 0.1 * contrast, 0.5 - 0.15 * contrast))
    below, top = (
        (
            hue + turn * distance,
            rng.uniform(0.4 - 0.2 * contrast, 0.8 - 0.3 * contrast),
            rng.uniform(0.7 + 0.15 * contrast, 1),
        )
        for turn in (-1, 2)
    )
    return np.array([colorsys.hsv_to_rgb(h % 1, s, v) for h, s, v in (sky, ground, below, top)])


def _things(rng: np.random.Generator, config: SceneConfig, label: int) -> tuple[Thing, ...]:
    """Three to six things, all of the picture's class but for strangers."""
    absent = set(rng.choice(6, rng.integers(0, 4), replace=False).tolist())
    things = []
    for place in range(6):
        depth, column = divmod(place, 3)
        move, grow = rng.uniform(-1, 1, 2), rng.uniform(-1, 1)
        stranger, other = rng.uniform() < config.strangers, int(rng.integers(len(PAIRS)))
        if place in absent:
            continue
        below, top = PAIRS[other if stranger else label]
        x = COLUMNS[column] + config.jitter * 0.16 * move[0]
        y = DEPTHS[depth] + config.jitter * (0.10, 0.06)[depth] * move[1]
        things.append(Thing(x, y, HEIGHTS[depth] * (1 + config.jitter * 0.24 * grow), below, top))
    return tuple(sorted(things, key=lambda thing: thing.y))

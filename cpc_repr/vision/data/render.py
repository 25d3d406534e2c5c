"""Draws a `Scene`: each pixel from distances to outlines, so that any size is drawn as sharp as it can be."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from cpc_repr.vision.data.scenes import PARTS, SPLITS, Line, Scene, SceneConfig, Texture, Thing, draw_scene

Canvas = np.ndarray  # float32 [3, H, W]; white is 1
Field = np.ndarray  # float32 [H, W]


def draw_picture(config: SceneConfig, split: str, index: int, label: int) -> np.ndarray:
    """Picture `index` of a split, uint8 [3, size, size]; the same whichever others are drawn."""
    picture = render(draw_scene(config, split, index, label), config)
    rng = np.random.default_rng([config.seed, SPLITS.index(split), 4, index])
    picture += config.noise * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


def render(scene: Scene, config: SceneConfig) -> Canvas:
    """`scene` without noise, with the shortcuts of `config`."""
    size = config.size
    x, y = _grid(size)
    pattern = 0.08 * config.texture * texture(scene.texture, x, y)
    canvas = _background(scene, x, y, pattern)
    for thing in scene.things:
        _shadow(canvas, thing, scene.light, size)
    for thing in scene.things:
        for part, low, colour in ((thing.below, 0.0, scene.palette[2]), (thing.top, 0.5, scene.palette[3])):
            _part(canvas, PARTS[part], thing, low, colour, scene.light, pattern)
    for line in scene.lines:
        _line(canvas, line, x, y)
    if config.fringe:
        canvas = _fringe(canvas, config.fringe * scene.fringe)
    if config.cast:
        canvas *= (1 - config.cast * (1 - scene.cast)).astype(np.float32)[:, None, None]
    return canvas


def texture(pattern: Texture, x: Field, y: Field) -> Field:
    """Between -1 and 1 at the points (x, y)."""
    turn = 2 * math.pi * pattern.frequency
    c, s = math.cos(pattern.angle), math.sin(pattern.angle)
    along, across = turn * (c * x + s * y) + pattern.phase, turn * (c * y - s * x)
    match pattern.kind:
        case "stripes":
            return np.sin(along)
        case "checks":
            return np.tanh(4 * np.sin(along) * np.sin(across))
        case "dots":
            return np.tanh(6 * (np.cos(along) + np.cos(across) - 1.0))
        case _:  # waves
            return np.sin(along + 1.5 * np.sin(0.7 * across))


def outline(part: str, x: Field, y: Field) -> Field:
    """Signed distance to a part of the box [-1, 1]^2, y downwards; negative inside."""
    match part:
        case "block":
            return np.maximum(abs(x), abs(y)) - 0.9
        case "ball":
            return np.hypot(x, y) - 1.0
        case "cone":
            return np.maximum(y - 0.95, (2.0 * abs(x) - y - 1.0) / math.sqrt(5))
        case "cross":
            narrow, wide = np.minimum(abs(x), abs(y)), np.maximum(abs(x), abs(y))
            return np.maximum(narrow - 0.36, wide - 1.0)
        case _:  # ring
            return abs(np.hypot(x, y) - 0.74) - 0.26


@lru_cache(maxsize=4)
def _grid(size: int) -> tuple[Field, Field]:
    """Centres of pixels, in picture heights."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(at, at)
    return x, y


def _background(scene: Scene, x: Field, y: Field, pattern: Field) -> Canvas:
    """Sky that is bright where the light stands and towards the horizon, ground that is darker nearby."""
    sky, ground = scene.palette[:2].astype(np.float32)[:, :, None, None]
    side = np.float32(math.sin(scene.light)) * (x - 0.5)
    glow = np.exp(-12 * ((x - 0.5 - 0.5 * math.sin(scene.light)) ** 2 + (y - 0.04) ** 2))
    above = sky * (0.75 + 0.35 * y / scene.horizon + 0.3 * side) + 0.35 * glow
    below = ground * (1.15 - 0.35 * y + 0.5 * side) * (1 + pattern * 1.6)
    edge = _cover(scene.horizon - y, len(x))
    return above + edge * (below - above)


def _shadow(canvas: Canvas, thing: Thing, light: float, size: int) -> None:
    """Darken the ground on the side of `thing` that the light does not come from."""
    half = 0.5 * thing.height
    middle = thing.x - 0.6 * half * math.sin(light)
    rows, columns, x, y = _window(size, middle, thing.y, half)
    distance = np.hypot((x - middle) / half, (y - thing.y) / (0.22 * half)) - 1
    canvas[:, rows, columns] *= 1 - 0.45 * (0.5 - 3 * distance).clip(0, 1)


def _part(
    canvas: Canvas, part: str, thing: Thing, low: float, colour: np.ndarray, light: float, pattern: Field
) -> None:
    """Draw a part of `thing` whose lower end is `low` of its height above the foot."""
    half, size = thing.height / 4, len(pattern)
    middle = thing.y - low * thing.height - half
    rows, columns, x, y = _window(size, thing.x, middle, half * 1.1)
    x, y = (x - thing.x) / half, (y - middle) / half
    cover = _cover(outline(part, x, y) * half, size)
    shade = 0.8 + 0.28 * (math.sin(light) * x - math.cos(light) * y)
    surface = colour.astype(np.float32)[:, None, None] * (shade * (1 + pattern[rows, columns]))
    canvas[:, rows, columns] += cover * (surface - canvas[:, rows, columns])


def _line(canvas: Canvas, line: Line, x: Field, y: Field) -> None:
    """Draw a line of 1/50 of the picture's height."""
    distance = abs(math.cos(line.angle) * (x - 0.5) + math.sin(line.angle) * (y - 0.5) - line.offset) - 0.01
    canvas += 0.8 * _cover(distance, len(x)) * (line.shade - canvas)


def _fringe(canvas: Canvas, pixels: float) -> Canvas:
    """Red larger and blue smaller than green, as by a plain lens: by `pixels` at the corners."""
    size = canvas.shape[1]
    zoom = pixels / (size / math.sqrt(2))
    return np.stack([_zoom(canvas[0], 1 + zoom), canvas[1], _zoom(canvas[2], 1 - zoom)])


def _zoom(channel: Field, factor: float) -> Field:
    """A channel made larger about its centre, bilinearly; edges are carried on."""
    size = len(channel)
    at = ((np.arange(size) - (size - 1) / 2) / factor + (size - 1) / 2).clip(0, size - 1)
    first = np.minimum(at.astype(int), size - 2)
    share = (at - first).astype(np.float32)
    rows = channel[first] * (1 - share)[:, None] + channel[first + 1] * share[:, None]
    return rows[:, first] * (1 - share) + rows[:, first + 1] * share


def _cover(distance: Field, size: int) -> Field:
    """How much of a pixel lies inside an outline at a signed distance in picture heights."""
    return (0.5 - distance * size).clip(0, 1)


def _window(size: int, x: float, y: float, half: float) -> tuple[slice, slice, Field, Field]:
    """The part of the picture within `half` of a point: its rows, columns and the centres of its pixels."""
    margin = half + 1 / size
    rows, columns = (slice(max(0, int((c - margin) * size)), max(0, math.ceil((c + margin) * size))) for c in (y, x))
    grid_x, grid_y = _grid(size)
    return rows, columns, grid_x[rows, columns], grid_y[rows, columns]

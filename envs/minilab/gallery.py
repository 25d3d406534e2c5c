"""A contact sheet of a level: what the agent sees from several poses, and the plan with those poses on it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from envs.minilab.env import MinilabEnv

_GAP = 6
_COLUMNS = 4


def _draw_plan(env: MinilabEnv, side: int) -> Image.Image:
    """Plan of environment 0, north up, with the numbered poses of the showcase."""
    shapes = env.level.plan(0, env.state, env.scene)
    points = np.array([point for shape in shapes for point in shape.points])
    middle, extent = (points.max(0) + points.min(0)) / 2, (points.max(0) - points.min(0)).max() * 1.04

    def pixel(x: float, y: float) -> tuple[float, float]:
        return (x - middle[0]) / extent * side + side / 2, (middle[1] - y) / extent * side + side / 2

    sheet = Image.new("RGB", (side, side), (24, 24, 28))
    pen = ImageDraw.Draw(sheet)
    for shape in shapes:
        pen.polygon([pixel(x, y) for x, y in shape.points], fill=shape.colour)
    for number, (x, y, yaw) in enumerate(env.level.SHOWCASE, 1):
        ahead = x + 110 * math.cos(math.radians(yaw)), y + 110 * math.sin(math.radians(yaw))
        pen.line([pixel(x, y), pixel(*ahead)], fill=(255, 255, 255), width=3)
        pen.text(pixel(x, y), str(number), fill=(255, 255, 255), font_size=side / 24, stroke_width=2, stroke_fill=0)
    return sheet


def contact_sheet(name: str, *, scale: int = 3) -> Image.Image:
    """Frames of 72x96 enlarged `scale` times without smoothing, so that one sees what the agent gets."""
    env = MinilabEnv(name, 1, 72, 96, 0, evaluation=False, threads=1)
    env.reset()
    height, width = 72 * scale, 96 * scale
    frames = []
    for x, y, yaw in env.level.SHOWCASE:
        env.place(0, x, y, yaw)
        frame = Image.fromarray(env.outputs.obs[0])
        frames.append(frame.resize((width, height), Image.Resampling.NEAREST))
    rows = math.ceil(len(frames) / _COLUMNS)
    side = rows * height + (rows - 1) * _GAP
    sheet = Image.new("RGB", (_COLUMNS * (width + _GAP) + side, side), (255, 255, 255))
    for number, frame in enumerate(frames):
        corner = (number % _COLUMNS) * (width + _GAP), (number // _COLUMNS) * (height + _GAP)
        sheet.paste(frame, corner)
        label = ImageDraw.Draw(sheet)
        label.text(
            (corner[0] + 6, corner[1] + 2),
            str(number + 1),
            fill=(255, 255, 255),
            font_size=20,
            stroke_width=2,
            stroke_fill=0,
        )
    sheet.paste(_draw_plan(env, side), (_COLUMNS * (width + _GAP), 0))
    return sheet


def write_gallery(names: list[str], folder: Path) -> list[Path]:
    """Write `<folder>/<level>.png` for each level; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in names:
        paths.append(folder / f"{name}.png")
        contact_sheet(name).save(paths[-1])
    return paths

"""What a level looks like: a contact sheet with a plan, and a short film, both of a random agent's episode."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice, repeat
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch
from PIL import Image, ImageDraw

from envs import EnvConfig, make
from envs.minilab.env import MinilabEnv
from envs.minilab.gym_envs import ENLARGEMENT, METADATA, MinilabGymEnv
from envs.minilab.levels import PlanShape
from envs.minilab.physics import ACTION_NAMES

Pose = tuple[float, float, float]  # x, y, yaw

_STEPS = 240  # agent steps of the film: 16 seconds
_LONGEST_HOLD = 12  # agent steps
_LOOKS = 12
_LOOKS_STEPS = 30
_VIEWS = 8  # on a sheet, of a level that has no poses to show
_COLUMNS = 4
_GAP = 6
_WHITE = (255, 255, 255)


def write_gallery(names: list[str], folder: Path) -> Iterator[Path]:
    """Write `<folder>/<level>.png` and `<folder>/<level>.mp4` for each level; yields each path once it is written.

    Raises:
        ValueError: unknown level, before anything is written.
    """
    batches = [make(EnvConfig(name=name, num_envs=1), seed=0) for name in names]
    folder.mkdir(parents=True, exist_ok=True)
    for env in batches:
        assert isinstance(env, MinilabEnv)
        sheet, video = folder / f"{env.name}.png", folder / f"{env.name}.mp4"
        contact_sheet(env).save(sheet)
        yield sheet
        film(env.name, video)
        yield video


def write_looks(names: list[str], folder: Path, strength: float) -> Iterator[Path]:
    """Write `<folder>/<level>-looks.png` for each level: twelve draws of domain randomisation; yields each path.

    Raises:
        ValueError: unknown level or a strength out of bounds, before anything is written.
    """
    batches = [make(EnvConfig(name=name, num_envs=_LOOKS, randomise=strength), seed=0) for name in names]
    folder.mkdir(parents=True, exist_ok=True)
    for env in batches:
        assert isinstance(env, MinilabEnv)
        path = folder / f"{env.name}-looks.png"
        looks_sheet(env).save(path, optimize=True)
        yield path


def looks_sheet(env: MinilabEnv, scale: int = 2) -> Image.Image:
    """Twelve environments, each in its first pose worth a look, or where a random agent is after two seconds."""
    env.reset()
    if env.level.SHOWCASE and not hasattr(env.scene, "mazes"):  # in a maze of each episode's own no pose is sure
        for i in range(env.num_envs):
            env.place(i, *env.level.SHOWCASE[i % len(env.level.SHOWCASE)])
    else:
        for action in islice(_held_actions(), _LOOKS_STEPS):
            env.step(torch.full((env.num_envs,), int(action)))
    frames = env.outputs.obs
    rows = [np.concatenate(list(frames[row : row + _COLUMNS]), 1) for row in range(0, len(frames), _COLUMNS)]
    sheet = Image.fromarray(np.concatenate(rows))
    small = sheet.quantize(256, dither=Image.Dither.NONE)  # a quarter of the bytes, and no difference to the eye
    return small.resize((scale * sheet.width, scale * sheet.height), Image.Resampling.NEAREST)


def contact_sheet(env: MinilabEnv, scale: int = 3) -> Image.Image:
    """What agent 0 sees from several poses in a new episode, and where these are on the plan.

    Frames are enlarged `scale` times without smoothing, so that one sees what the agent gets.
    """
    env.reset()
    shapes = env.level.plan(0, env.state, env.scene)
    poses, frames = zip(*_views(env), strict=True)
    height, width = (scale * side for side in frames[0].shape[:2])
    rows = math.ceil(len(frames) / _COLUMNS)
    side = rows * (height + _GAP) - _GAP
    sheet = Image.new("RGB", (_COLUMNS * (width + _GAP) + side, side), _WHITE)
    for number, frame in enumerate(frames):
        corner = (number % _COLUMNS) * (width + _GAP), (number // _COLUMNS) * (height + _GAP)
        sheet.paste(Image.fromarray(frame).resize((width, height), Image.Resampling.NEAREST), corner)
        _write_number(ImageDraw.Draw(sheet), (corner[0] + 14, corner[1] + 14), number + 1, 20)
    sheet.paste(_draw_plan(shapes, poses, side), (_COLUMNS * (width + _GAP), 0))
    return sheet


def film(name: str, path: Path) -> None:
    """An mp4 of a random agent's first 16 seconds, drawn four times as large as the agent's own pictures."""
    env = MinilabGymEnv(name, render_mode="rgb_array")
    frame, _ = env.reset(seed=0)
    height, width = (ENLARGEMENT * side for side in frame.shape[:2])
    writer = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=METADATA["render_fps"], ffmpeg_log_level="error"
    )
    writer.send(None)
    for action in islice(_held_actions(), _STEPS):
        writer.send(env.render())
        env.step(action)
    writer.close()
    env.close()


def _held_actions() -> Iterator[np.int64]:
    """Uniform actions, each held for 1 to 12 agent steps."""
    generator = np.random.default_rng(0)
    while True:
        yield from repeat(generator.integers(len(ACTION_NAMES)), int(generator.integers(_LONGEST_HOLD)) + 1)


def _views(env: MinilabEnv) -> Iterator[tuple[Pose, np.ndarray]]:
    """Poses and pictures [H, W, 3]: the level's showcase, or else a random agent's at even intervals."""
    for pose in env.level.SHOWCASE:
        env.place(0, *pose)
        yield pose, env.outputs.obs[0].copy()
    if not env.level.SHOWCASE:
        for step, action in enumerate(islice(_held_actions(), _STEPS)):
            if step % (_STEPS // _VIEWS) == 0:
                yield env.poses()[0], env.outputs.obs[0].copy()
            env.step(torch.tensor([action]))


def _draw_plan(shapes: list[PlanShape], poses: tuple[Pose, ...], side: int) -> Image.Image:
    """A square plan, north up, with the numbered poses."""
    points = np.array([point for shape in shapes for point in shape.points])
    middle, extent = (points.max(0) + points.min(0)) / 2, (points.max(0) - points.min(0)).max() * 1.04

    def pixel(x: float, y: float) -> tuple[float, float]:
        return (x - middle[0]) / extent * side + side / 2, (middle[1] - y) / extent * side + side / 2

    sheet = Image.new("RGB", (side, side), (24, 24, 28))
    pen = ImageDraw.Draw(sheet)
    for shape in shapes:
        pen.polygon([pixel(x, y) for x, y in shape.points], fill=shape.colour)
    for number, (x, y, yaw) in enumerate(poses, 1):
        dx, dy = extent * math.cos(math.radians(yaw)), extent * math.sin(math.radians(yaw))
        pen.line([pixel(x, y), pixel(x + 0.05 * dx, y + 0.05 * dy)], fill=_WHITE, width=3)
        _write_number(pen, pixel(x + 0.08 * dx, y + 0.08 * dy), number, side // 24)  # ahead, where poses share a place
    return sheet


def _write_number(pen: ImageDraw.ImageDraw, centre: tuple[float, float], number: int, size: int) -> None:
    pen.text(centre, str(number), fill=_WHITE, anchor="mm", font_size=size, stroke_width=2, stroke_fill=0)
